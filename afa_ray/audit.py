"""`python -m afa_ray.audit`: hold a run's attention to the published tests of attention.

Writes a page, Markdown and JSON. Finished tests are not repeated when it is called again. With
`--workers` runs, tests and the models that tests train are spread over a Ray cluster.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from afa_ray.arguments import Parser
from afa_ray.command_line import answer, parse
from afa_ray.config import Settings
from afa_ray.errors import UserError, no_room
from afa_ray.json_files import read_object

if TYPE_CHECKING:
    from afa_ray.training.audit_cluster import Part
    from afa_ray.training.bench import Bench

WEIGHTS = "model.safetensors"
FILE = "audit.json"
NOTHING: Mapping[str, float] = MappingProxyType({})


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
        if no_room(error):
            raise
        raise UserError(f"out = {out}: cannot be made ({error.strerror}); give another") from error
    audits = _audits(runs, out / FILE, options)
    write_whole(out / "audit.md", markdown(audits))
    write_whole(out / "report.html", audit_html(audits))
    for each in audits:
        print(each["model"], *(f"  {sentence}" for sentence in verdict(each)), sep="\n")
    print(f"page    {out / 'report.html'}")


def _audits(runs: list[Path], file: Path, options: argparse.Namespace) -> list[dict[str, Any]]:
    """What is known of each run, after what was not has been found out, and kept in the file."""
    known = (read_object(file) or {}) if file.exists() else {}
    keep = partial(_keep, file, known)
    audits: list[dict[str, Any]] = []
    open_ones: list[Open] = []
    for run in runs:
        there = known.setdefault(_key(run, options), {"model": run.name, "tests": {}})
        missing = [name for name in options.tests if not _is_there(name, there, options)]
        if missing and not any(there is before for before in audits):
            open_ones.append(Open(run, missing, there))
        audits.append(there)
    if options.workers and open_ones:
        _spread(open_ones, options, keep)
    else:
        for each in open_ones:
            _test_all(each, _bench(each, options, keep), options)
    return audits


class Open(NamedTuple):
    """A run, the tests that are missing, and its audit, which they are put into."""

    run: Path
    missing: list[str]
    there: dict[str, Any]


def _key(run: Path, options: argparse.Namespace) -> str:
    from afa_ray.records.audited import audit_key

    weights = run / "model" / WEIGHTS
    return audit_key(weights, _settings(run), options.texts, options.seed)


def _settings(run: Path) -> Settings:
    return parse(["--config", str(run / "config.yaml")])


def _is_there(name: str, there: dict[str, Any], options: argparse.Namespace) -> bool:
    """Whether a test is finished, with as many models as are asked for where it trains any."""
    return name in there["tests"] and there["tests"][name].get("limits") == _limits(name, options)


def _limits(name: str, options: argparse.Namespace) -> dict[str, Any] | None:
    from afa_ray.training.trained_tests import TRAINED_TESTS

    return asdict(options.limits) if name in TRAINED_TESTS else None


def _keep(file: Path, known: dict[str, Any]) -> None:
    from afa_ray.records.run_folder import write_whole

    write_whole(file, json.dumps(known, indent=1))


def _bench(each: Open, options: argparse.Namespace, keep: Callable[[], None]) -> Bench:
    """The run, opened. What is found of single models that are trained is kept, too, so that no
    more than one is trained again."""
    from afa_ray.data.sample import sample
    from afa_ray.records.finished import open_finished
    from afa_ray.training.bench import Bench
    from afa_ray.training.trained_tests import TRAINED_TESTS

    settings, trained = _settings(each.run), any(name in TRAINED_TESTS for name in each.missing)
    device = "cpu" if options.workers else options.device
    target, corpus = open_finished(each.run, settings, device, fresh=trained)
    texts = sample(corpus.test, options.texts, options.seed)
    of = json.dumps({**asdict(options.limits), "seeds": None})
    kept = each.there.setdefault("models", {}).setdefault(of, {})
    limits, seed = options.limits, options.seed
    each.there.update({"texts": len(texts), "data": corpus.name})
    return Bench(target, settings, corpus, texts, limits, seed, kept=kept, keep=keep)


def _test_all(
    each: Open, bench: Bench, options: argparse.Namespace, spent: Mapping[str, float] = NOTHING
) -> None:
    """Put what the tests find into the audit of the run, one after the other.

    Args:
        spent: seconds on what is kept already, by test.
    """
    from afa_ray.training.one_test import tested

    for name in each.missing:
        began = time.perf_counter()
        found = tested(name, bench, f"{each.run.name}, {name}")
        seconds = time.perf_counter() - began + spent.get(name, 0)
        _put(name, found, seconds, each, options)
        bench.keep()


def _put(
    name: str, found: dict[str, Any], seconds: float, each: Open, options: argparse.Namespace
) -> None:
    of = {"seconds": round(seconds, 2), "limits": _limits(name, options)}
    each.there["tests"][name] = {**found, **of}


def _spread(open_ones: list[Open], options: argparse.Namespace, keep: Callable[[], None]) -> None:
    """Have the workers of a Ray cluster find what is missing; of tests that train models, what is
    found of them all is put together here."""
    from afa_ray.training.audit_cluster import parts_of

    benches = [_bench(each, options, keep) for each in open_ones]
    orders = [dict.fromkeys([*each.there["tests"], *each.missing]) for each in open_ones]
    parts = [
        part
        for run, (each, bench) in enumerate(zip(open_ones, benches, strict=True))
        for part in parts_of(run, each.missing, bench)
    ]
    spent = _gather(parts, benches, open_ones, options) if parts else {}
    for run, (each, bench) in enumerate(zip(open_ones, benches, strict=True)):
        left = [name for name in each.missing if not _is_there(name, each.there, options)]
        seconds = {name: spent.get((run, name), 0.0) for name in left}
        _test_all(each._replace(missing=left), bench, options, seconds)
        each.there["tests"] = {name: each.there["tests"][name] for name in orders[run]}
        keep()


def _gather(
    parts: list[Part], benches: list[Bench], open_ones: list[Open], options: argparse.Namespace
) -> dict[tuple[int, str], float]:
    """Keep what the workers find, as soon as it is; returns the seconds that went into the models
    of each (run, test)."""
    from afa_ray.report.bar import progress_bar
    from afa_ray.training.audit_cluster import found_by_workers

    spent: dict[tuple[int, str], float] = {}
    outcomes = found_by_workers(benches, parts, options.workers, options.device)
    with progress_bar("auditing", len(parts), "parts") as advance:
        for (run, test, model), found, seconds in outcomes:
            if model is None:
                _put(test, found, seconds, open_ones[run], options)
            else:
                benches[run].kept[model] = found
                spent[run, test] = spent.get((run, test), 0.0) + seconds
            benches[run].keep()
            advance(1)
    return spent


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
