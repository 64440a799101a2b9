"""`python -m afa_ray.explain`: show what a classifier looked at, in one text or a file of them.

In the terminal, or as a page, JSON Lines, CSV or Parquet; a file of any size, for no more memory.
With `--explain.workers` it is spread over a Ray cluster, and goes on where it was cut short.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from afa_ray.arguments import Parser
from afa_ray.command_line import answer
from afa_ray.data.asked_texts import AskedTexts
from afa_ray.data.messages import some_rows
from afa_ray.data.tables import check_file
from afa_ray.errors import UserError

if TYPE_CHECKING:
    from afa_ray.classifier import Classifier
    from afa_ray.explaining.rows import Ask

PRINTED = 100  # texts of a file, in a terminal


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status: 0, or 2 after a mistake of the user's."""
    given = sys.argv[1:] if arguments is None else arguments
    return answer("afa_ray.explain", lambda: explain(parse(given)))


def explain(options: argparse.Namespace) -> None:
    """Do what the options say.

    Raises:
        UserError: no such model, texts, methods or class, or no place to write to. Everything that
            can be found out before the first text is explained is, and nothing is written then.
    """
    from afa_ray.classifier import load
    from afa_ray.classifier.methods import methods_of

    options.methods = methods_of(options.methods)
    if options.workers:
        _spread(options)
        return
    out = None if options.out is None else Path(options.out).expanduser()
    if options.file and out and out.absolute() == Path(options.file).expanduser().absolute():
        raise UserError(f"out = {out}: is the file with the texts; give another")
    total, empty = _texts(options).count()
    if out is not None:
        from afa_ray.report.writers import MOST_IN_A_PAGE, require_writable

        require_writable(out)
        if out.suffix.lower() == ".html" and total > MOST_IN_A_PAGE:
            raise UserError(
                f"out = {out.name}: a page shows at most {MOST_IN_A_PAGE:,} texts, the file has "
                f"{total:,}; write .jsonl, .csv or .parquet, or a page of fewer rows"
            )
    classifier = load(options.model, device=options.device)
    _require_answers(classifier, options)
    _say_empty(empty)
    if out is None:
        _print(classifier, options, total)
    else:
        _write(classifier, options, out, total)


def _require_answers(classifier: Classifier, options: argparse.Namespace) -> None:
    """That the model can be asked so.

    Raises:
        UserError: it has no such class, reads queries and has none, or has some and reads none.
    """
    classifier.class_number(options.target)
    given = options.query_column or options.query
    if classifier.reads_queries and not given:
        raise UserError(
            f"{options.model}: was trained on pairs; give what each text is read for: "
            + ("--query_column NAME" if options.file else 'after each --text a --query "…"')
        )
    if given and not classifier.reads_queries:
        name = "query_column" if options.query_column else "query"
        raise UserError(f"{name} = {given}: {options.model} reads texts alone; leave it out")


def _spread(options: argparse.Namespace) -> None:
    """Explain a file by the workers of a Ray cluster, into a folder of Parquet files."""
    from afa_ray.classifier import load
    from afa_ray.classifier.opening import everywhere
    from afa_ray.explaining.cluster import explain_parts
    from afa_ray.explaining.parts import asked_for, begun, lay_out, texts_in
    from afa_ray.records.run_lock import own_folder

    file, out = (Path(path).expanduser().absolute() for path in (options.file, options.out))
    if out.exists() and not out.is_dir():
        raise UserError(f"out = {out}: is a file; with workers give a folder for Parquet files")
    model = everywhere(options.model)
    names = ("text_column", "query_column", "methods", "target", "unit")
    check_file(file)
    asked = asked_for(file, model, {name: getattr(options, name) for name in names})
    there = out.is_dir() and begun(out, asked)
    if not there:
        # all that can be wrong is found before anything is written
        _, empty = _texts(options).count()
        _require_answers(load(model, device="cpu"), options)
        _say_empty(empty)
    with own_folder(out, setting="out"):
        if not begun(out, asked):
            lay_out(out, asked, _texts(options).rows(), options.part_rows)
        refused = explain_parts(out, model, _ask(options), options.workers, options.device)
        total = texts_in(out)
    _say_done(refused, total, out)


def _ask(options: argparse.Namespace) -> Ask:
    from afa_ray.explaining.rows import Ask

    names = ("methods", "target", "unit", "batch_size")
    return Ask(**{name: getattr(options, name) for name in names})


def _say_empty(empty: list[int]) -> None:
    if empty:
        print(f"note: left out, for they hold no text: {some_rows(empty)}", file=sys.stderr)


def _say_done(refused: dict[str, str], total: int, out: Path) -> None:
    for name, why in refused.items():
        reason = why.removeprefix(f"{name}: ")
        print(f"note: {name} gave no scores: {reason}", file=sys.stderr)
    print(f"{total:,} text{'s' * (total != 1)} explained: {out}")


def _texts(options: argparse.Namespace) -> AskedTexts:
    names = ("text", "query", "file", "text_column", "query_column")
    return AskedTexts(**{name: getattr(options, name) for name in names})


def _print(classifier: Classifier, options: argparse.Namespace, total: int) -> None:
    from afa_ray.explaining.rows import explained
    from afa_ray.report.terminal import as_text

    console, printed = Console(highlight=False, soft_wrap=False), 0
    for chunk in explained(classifier, _texts(options).rows(), _ask(options)):
        for row, each in chunk[: PRINTED - printed]:
            if total > 1:
                console.print(f"{'row' if options.file else 'text'} {row}", style="dim")
            console.print(as_text(each.to_dict()))
        printed += len(chunk)
        if printed >= PRINTED:
            break
    if total > PRINTED:
        print(
            f"the first {PRINTED} of {total:,} texts; --out rows.jsonl writes all", file=sys.stderr
        )


def _write(classifier: Classifier, options: argparse.Namespace, out: Path, total: int) -> None:
    from afa_ray.explaining.rows import write_explained
    from afa_ray.report.bar import progress_bar

    rows, ask = _texts(options).rows(), _ask(options)
    try:
        with progress_bar("explaining", total) as advance:
            refused = write_explained(out, classifier, rows, ask, advance)
    except KeyboardInterrupt:
        print(f"interrupted; {out} was not written", file=sys.stderr)
        raise
    _say_done(refused, total, out)


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The options.

    Raises:
        UserError: with one line for everything that is not understood.
        SystemExit: 0 after `--help`.
    """
    parser = _parser()
    given, faults = parser.read(arguments)
    if not faults and len(given.models) != 1:
        faults.append(f"one model must be given, not {len(given.models)}: MODEL")
    if bool(given.text) == (given.file is not None):
        faults.append('give --text "…" (again for more texts) or --file FILE: one of them')
    if given.query_column and given.file is None:
        faults.append(
            f"query_column = {given.query_column}: is of a --file; give --query beside --text"
        )
    if given.query and given.file is None and len(given.query) != len(given.text):
        faults.append(f"query: {len(given.query)} for {len(given.text)} texts; give one for each")
    if given.query and given.file is not None:
        faults.append("query: is for --text; of a --file name the column: --query_column")
    if given.batch_size < 1:
        faults.append(f"batch_size = {given.batch_size}: must be at least 1")
    if given.part_rows < 1:
        faults.append(f"explain.part_rows = {given.part_rows}: must be at least 1")
    if given.workers < 0:
        faults.append(f"explain.workers = {given.workers}: must be at least 0")
    elif given.workers and not (given.file and given.out):
        faults.append(
            f"explain.workers = {given.workers}: workers read a file and write a folder of Parquet "
            "files: give --file FILE and --out FOLDER"
        )
    if faults:
        raise UserError("\n".join(faults))
    given.model = given.models[0]
    return given


def _parser() -> Parser:
    parser = Parser(
        prog="python -m afa_ray.explain",
        usage='%(prog)s MODEL (--text "…" | --file FILE [--text_column NAME]) [--out FILE] …',
        description="Show what a text classifier looked at: any run's, or any of transformers'.",
    )
    option = parser.add_argument
    option("models", metavar="MODEL", nargs="*", help="folder of a run or a model, or an id on the "
           "Hugging Face hub")  # fmt: skip
    option("--text", action="append", default=[], help="a text; may be given again")
    option("--file", help="CSV, TSV, JSON Lines or Parquet with a column of texts")
    option("--text_column", default="text", help="its name (default: text)")
    option("--query", action="append", default=[], help="what a text is read for, of a model that "
           "was trained on pairs; one for each --text")  # fmt: skip
    option("--query_column", metavar="NAME", help="the file's column of what each text is read for")
    option("--methods", default="attention", help="separated by commas (default: attention)")
    option("--target", help="the class to explain, by default the predicted one")
    option("--unit", choices=("word", "token"), default="word", help="what has a weight")
    option(
        "--out", metavar="FILE", help="page.html, rows.jsonl, rows.csv or rows.parquet, by default "
        "the terminal; with workers a folder"
    )  # fmt: skip
    option("--explain.workers", dest="workers", metavar="N", type=int, default=0, help="models "
           "of a Ray cluster that share the file, by Ray Data (default: 0: without Ray)"
           )  # fmt: skip
    option("--explain.part_rows", dest="part_rows", metavar="N", type=int, default=2000,
           help="rows of a part, which is done over again where it was cut short (default: 2000)"
           )  # fmt: skip
    option("--batch_size", type=int, default=32, help="texts read together (default: 32)")
    option("--device", help="as PyTorch names it; by default a GPU where there is one")
    return parser


if __name__ == "__main__":
    sys.exit(main())
