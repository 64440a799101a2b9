"""`python -m afa_ray.audit`: hold a run's attention to the published tests of attention.

Writes a page, Markdown and JSON. Finished tests are not repeated when it is called again. With
`--workers` runs, tests and the models that tests train are spread over a Ray cluster.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from afa_ray.arguments import Parser
from afa_ray.command_line import answer, parse
from afa_ray.config import Settings
from afa_ray.errors import UserError
from afa_ray.json_files import read_object

WEIGHTS = "model.safetensors"
FILE = "audit.json"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status: 0, or 2 after a mistake of the user's."""
    given = sys.argv[1:] if arguments is None else arguments
    return answer("afa_ray.audit", lambda: audit(options_of(given)))


def audit(options: argparse.Namespace) -> None:
    """Test every run, and write what was found.

    Raises:
        UserError: no such run or test, or no place to write to; nothing is written then.
    """
    from afa_ray.records.run_folder import write_whole
    from afa_ray.report.audit import audit_html, markdown, verdict

    runs = [_complete(Path(run).expanduser()) for run in options.runs]
    out = Path(options.out).expanduser() if options.out else runs[0] / "audit"
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"out = {out}: cannot be made ({error.strerror}); give another") from error
    audits = _audits(runs, out / FILE, options)
    write_whole(out / "audit.md", markdown(audits))
    write_whole(out / "report.html", audit_html(audits))
    for each in audits:
        print(each["model"], *(f"  {sentence}" for sentence in verdict(each)), sep="\n")
    print(f"page    {out / 'report.html'}")


def _audits(runs: list[Path], file: Path, options: argparse.Namespace) -> list[dict[str, Any]]:
    """What is known of each run, after what was not has been found out, and kept in the file."""
    from afa_ray.records.audited import audit_key
    from afa_ray.training.open_audits import Asked, Open, find_missing, is_there

    asked = Asked(**{name: getattr(options, name) for name in Asked._fields})
    known = (read_object(file) or {}) if file.exists() else {}
    audits: list[dict[str, Any]] = []
    open_ones: list[Open] = []
    for run in runs:
        settings: Settings = parse(["--config", str(run / "config.yaml")])
        key = audit_key(run / "model" / WEIGHTS, settings, asked.texts, asked.seed)
        there = known.setdefault(key, {"model": run.name, "tests": {}})
        missing = [name for name in options.tests if not is_there(name, there, asked.limits)]
        if missing and not any(there is before for before in audits):
            open_ones.append(Open(run, settings, missing, there))
        audits.append(there)
    find_missing(open_ones, asked, partial(_keep, file, known))
    return audits


def _keep(file: Path, known: dict[str, Any]) -> None:
    from afa_ray.records.run_folder import write_whole

    write_whole(file, json.dumps(known, indent=1))


def _complete(run: Path) -> Path:
    if not (run / "model" / WEIGHTS).is_file() or not (run / "config.yaml").is_file():
        raise UserError(
            f"{run}: is not the folder of a complete run (config.yaml and model/{WEIGHTS}); give "
            "one that afa_ray.train has finished"
        )
    return run


def options_of(arguments: Sequence[str]) -> argparse.Namespace:
    """The options.

    Raises:
        UserError: with one line for every mistake.
        SystemExit: 0 after `--help`.
    """
    from afa_ray.evaluation.audit import TESTS
    from afa_ray.training.bench import Limits
    from afa_ray.training.trained_tests import TRAINED_TESTS

    known = (*TESTS, *TRAINED_TESTS)
    given = _parser(", ".join(TESTS), ", ".join(TRAINED_TESTS)).read(arguments)
    given.tests = list(TESTS) if given.tests is None else given.tests.split(",")
    faults = [
        f"tests = {name}: there is no such test; take from {', '.join(known)}"
        for name in given.tests
        if name not in known
    ]
    for name in ("texts", "train_texts"):
        if getattr(given, name) < 0:
            option = name.replace("_", "-")
            faults.append(f"{option} = {getattr(given, name)}: must be at least 0, which takes all")
    for name in ("seeds", "epochs"):
        if getattr(given, name) < 1:
            faults.append(f"{name} = {getattr(given, name)}: must be at least 1")
    if given.workers < 0:
        faults.append(f"workers = {given.workers}: must be at least 0")
    if faults:
        raise UserError("\n".join(faults))
    given.limits = Limits(
        seeds=given.seeds,
        epochs=given.epochs,
        texts=given.train_texts,
        on_test=given.choose_on == "test",
        order=given.kl,
    )
    return given


def _parser(tests: str, trained: str) -> Parser:
    parser = Parser(
        prog="python -m afa_ray.audit",
        description="Hold attention to the published tests of attention as explanation.",
    )
    option = parser.add_argument
    option("runs", metavar="RUN", nargs="+", help="folders of finished runs")
    option("--texts", type=int, default=300, help="test texts, stratified; 0: all (default: 300)")
    option(
        "--tests",
        metavar="NAMES",
        help=f"separated by commas, by default {tests}; others "
        f"train models, which takes long: {trained}",
    )
    option("--seeds", type=int, default=9, help="models that are trained a figure (default: 9)")
    option("--epochs", type=int, default=80, help="most epochs of an adversary (default: 80)")
    option(
        "--train-texts",
        type=int,
        default=4000,
        help="training texts of models that are trained, stratified; 0: all (default: 4000)",
    )
    option(
        "--choose-on",
        choices=("validation", "test"),
        default="validation",
        help="texts that an adversary's epoch is chosen on; AtteFa's authors took test",
    )
    option(
        "--kl",
        choices=("published", "reverse"),
        default="published",
        help="order of the divergence in departure; its author holds reverse for right",
    )
    option("--seed", type=int, default=0, help="of texts, permutations and searches (default: 0)")
    option("--out", metavar="FOLDER", help="by default audit in the folder of the (first) run")
    option("--workers", metavar="N", type=int, default=0, help="processes of a Ray cluster that "
           "share runs, tests and the models that are trained (default: 0: without Ray)"
           )  # fmt: skip
    option("--device", help="as PyTorch names it; by default a GPU where there is one")
    return parser


if __name__ == "__main__":
    sys.exit(main())
