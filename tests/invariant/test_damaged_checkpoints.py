"""A damaged checkpoint is named, and the one before is taken or the run is refused: whatever lies
in a run's folder, the weights at its end are those of the quiet run, or there are none."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from afa_ray import train as train_module
from afa_ray.config import Settings
from afa_ray.data.corpus import Corpus
from afa_ray.errors import UserError
from afa_ray.records import manifest
from afa_ray.records.manifest import checkpoints, fault_of, find_checkpoint, seal
from tests.conftest import TINY, with_values
from tests.invariant.test_resume import interrupt_at, records

WEIGHTS = ("model/model.safetensors", "discriminator/model.safetensors")
FILES = (
    "target.safetensors", "discriminator.safetensors", "best.safetensors", "optimizers.safetensors",
    "progress.json", "manifest.json",
)  # fmt: skip


Start = Callable[[str], Path]


@pytest.fixture(scope="module")
def start(small_corpus: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """Trains 20 updates in a folder of that name; there are checkpoints after 6, 10, 12, 18, 20."""
    storage = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train_module, "prepare_corpus", lambda settings: small_corpus)

        def train(name: str) -> Path:
            own = {"run.storage": str(storage), "run.name": name}
            more = {"train.epochs": 2, "train.checkpoint_every": 6}
            train_module.train(with_values(Settings(), **(TINY | more | own)))
            return storage / name

        yield train


@pytest.fixture(scope="module")
def quiet(start: Start) -> Path:
    return start("quiet")


@pytest.fixture(scope="module")
def stopped(start: Start, quiet: Path) -> Path:
    """A run that was interrupted after 15 updates: its checkpoints are those of 10 and 12."""
    with pytest.MonkeyPatch.context() as patch:
        interrupt_at(patch, 15)
        with pytest.raises(KeyboardInterrupt):
            start("stopped")
    return quiet.parent / "stopped"


@pytest.fixture
def again(stopped: Path) -> Path:
    """A copy of it under its own name's settings."""
    folder = stopped.parent / "again"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(stopped, folder)
    config = folder / "config.yaml"
    config.write_text(config.read_text().replace("name: stopped", "name: again"))
    return folder


def flip(file: Path, place: int) -> None:
    content = bytearray(file.read_bytes())
    content[place % len(content)] ^= 0x10
    file.write_bytes(content)


def require_equal(run: Path, quiet: Path) -> None:
    for name in WEIGHTS:
        assert (run / name).read_bytes() == (quiet / name).read_bytes(), name
    assert [r for r in records(run) if r["kind"] != "note"] == records(quiet)
    assert [folder.name for folder in checkpoints(run)] == ["checkpoint_0002_00000020"]


DAMAGE: dict[str, Callable[[Path, Path], object]] = {
    "a flipped byte in front": lambda file, _: flip(file, 3),
    "a flipped byte behind": lambda file, _: flip(file, -3),
    "cut short": lambda file, _: file.write_bytes(file.read_bytes()[:-5]),
    "emptied": lambda file, _: file.write_bytes(b""),
    "deleted": lambda file, _: file.unlink(),
    "that of an older checkpoint": lambda file, older: shutil.copy(older / file.name, file),
    "a folder": lambda file, _: (file.unlink(), file.mkdir()),
}


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("damage", DAMAGE)
def test_every_file_of_a_checkpoint_is_watched(
    stopped: Path, tmp_path: Path, file: str, damage: str
) -> None:
    run = shutil.copytree(stopped, tmp_path / "run")
    older, newer = checkpoints(run)
    if damage == "that of an older checkpoint" and file == "best.safetensors":
        file = "target.safetensors"  # there is no better one yet
    DAMAGE[damage](newer / file, older)
    found = find_checkpoint(run)
    assert found.folder == older
    assert len(found.damaged) == 1
    assert f"{newer} is damaged: " in found.damaged[0]


@pytest.mark.parametrize("file", ["target.safetensors", "optimizers.safetensors", "progress.json"])
def test_the_one_before_is_taken_and_the_end_is_that_of_the_quiet_run(
    start: Start, quiet: Path, again: Path, capsys: pytest.CaptureFixture[str], file: str
) -> None:
    newer = checkpoints(again)[-1]
    DAMAGE["that of an older checkpoint"](newer / file, checkpoints(again)[0])
    require_equal(start("again"), quiet)
    output = capsys.readouterr().out
    assert "resume  after 10 updates" in output
    assert f"note    {newer} is damaged: {file} is not as it was written" in output


def test_an_older_checkpoint_under_a_newer_ones_name(
    again: Path, start: Start, quiet: Path
) -> None:
    older, newer = checkpoints(again)
    shutil.rmtree(newer)
    shutil.copytree(older, newer)
    assert fault_of(newer) == "manifest.json is that of another checkpoint"
    require_equal(start("again"), quiet)


def test_where_all_are_damaged_the_run_is_refused_and_left(again: Path, start: Start) -> None:
    for folder in checkpoints(again):
        flip(folder / "best.safetensors", 500)
    before = {path: path.read_bytes() for path in again.rglob("*") if path.is_file()}
    with pytest.raises(UserError, match="no checkpoint of this run is whole") as refused:
        start("again")
    for folder in checkpoints(again):
        assert f"{folder} is damaged: best.safetensors is not as it was written" in str(
            refused.value
        )
    assert {path: path.read_bytes() for path in again.rglob("*") if path.is_file()} == before


def test_what_a_kill_left_behind_goes(again: Path, start: Start, quiet: Path) -> None:
    (again / ".checkpoint_abcd" / "checkpoint_0001_00000012").mkdir(parents=True)
    shutil.copytree(checkpoints(again)[0], again / "checkpoint_0000_00000006")
    (again / ".model").mkdir()
    for name in (".unfinished-1a2b", ".unfinished-3c4d", ".progress"):
        (again / name).write_text("half")
    require_equal(start("again"), quiet)
    assert {path.name for path in again.iterdir()} == {path.name for path in quiet.iterdir()}


def test_a_checkpoint_of_another_version_is_said(again: Path, start: Start) -> None:
    for folder in checkpoints(again):
        about = folder / "progress.json"
        about.write_text(about.read_text().replace('"stale"', '"slate"'))
        seal(folder)
    with pytest.raises(UserError, match="not a checkpoint of this version"):
        start("again")


def test_the_manifest_is_written_last(tmp_path: Path) -> None:
    (tmp_path / "checkpoint_0001_00000010").mkdir()
    (tmp_path / "checkpoint_0001_00000010" / "target.safetensors").write_bytes(b"1234")
    assert "has no manifest.json" in fault_of(tmp_path / "checkpoint_0001_00000010")
    seal(tmp_path / "checkpoint_0001_00000010")
    assert fault_of(tmp_path / "checkpoint_0001_00000010") == ""
    assert manifest.latest_checkpoint(tmp_path) == tmp_path / "checkpoint_0001_00000010"
