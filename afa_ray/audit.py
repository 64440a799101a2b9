"""`python -m afa_ray.audit`: hold a run's attention to the published tests of attention.

Writes a page, Markdown and JSON. Finished tests are not repeated when it is called again.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
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
    known = (read_object(out / FILE) or {}) if (out / FILE).exists() else {}
    audits = [known.get(_key(run, options)) or _begun(run) for run in runs]
    for run, there in zip(runs, audits, strict=True):
        missing = [name for name in options.tests if name not in there["tests"]]
        for _ in _tested(run, missing, there, options) if missing else ():
            known[_key(run, options)] = there
            write_whole(out / FILE, json.dumps(known, indent=1))
    write_whole(out / "audit.md", markdown(audits))
    write_whole(out / "report.html", audit_html(audits))
    for each in audits:
        print(each["model"], *(f"  {sentence}" for sentence in verdict(each)), sep="\n")
    print(f"page    {out / 'report.html'}")


def _begun(run: Path) -> dict[str, Any]:
    return {"model": run.name, "tests": {}}


def _key(run: Path, options: argparse.Namespace) -> str:
    """What a finished test holds for: the weights, and how much was asked."""
    from afa_ray.records.manifest import file_digest

    digest = file_digest(run / "model" / WEIGHTS)
    return f"{digest}, {options.texts} texts, seed {options.seed}"


def _tested(
    run: Path, names: list[str], there: dict[str, Any], options: argparse.Namespace
) -> Iterator[None]:
    """Put what the tests find into the audit of the run, one after the other."""
    from afa_ray.data.sample import sample
    from afa_ray.data.tokenizer import special_ids
    from afa_ray.evaluation.audit import TESTS, batches
    from afa_ray.records.finished import open_finished
    from afa_ray.report.bar import progress_bar

    settings: Settings = parse(["--config", str(run / "config.yaml")])
    target, corpus = open_finished(run, settings, options.device)
    texts, special = sample(corpus.test, options.texts, options.seed), special_ids(corpus.tokenizer)
    there |= {"texts": len(texts), "data": corpus.name}
    for name in names:
        test, began = TESTS[name], time.perf_counter()
        with progress_bar(f"{run.name}, {name}", len(texts)) as advance:
            figures = test.run(target, batches(target, texts, special, advance), options.seed)
        words = {"asks": test.asks, "high": test.high, "low": test.low, "source": test.source}
        seconds = round(time.perf_counter() - began, 2)
        there["tests"][name] = {"figures": figures, "seconds": seconds, **words}
        yield


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

    given = _parser(", ".join(TESTS)).read(arguments)
    faults = []
    given.tests = list(TESTS) if given.tests is None else given.tests.split(",")
    for name in given.tests:
        if name not in TESTS:
            faults.append(f"tests = {name}: there is no such test; take from {', '.join(TESTS)}")
    if given.texts < 0:
        faults.append(f"texts = {given.texts}: must be at least 0, which takes all")
    if faults:
        raise UserError("\n".join(faults))
    return given


def _parser(tests: str) -> Parser:
    parser = Parser(
        prog="python -m afa_ray.audit",
        description="Hold attention to the published tests of attention as explanation.",
    )
    option = parser.add_argument
    option("runs", metavar="RUN", nargs="+", help="folders of finished runs")
    option("--texts", type=int, default=300, help="test texts, stratified; 0: all (default: 300)")
    option("--tests", metavar="NAMES", help=f"separated by commas, by default all: {tests}")
    option("--seed", type=int, default=0, help="of texts, permutations and searches (default: 0)")
    option("--out", metavar="FOLDER", help="by default audit in the folder of the (first) run")
    option("--device", help="as PyTorch names it; by default a GPU where there is one")
    return parser


if __name__ == "__main__":
    sys.exit(main())
