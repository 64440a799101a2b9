"""The texts of the project hold: generated pages, links, names of code, sizes, and Sphinx."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import numpy as np
import pytest

from afa_ray.data.generated import MOCK_NAMES
from afa_ray.data.named import LABEL_NAMES
from docs.generate import pages

ROOT = Path(__file__).parents[2]
TEXTS = sorted(
    [ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md"),
     *(ROOT / "studies").rglob("*.md"), *(ROOT / "tests").rglob("*.md")]
)  # fmt: skip
LINK = re.compile(r"\]\((?!https?:)([^)\s#]*)(?:#([^)\s]*))?\)")
NAME = re.compile(r"`((?:afa_ray|envs|tune)(?:\.\w+)+)`")
BLOCK = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def anchors(text: str) -> set[str]:
    """Of a Markdown text's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", BLOCK.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}


@pytest.mark.parametrize("text", TEXTS, ids=relative)
def test_links_lead_somewhere(text: Path) -> None:
    content = BLOCK.sub("", text.read_text(encoding="utf-8"))
    for target, anchor in LINK.findall(content):
        goal = (text.parent / target).resolve() if target else text
        assert goal.exists(), target
        if anchor:
            assert anchor in anchors(goal.read_text(encoding="utf-8")), f"{target}#{anchor}"


@pytest.mark.parametrize("text", TEXTS, ids=relative)
def test_names_of_code_exist(text: Path) -> None:
    if text.name == "CHANGELOG.md":
        pytest.skip("speaks of the past, too")
    for name in NAME.findall(text.read_text(encoding="utf-8")):
        resolve_name(name)


def test_generated_pages_are_what_the_code_says() -> None:
    for page, content in pages().items():
        assert page.read_text(encoding="utf-8") == content, (
            f"{relative(page)} is behind the code: python -m docs.generate"
        )


def test_every_data_set_is_described() -> None:
    page = (ROOT / "docs/reference/data.md").read_text(encoding="utf-8")
    for name in (*LABEL_NAMES, "reviews", MOCK_NAMES[0], MOCK_NAMES[-1]):
        assert f"`{name}`" in page


def test_the_example_of_an_environment_runs() -> None:
    page = (ROOT / "docs/reference/environments.md").read_text(encoding="utf-8")
    names: dict[str, Any] = {}
    exec(page.split("```python")[1].split("```")[0], names)
    env, rewards, done = names["env"], [], False
    _, info = env.reset(seed=0, options={"index": 0})
    while not done:
        _, reward, done, _, info = env.step(int(np.flatnonzero(info["action_mask"])[0]))
        rewards.append(reward)
    assert rewards[:-1] == [0] * (len(rewards) - 1)
    assert rewards[-1] == pytest.approx(np.log1p(np.exp(2)))  # 8 is gone


def test_the_map_of_the_house_is_true_and_whole() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    block = readme.split("## The house")[1].split("```")[1]
    within, shown = "", set()
    for indent, name in re.findall(r"^( *)(\w+)/", block, re.MULTILINE):
        shown.add(f"{within}/{name}" if indent else name)
        within = within if indent else name
    rooms = {relative(path.parent) for path in (ROOT / "afa_ray").glob("*/__init__.py")}
    assert shown == rooms | {"envs", "afa_ray", "tune", "studies", "docs", "tests"}


def test_readme_and_makefile_are_of_one_screen_or_two() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150
    assert len((ROOT / "Makefile").read_text(encoding="utf-8").splitlines()) < 60


@pytest.mark.slow
def test_sphinx_has_nothing_to_complain_of(tmp_path: Path) -> None:
    pytest.importorskip("furo")
    page = tmp_path / "pages"
    options = ["--fail-on-warning", "--keep-going", "--quiet", "-d", str(tmp_path / "trees")]
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", *options, "-c", "docs", ".", str(page)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "attention_row" in (page / "docs/reference/python.html").read_text(encoding="utf-8")
    shutil.rmtree(page)
