"""`afa-ray`: all commands under one name."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from afa_ray import __version__
from afa_ray.cli import COMMANDS, main, summary

ROOT = Path(__file__).parents[2]


def test_help_has_a_line_for_every_command(capsys) -> None:
    assert main(["--help"]) == 0
    printed = capsys.readouterr().out
    lines = {words[0]: words[1:] for line in printed.splitlines() if (words := line.split())}
    for command, module in COMMANDS.items():
        assert " ".join(lines[command]) == summary(module)
        assert len(summary(module)) > 20
    assert "continue a run" in " ".join(lines["train"])
    assert max(map(len, printed.splitlines())) <= 100


def test_version(capsys) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"afa-ray {__version__}\n"


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        (["trian"], "trian: there is no such command; did you mean train?"),
        (["sensitvity", "--afa.k", "2"], "did you mean sensitivity?"),
        (["frobnicate"], "commands are train, explain, serve, audit, track"),
        (["--afa.k", "2"], "--afa.k: there is no such command"),
        ([], "a command is missing; commands are train"),
    ],
)
def test_unknown_commands_are_refused(capsys, given: list[str], complaint: str) -> None:
    assert main(given) == 2
    captured = capsys.readouterr()
    assert complaint in captured.err
    assert captured.out == ""


@pytest.mark.parametrize("command", ["train", "compare", "sensitivity", "search"])
def test_arguments_and_status_are_the_commands_own(capsys, command: str) -> None:
    assert main([command, "--afa.lamda_adv", "1"]) == 2
    message = capsys.readouterr().err
    assert message.startswith(f"{COMMANDS[command]}: cannot run:\n")
    assert "did you mean afa.lambda_adv?" in message


def test_track(tmp_path: Path, capsys) -> None:
    assert main(["track", str(tmp_path / "none")]) == 2
    assert "there is no such folder" in capsys.readouterr().err


def test_the_installed_script_is_this_one(tmp_path: Path) -> None:
    """As pip writes it; outside the checkout `tune` is found as well."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    module, _, function = project["scripts"]["afa-ray"].partition(":")
    script = f"import sys; from {module} import {function}; sys.exit({function}())"
    done = subprocess.run(
        [sys.executable, "-c", script, "compare", "--compare.seeds", "0"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 2, done.stderr
    assert "compare.seeds = 0: must be at least 1" in done.stderr
