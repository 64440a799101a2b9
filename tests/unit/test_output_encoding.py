"""What is printed reaches an output of any encoding."""

import os
import subprocess
import sys
from pathlib import Path

NAME = "情感-été-😀"
ROWS = "".join(f"{'good' if i % 2 else 'bad'} text {i % 5},{i % 2}\n" for i in range(40))


def test_a_run_with_a_name_that_the_output_lacks(tmp_path: Path) -> None:
    encoding = "cp1252"
    (tmp_path / "data.csv").write_text("text,label\n" + ROWS, encoding="utf-8")
    command = [
        sys.executable, "-m", "afa_ray.train", "--data.name", NAME, "--run.name", NAME,
        "--data.train_file", str(tmp_path / "data.csv"), "--run.storage", str(tmp_path / "runs"),
        "--target.hidden_size", "16", "--discriminator.hidden_size", "16", "--train.epochs", "1",
        "--target.word2vec", "false", "--train.num_workers", "0", "--mlflow.uri", "none",
    ]  # fmt: skip
    done = subprocess.run(
        command, capture_output=True, env=os.environ | {"PYTHONIOENCODING": encoding}
    )
    assert (done.returncode, done.stderr.decode(encoding)) == (0, "")
    shown = NAME.encode(encoding, "backslashreplace")
    assert b"preparing " + shown in done.stdout
    assert (tmp_path / "runs" / NAME / "result.json").exists()


def test_help_and_the_other_commands(tmp_path: Path) -> None:
    folder = tmp_path / NAME
    code = (
        "import sys; from afa_ray.track import main; "
        "from afa_ray.output import print_anywhere; "
        f"status = main([{str(folder)!r}]); print({NAME!r}); sys.exit(status)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        env=os.environ | {"PYTHONIOENCODING": "latin-1"},
    )
    assert done.returncode == 2
    assert done.stdout.decode("latin-1") == "\\u60c5\\u611f-été-\\U0001f600\n"
    assert "Traceback" not in done.stderr.decode("latin-1")
