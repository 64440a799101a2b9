"""A corpus from the user's own file or files: a text column and a label column."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from afa_ray.config import DataSettings
from afa_ray.data.labels import in_order, naming
from afa_ray.data.marked_rows import Marked, MarkedRows
from afa_ray.data.messages import as_one, did_you_mean, listed, some_rows
from afa_ray.data.parquet_texts import ParquetTexts
from afa_ray.data.row_checks import RowChecks
from afa_ray.data.splits import stratified_split
from afa_ray.data.streamed import read_columns
from afa_ray.data.tables import read_parquet
from afa_ray.data.texts import RawCorpus, Texts
from afa_ray.errors import UserError

TEST_SHARE = 0.2  # held out where there is no test file


@dataclass(frozen=True, eq=False)
class _Table:
    """The rows of one file that hold a text.

    `labels` are (N,) int64 numbers in `names`; `rows` the rows' numbers in the file, from 1;
    `empty` the numbers of the rows without a text; `marked` what people marked, where asked for.
    """

    path: Path
    texts: list[str] | ParquetTexts
    labels: np.ndarray
    names: list[str]
    rows: np.ndarray
    empty: Sequence[int]
    queries: list[str] | None = None
    marked: Marked | None = None

    def note(self) -> str:
        total = len(self.empty) + len(self.rows)
        return (
            f"{self.path.name}: {len(self.empty):,} of {total:,} rows hold no text and were "
            f"dropped ({some_rows(self.empty)})."
        )

    def named(self, naming: Callable[[str], str]) -> _Table:
        """With the names that `naming` gives the labels; those with one name are one class."""
        names = [naming(name) for name in self.names]
        classes = list(dict.fromkeys(names))
        numbers = np.array([classes.index(name) for name in names])
        return replace(self, names=classes, labels=numbers[self.labels])

    def as_texts(self, names: list[str]) -> Texts:
        """With labels that are numbers in the given names."""
        numbers = {name: number for number, name in enumerate(names)}
        labels = np.array([numbers[name] for name in self.names])[self.labels]
        if self.marked is None:
            return Texts(self.texts, labels, queries=self.queries)
        words, marks, _, human = self.marked
        return Texts(self.texts, labels, words, marks, self.queries, human)


def load_user_files(data: DataSettings, seed: int) -> RawCorpus:
    """The corpus in the user's files; rows without a text are dropped and noted.

    Label names are the distinct training labels as strings: numbers in order of size, all else in
    alphabetical order; where all are numbers, 1, 1.0 and "1" are one. Without a test file, 20% of
    the rows are held out, stratified and seeded. Rows are counted from 1, the header not included.

    Raises one UserError with everything that could be found wrong in the files: unreadable files,
    columns that are missing or stand twice, missing labels ("NA" and the like, too, unless
    `keep_na`), values of a wrong type, no text left, one class only, and labels that the training
    data lacks.
    """
    problems: list[str] = []
    train = _try_read(str(data.train_file), data, problems)
    validation, test = (
        None if path is None else _try_read(path, data, problems)
        for path in (data.validation_file, data.test_file)
    )
    named = naming(train.names if train else [])
    notes = _spelling_notes(train, named) if train else []
    train, validation, test = (table and table.named(named) for table in (train, validation, test))
    names = in_order(train.names) if train else []
    if train and len(names) < 2:
        problems.append(
            f"{train.path}: every row has the label {names[0]!r}. A classifier needs at least two "
            "labels; check the label column."
        )
    if train:
        for table in filter(None, (validation, test)):
            problems += _unknown_labels(table, names)
    if problems or train is None:
        raise as_one(problems)

    texts = train.as_texts(names)
    notes += [table.note() for table in (train, validation, test) if table and table.empty]
    chosen = validation.as_texts(names) if validation else None
    if test:
        return RawCorpus(data.name, names, texts, chosen, test.as_texts(names), tuple(notes))
    kept, held_out = stratified_split(texts.labels, TEST_SHARE, seed, names)
    notes.append(f"No test file: {len(held_out):,} of {len(texts):,} rows are held out as test.")
    return RawCorpus(data.name, names, texts.take(kept), chosen, texts.take(held_out), tuple(notes))


def _try_read(path: str, data: DataSettings, problems: list[str]) -> _Table | None:
    """The table at `path`, or None with what is wrong added to `problems`."""
    try:
        return _read(Path(path).expanduser(), data)
    except UserError as error:
        problems.append(str(error))
        return None


def _read(path: Path, data: DataSettings) -> _Table:
    text_column, query_column = data.text_column, data.query_column
    wanted = _columns(data)
    in_file = path.suffix.lower() == ".parquet"
    checks, queries = RowChecks(data.keep_na), []
    marked = MarkedRows(path, str(data.marks_column))
    for batch in read_parquet(path, wanted) if in_file else [read_columns(path, wanted)]:
        if data.marks_column is not None:
            marked.add(batch[text_column], batch[data.marks_column])
        asked = None if query_column is None else batch[query_column]
        checks.add(batch[text_column], batch[data.label_column], asked)
        queries += asked or []
    checks.require_usable(path, text_column, data.label_column, query_column)
    rows = np.asarray(checks.rows)
    texts = (
        ParquetTexts(path, text_column, rows - 1)
        if in_file
        else [batch[text_column][row - 1] for row in checks.rows]
    )
    found = None if query_column is None else [queries[row - 1] for row in checks.rows]
    labels, names = np.asarray(checks.labels), list(checks.names)
    what = None if data.marks_column is None else marked.of(checks.rows)
    return _Table(path, texts, labels, names, rows, checks.empty, found, what)


def _columns(data: DataSettings) -> list[str]:
    """Of texts, labels, and of queries and marks where there are any.

    Raises:
        UserError: two of them are one.
    """
    both = (data.text_column, data.label_column)
    if data.text_column == data.label_column:
        raise UserError(
            f"The text column and the label column are both {data.text_column!r}. Name two columns."
        )
    if data.marks_column in both:
        raise UserError(
            f"data.marks_column = {data.marks_column}: is the column of the texts or the labels; "
            "name the one with what people marked"
        )
    if data.query_column is not None and data.query_column in (*both, data.marks_column):
        raise UserError(
            f"The query column is {data.query_column!r}, which is that of the texts, the labels "
            "or the marks. Name another one."
        )
    return [*both, *filter(None, [data.query_column, data.marks_column])]


def _spelling_notes(train: _Table, named: Callable[[str], str]) -> list[str]:
    """Labels that are spelled in several ways and are one class, or look it and are not."""
    one = [f"{listed(x)} as {name!r}" for name, x in _grouped(train.names, named).items() if x[1:]]
    names = list(_grouped(train.names, named))
    apart = [listed(x) for x in _grouped(names, str.casefold).values() if x[1:]]
    notes = [f"Labels of one value are one class: {'; '.join(one)}."] if one else []
    if apart:
        notes.append(f"Labels that differ in case only are several classes: {'; '.join(apart)}.")
    return notes


def _grouped(names: list[str], key: Callable[[str], str]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(key(name), []).append(name)
    return groups


def _unknown_labels(table: _Table, names: list[str]) -> list[str]:
    """A problem for each of the first five labels of the table that are not in `names`."""
    problems = []
    for label in sorted(set(table.names) - set(names))[:5]:
        rows = table.rows[table.labels == table.names.index(label)]
        problems.append(
            f"{table.path}: the label {label!r} (first in row {rows[0]}, {len(rows):,} in all) is "
            f"not in the training data, which has {listed(names)}.{did_you_mean(label, names)}"
        )
    return problems
