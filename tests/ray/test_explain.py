"""`python -m afa_ray.explain --explain.workers N`: workers write what one process writes, and
what is done stays done."""

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from threading import Thread

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import afa_ray
from afa_ray.explain import main
from tests.ray.actors import processes_of
from tests.unit.test_classifier import TEXTS, save_single_layer

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.usefixtures("cluster")]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return save_single_layer(tmp_path_factory.mktemp("runs") / "tickets" / "model")


def table(path: Path, count: int) -> Path:
    texts = ["" if i % 50 == 7 else f"{TEXTS[i % len(TEXTS)]} {i}" for i in range(count)]
    if path.suffix == ".parquet":
        pq.write_table(pa.table({"id": range(count), "message": texts}), path)
    else:
        with path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([["id", "message"], *enumerate(texts)])
    return path


def command(model: str, file: Path, out: Path, rows: int, *more: str) -> list[str]:
    return [model, "--file", str(file), "--text_column", "message", "--out", str(out),
            "--explain.workers", "2", "--explain.part_rows", str(rows), *more]  # fmt: skip


def parts(out: Path) -> dict[str, int]:
    """The finished parts, and when each was written."""
    return {path.name: path.stat().st_mtime_ns for path in sorted(out.glob("part-*.parquet"))}


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_two_workers_write_what_one_process_writes(
    model: str, tmp_path: Path, capsys: pytest.CaptureFixture, suffix: str
) -> None:
    file, out = table(tmp_path / f"tickets{suffix}", 120), tmp_path / "rows"
    asked = command(model, file, out, 50, "--methods", "attention,rollout,gradient_norm")
    assert main(asked) == 0
    captured = capsys.readouterr()
    assert f"117 texts explained: {out}" in captured.out
    assert "rows 8, 58, 108" in captured.err
    assert "rollout gave no scores" in captured.err
    found = pq.read_table(out)
    alone = tmp_path / "alone.parquet"
    again = ["--methods", "attention,rollout,gradient_norm", "--out", str(alone)]
    assert main([*asked[:5], *again]) == 0
    expected = pq.read_table(alone)
    assert found.schema == expected.schema
    for name in ("row", "text", "label", "target", "words", "characters_read", "rollout"):
        assert found[name].to_pylist() == expected[name].to_pylist()
    assert found["row"].to_pylist()[5:9] == [6, 7, 9, 10]
    for name in ("attention", "gradient_norm"):
        for one, other in zip(found[name].to_pylist(), expected[name].to_pylist(), strict=True):
            assert one == pytest.approx(other, rel=1e-3, abs=1e-6)
    classifier = afa_ray.load(model)
    (last,) = classifier.explain([found["text"].to_pylist()[-1]])
    assert found["words"].to_pylist()[-1] == last.words
    assert found["attention"].to_pylist()[-1] == pytest.approx(last.scores["attention"], rel=1e-4)
    assert list(parts(out)) == ["part-00000.parquet", "part-00001.parquet", "part-00002.parquet"]
    before = parts(out)
    assert main(asked) == 0  # once more: nothing is left to do
    assert parts(out) == before
    assert sorted(p.name for p in out.iterdir()) == ["_explain.json", *before]


def test_after_a_kill_only_what_is_missing_is_explained(
    model: str, node: str, tmp_path: Path
) -> None:
    file, out = table(tmp_path / "tickets.csv", 600), tmp_path / "rows"
    asked = command(model, file, out, 20, "--methods", "attention,leave_one_out")
    environment = os.environ | {"RAY_ADDRESS": node}
    process = subprocess.Popen(
        [sys.executable, "-m", "afa_ray.explain", *asked],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    waiting = time.monotonic() + 120
    while len(parts(out)) < 3 and process.poll() is None and time.monotonic() < waiting:
        time.sleep(0.02)
    process.kill()
    process.communicate()
    _until_no_actor_is_left()
    done = parts(out)
    assert 3 <= len(done) < 30
    damaged = out / min(done)  # a disk that lost the end of a file
    damaged.write_bytes(damaged.read_bytes()[:-50])
    (out / ".unfinished-0123").write_bytes(b"half")
    assert main(asked) == 0
    now = parts(out)
    assert len(now) == 30
    assert {name: at for name, at in now.items() if name in done and name != damaged.name} == {
        name: at for name, at in done.items() if name != damaged.name
    }
    rows = pq.read_table(out)["row"].to_pylist()
    assert rows == [row for row in range(1, 601) if row % 50 != 8]
    assert sorted(p.name for p in out.iterdir()) == ["_explain.json", *now]


def test_a_worker_that_is_killed_is_replaced(model: str, tmp_path: Path) -> None:
    file, out = table(tmp_path / "tickets.csv", 400), tmp_path / "rows"
    killed: list[int] = []

    def kill() -> None:
        waiting = time.monotonic() + 60
        while not killed and time.monotonic() < waiting:
            if parts(out):
                for process in processes_of("ExplainPart")[:1]:
                    process.send_signal(signal.SIGKILL)
                    killed.append(process.pid)
            time.sleep(0.02)

    killer = Thread(target=kill)
    killer.start()
    assert main(command(model, file, out, 20, "--methods", "attention,leave_one_out")) == 0
    killer.join()
    assert len(killed) == 1
    assert pq.read_table(out)["row"].to_pylist() == [r for r in range(1, 401) if r % 50 != 8]


def _until_no_actor_is_left() -> None:
    waiting = time.monotonic() + 30
    while processes_of("ExplainPart") and time.monotonic() < waiting:
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("more", "complaint"),
    [
        (
            ["--methods", "attention,ig"],
            "was begun with methods = ['attention'], not ['attention",
        ),
        (["--target", "good"], "was begun with target = None, not good"),
        (["--text_column", "id"], "was begun with text_column = message, not id"),
        (["--explain.workers", "9"], "explain.workers = 9: each needs a CPU"),
    ],
)
def test_a_folder_holds_one_question_s_answers(
    model: str, tmp_path: Path, capsys: pytest.CaptureFixture, more: list[str], complaint: str
) -> None:
    file, out = table(tmp_path / "tickets.csv", 30), tmp_path / "rows"
    asked = command(model, file, out, 20)
    assert main([*asked, "--explain.workers", "9"]) == 2  # laid out, and not begun
    assert "the Ray cluster has 2; use at most 2" in capsys.readouterr().err
    assert main([*asked, *more]) == 2
    assert complaint in capsys.readouterr().err
    file.write_text(file.read_text().replace(" 29", " 30"))
    os.utime(file, (1, 1))
    assert main(asked) == 2
    assert "was begun with file = " in capsys.readouterr().err
