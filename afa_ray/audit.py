"""`python -m afa_ray.audit`: hold a run's attention to the published tests of attention.

Writes a page, Markdown and JSON. Finished tests are not repeated when it is called again. With
`--workers` runs, tests and the models that tests train are spread over a Ray cluster.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias

from afa_ray.arguments import Parser
from afa_ray.command_line import answer, parse
from afa_ray.config import Settings
from afa_ray.dotted import override
from afa_ray.errors import UserError
from afa_ray.json_files import DamagedError, as_json, numbers, read_object
from afa_ray.whole_files import write_whole

FILE = "audit.json"
Model: TypeAlias = tuple[Path, Settings]
"""A run, or another classifier, with its settings."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status: 0, or 2 after a mistake of the user's."""
    given = sys.argv[1:] if arguments is None else arguments
    return answer("afa_ray.audit", lambda: audit(options_of(given)))


def audit(options: argparse.Namespace) -> None:
    """Test every run, and write what was found.

    Raises:
        UserError: no such run or test, or no place to write to; nothing is written then.
    """
    from afa_ray.records.mlflow_audit import track_audit
    from afa_ray.records.run_lock import own_folder
    from afa_ray.report.audit import audit_html, markdown, verdict
    from afa_ray.report.audit_headlines import headlines

    models = [_model(Path(name).expanduser(), options) for name in options.runs]
    first, _ = models[0]
    out = Path("audit") if options.data else first / "audit"
    if options.out:
        out = Path(options.out).expanduser()
    with own_folder(out, setting="out"):
        audits = _audits(models, out / FILE, options)
        write_whole(out / "audit.md", markdown(audits))
        write_whole(out / "report.html", audit_html(audits))
    for each in audits:
        print(each["model"], *(f"  {sentence}" for sentence in verdict(each)), sep="\n")
    print(f"page    {out / 'report.html'}")
    for (model, settings), each in zip(models, audits, strict=True):
        files = [out / name for name in (FILE, "audit.md", "report.html")]
        track_audit(model, settings, headlines(each["tests"]), files)


def _audits(models: list[Model], file: Path, options: argparse.Namespace) -> list[dict[str, Any]]:
    """What is known of each model, after what was not has been found out, and kept in the file."""
    from afa_ray.records.audited import audit_key
    from afa_ray.training.open_audits import Asked, Open, find_missing, is_there

    asked = Asked(**{name: getattr(options, name) for name in Asked._fields})
    known = _known(file)
    audits: list[dict[str, Any]] = []
    open_ones: list[Open] = []
    for run, settings in models:
        weights = str(run) if options.data else str(run / "model")
        key = audit_key(weights, settings, asked.texts, asked.seed)
        there = known.setdefault(key, {"model": run.name, "tests": {}})
        missing = [name for name in options.tests if not is_there(name, there, asked.limits)]
        if missing and not any(there is before for before in audits):
            open_ones.append(Open(run, settings, missing, there, given=bool(options.data)))
        audits.append(there)
    try:
        find_missing(open_ones, asked, partial(_keep, file, known))
    except KeyboardInterrupt:
        print(f"interrupted; the same command goes on with {file.parent}", file=sys.stderr)
        raise
    return [{**there, "model": run.name} for (run, _), there in zip(models, audits, strict=True)]


def _known(file: Path) -> dict[str, Any]:
    """The audits that are there, by key.

    Raises:
        DamagedError: the file holds something else.
    """
    known = read_object(file) or {}
    try:
        for each in known.values():
            each["models"] = numbers(each.get("models", {}))
            for test in each["tests"].values():
                test["figures"] = numbers(test["figures"])
    except (AttributeError, KeyError, TypeError):
        raise DamagedError(f"{file} holds no audits; move it away, or give another out") from None
    return known


def _keep(file: Path, known: dict[str, Any]) -> None:
    write_whole(file, as_json(known, indent=1))


def _model(name: Path, options: argparse.Namespace) -> Model:
    """A complete run with its settings, or with data another classifier.

    Raises:
        UserError: it is neither.
    """
    complete = (name / "config.yaml").is_file() and any((name / "model").glob("*.safetensors"))
    if not options.data:
        if not complete:
            raise UserError(
                f"{name}: is not the folder of a complete run (config.yaml and a model in model/); "
                "give one that afa_ray.train has finished, or with another classifier its data "
                "(--data.train_file, --data.test_file)"
            )
        return name, parse(["--config", str(name / "config.yaml")])
    if complete:
        raise UserError(
            f"{options.data[0]}: run {name} has data of its own; to test its model on others, give "
            f"{name / 'model'}"
        )
    return name, _alone(parse(["--mlflow.uri", "none", *options.data]))


def _alone(settings: Settings) -> Settings:
    """With test texts alone, which are read for classes, too."""
    data = settings.data
    if data.test_file and not data.train_file:
        return override(settings, {"data.train_file": data.test_file})
    return settings


def options_of(arguments: Sequence[str]) -> argparse.Namespace:
    """The options.

    Raises:
        UserError: with one line for every mistake.
        SystemExit: 0 after `--help`.
    """
    from afa_ray.evaluation.audit import TESTS
    from afa_ray.evaluation.comparisons import COMPARISONS
    from afa_ray.training.bench import Limits
    from afa_ray.training.trained_tests import TRAINED_TESTS

    default = (*COMPARISONS, *TESTS)
    known = (*default, *TRAINED_TESTS)
    data, others = _data_of(arguments)
    given, faults = _parser(", ".join(default), ", ".join(TRAINED_TESTS)).read(others)
    given.data = data
    asked = list(default) if given.tests is None else given.tests.split(",")
    given.tests = list(dict.fromkeys(asked))
    faults += [
        f"tests = {name}: there is no such test; take from {', '.join(known)}"
        for name in given.tests
        if name not in known
    ]
    faults += [
        f"tests = {name}: trains models as a run was, and {given.runs[0]} is none; leave it out"
        for name in given.tests
        if data and name in TRAINED_TESTS
    ]
    for name in ("texts", "train_texts"):
        if getattr(given, name) < 0:
            option = name.replace("_", "-")
            faults.append(f"{option} = {getattr(given, name)}: must be at least 0, which takes all")
    for name in ("seeds", "epochs"):
        if getattr(given, name) < 1:
            faults.append(f"{name} = {getattr(given, name)}: must be at least 1")
    if not 0 <= given.seed < 2**32:
        faults.append(f"seed = {given.seed}: must be between 0 and 4294967295")
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


def _data_of(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """The settings of data among the arguments, with their values, and all others."""
    data: list[str] = []
    others: list[str] = []
    words = iter(arguments)
    for word in words:
        if not word.startswith("--data."):
            others.append(word)
        elif "=" in word:
            data.append(word)
        else:
            data += [word, *islice(words, 1)]
    return data, others


def _parser(tests: str, trained: str) -> Parser:
    parser = Parser(
        prog="python -m afa_ray.audit",
        description="Hold attention to the published tests of attention as explanation.",
    )
    option = parser.add_argument
    option(
        "runs",
        metavar="RUN",
        nargs="+",
        help="folders of finished runs; or, with their data "
        "(--data.name, --data.train_file, …), folders of classifiers or ids on the hub",
    )
    option("--audit.texts", "--texts", dest="texts", metavar="N", type=int, default=300,
           help="test texts, stratified; 0: all (default: 300)")  # fmt: skip
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
    option("--audit.workers", "--workers", dest="workers", metavar="N", type=int, default=0,
           help="processes of a Ray cluster that share runs, tests and the models that are trained "
           "(default: 0: without Ray)")  # fmt: skip
    option("--device", help="as PyTorch names it; by default a GPU where there is one")
    return parser


if __name__ == "__main__":
    sys.exit(main())
