"""`python -m afa_ray.audit`: hold a run's attention to the published tests of attention.

Writes a page, Markdown and JSON. Finished tests are not repeated when it is called again.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from afa_ray.arguments import Parser
from afa_ray.command_line import answer, parse
from afa_ray.config import Settings
from afa_ray.errors import UserError
from afa_ray.json_files import read_object

if TYPE_CHECKING:
    from afa_ray.evaluation.audit import Test
    from afa_ray.training.bench import Bench
    from afa_ray.training.trained_tests import TrainedTest

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
    known = (read_object(out / FILE) or {}) if (out / FILE).exists() else {}
    keys = [_key(run, options) for run in runs]
    audits = [
        known.get(key) or {"model": run.name, "tests": {}}
        for run, key in zip(runs, keys, strict=True)
    ]
    for run, key, there in zip(runs, keys, audits, strict=True):
        known[key] = there
        missing = [name for name in options.tests if not _is_there(name, there, options)]
        if missing:
            keep = partial(_keep, out / FILE, known)
            _test_all(run, missing, there, options, keep)
    write_whole(out / "audit.md", markdown(audits))
    write_whole(out / "report.html", audit_html(audits))
    for each in audits:
        print(each["model"], *(f"  {sentence}" for sentence in verdict(each)), sep="\n")
    print(f"page    {out / 'report.html'}")


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


def _test_all(
    run: Path,
    names: list[str],
    there: dict[str, Any],
    options: argparse.Namespace,
    keep: Callable[[], None],
) -> None:
    """Put what the tests find into the audit of the run, one after the other; what is found of
    single models that are trained, too, so that no more than one is trained again."""
    from afa_ray.data.sample import sample
    from afa_ray.records.finished import open_finished
    from afa_ray.training.bench import Bench
    from afa_ray.training.trained_tests import TRAINED_TESTS

    settings, trained = _settings(run), any(name in TRAINED_TESTS for name in names)
    target, corpus = open_finished(run, settings, options.device, fresh=trained)
    texts = sample(corpus.test, options.texts, options.seed)
    of = json.dumps({**asdict(options.limits), "seeds": None})
    kept = there.setdefault("models", {}).setdefault(of, {})
    limits, seed = options.limits, options.seed
    bench = Bench(target, settings, corpus, texts, limits, seed, kept=kept, keep=keep)
    there |= {"texts": len(texts), "data": corpus.name}
    for name in names:
        began = time.perf_counter()
        found = _test(name, bench, f"{run.name}, {name}")
        seconds = round(time.perf_counter() - began, 2)
        there["tests"][name] = {**found, "seconds": seconds, "limits": _limits(name, options)}
        keep()


def _test(name: str, bench: Bench, doing: str) -> dict[str, Any]:
    """A test's figures, with what they mean."""
    from afa_ray.data.tokenizer import special_ids
    from afa_ray.evaluation.attefa import PUBLISHED
    from afa_ray.evaluation.audit import TESTS, batches
    from afa_ray.report.bar import progress_bar
    from afa_ray.training.trained_tests import TRAINED_TESTS

    test: Test | TrainedTest
    if name in TRAINED_TESTS:
        test = TRAINED_TESTS[name]
        with progress_bar(doing, test.trains(bench.limits), "models") as advance:
            figures = test.run(replace(bench, advance=advance))
    else:
        test, tokenizer = TESTS[name], bench.corpus.tokenizer
        with progress_bar(doing, len(bench.test)) as advance:
            seen = batches(bench.target, bench.test, special_ids(tokenizer), advance)
            figures = test.run(bench.target, seen, bench.seed)
        for case in figures.get("cases", ()):
            case["words"] = tokenizer.convert_ids_to_tokens(case.pop("ids"))
    words: dict[str, Any] = {
        "asks": test.asks,
        "high": test.high,
        "low": test.low,
        "source": test.source,
    }
    if name == "attefa":
        kinds = ("an LSTM", "words by themselves")
        words["published"] = {of: dict(zip(kinds, x, strict=True)) for of, x in PUBLISHED.items()}
    return {"figures": figures, **words}


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
    option("--device", help="as PyTorch names it; by default a GPU where there is one")
    return parser


if __name__ == "__main__":
    sys.exit(main())
