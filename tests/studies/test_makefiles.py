"""The commands of the studies' Makefiles are commands of today, with settings of today."""

import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from afa_ray.benchmark import __main__ as benchmark
from afa_ray.benchmark import pretrained
from afa_ray.command_line import TRAIN, Command, read_config, settings_from
from afa_ray.config import Settings
from studies.evidence.bag_of_words import BAG_OF_WORDS
from studies.evidence.search import EVIDENCE
from tune.compare import COMPARE
from tune.expnet import EXPNET
from tune.methods import parse_methods
from tune.search import SEARCH
from tune.sensitivity import SENSITIVITY

ROOT = Path(__file__).parents[2]
COMMANDS: dict[str, Command[Any]] = {
    command.module: command
    for command in (
        *(TRAIN, COMPARE, SEARCH, SENSITIVITY, EXPNET, EVIDENCE, BAG_OF_WORDS),
        *(benchmark.BENCHMARK, pretrained.BENCHMARK),
    )
}


def commands_of(study: str) -> dict[str, list[tuple[str, str]]]:
    """What `make` would give to Python: module -> the names and values of all its commands."""
    given = ["make", "-n", "-C", str(ROOT / "studies" / study), "all", "MODEL=a-model"]
    said = subprocess.run(given, capture_output=True, text=True, check=True, cwd=ROOT).stdout
    found: dict[str, list[tuple[str, str]]] = {}
    for line in said.replace("\\\n", " ").splitlines():
        module, *arguments = shlex.split(line.partition("python -m ")[2]) or [""]
        if module in COMMANDS:
            names = [name.removeprefix("--") for name in arguments[::2]]
            found.setdefault(module, []).extend(zip(names, arguments[1::2], strict=True))
    return found


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
@pytest.mark.parametrize("study", ["evidence", "explainers", "paper", "minilm", "speed"])
def test_what_make_would_run(study: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    faults: list[str] = []
    commands = commands_of(study)
    assert commands
    for module, pairs in commands.items():
        given = dict.fromkeys(pairs)  # each once
        for name, value in given:
            if name == "config":
                given = given | dict.fromkeys(read_config(value, faults))
            if name.endswith(".methods") and module != "tune.expnet":
                parse_methods(value, Settings(), faults)
        settings_from([pair for pair in given if pair[0] != "config"], COMMANDS[module], faults)
    assert faults == []
