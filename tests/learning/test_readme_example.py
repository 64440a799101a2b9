"""The README's real example, but for Ray and a third of the updates: one's own file, its model."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SECTION = re.compile(r"^## A real example$(.*?)^## ", re.MULTILINE | re.DOTALL)
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks() -> list[tuple[str, str]]:
    """Language and text of every block of the section."""
    section = SECTION.search((ROOT / "README.md").read_text(encoding="utf-8"))
    assert section is not None
    return BLOCK.findall(section[1])


@pytest.mark.slow
def test_the_example_is_as_good_as_a_bag_of_words_and_says_so(tmp_path: Path) -> None:
    (_, make), (_, train), (_, use) = blocks()[:3]
    (tmp_path / "afa_ray").symlink_to(ROOT / "afa_ray")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}

    def run(*command: str) -> str:
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=600
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    python = f'"{sys.executable}"'
    run("bash", "-c", make.replace(".venv/bin/python", python))
    output = run(
        "bash",
        "-c",
        train.strip().replace(".venv/bin/python", python)
        + " --train.num_workers 0 --train.max_steps 200 --mlflow.uri none",
    )
    test, bag = (re.search(rf"{of}.*?accuracy (\S+)", output) for of in ("test ", "bag of words"))
    assert test is not None
    assert bag is not None
    assert float(test[1]) > float(bag[1]) - 0.05
    assert float(test[1]) > 0.85
    assert "warning" not in output.lower()
    explained = run(sys.executable, "-c", use)
    assert "printer" in explained
    assert "hardware" in explained
