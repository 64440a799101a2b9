"""A corpus from the user's own file or files: a text column and a label column."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from afa_ray.data.messages import as_one, did_you_mean, listed, some_rows
from afa_ray.data.splits import stratified_split
from afa_ray.data.tables import read_columns
from afa_ray.data.texts import RawCorpus, Texts
from afa_ray.errors import UserError

TEST_SHARE = 0.2  # held out where there is no test file


@dataclass(frozen=True, kw_only=True)
class UserFiles:
    """Where the user's data is. Without `test`, a share of `train` is held out."""

    train: str
    test: str | None = None
    text_column: str = "text"
    label_column: str = "label"


@dataclass(frozen=True)
class _Table:
    """The rows of one file that hold a text. `rows` are their numbers in the file, from 1."""

    path: Path
    texts: list[str]
    labels: list[str]
    rows: list[int]
    empty: list[int]  # the numbers of the rows that do not

    def note(self) -> str:
        total = len(self.empty) + len(self.rows)
        return (
            f"{self.path.name}: {len(self.empty):,} of {total:,} rows hold no text and were "
            f"dropped ({some_rows(self.empty)})."
        )


def load_user_files(name: str, files: UserFiles, seed: int) -> RawCorpus:
    """The corpus in the user's files; rows without a text are dropped and noted.

    Label names are the distinct training labels as strings: whole numbers in order of size, all
    else in alphabetical order. Without a test file, 20% of the rows are held out, stratified and
    seeded. Rows are counted from 1, the header not included.

    Raises one UserError with everything that could be found wrong in both files: unreadable files,
    missing columns or labels, values of a wrong type, no text left, one class only, and test labels
    that the training data lacks.
    """
    problems: list[str] = []
    train = _try_read(files.train, files, problems)
    test = _try_read(files.test, files, problems) if files.test is not None else None
    names = _label_names(train.labels) if train else []
    if train and len(names) < 2:
        problems.append(
            f"{train.path}: every row has the label {names[0]!r}. A classifier needs at least two "
            "labels; check the label column."
        )
    if train and test:
        problems += _unknown_labels(test, names)
    if problems or train is None:
        raise as_one(problems)

    numbers = {label: number for number, label in enumerate(names)}
    texts = Texts(train.texts, [numbers[label] for label in train.labels])
    notes = [table.note() for table in (train, test) if table and table.empty]
    if test:
        test_texts = Texts(test.texts, [numbers[label] for label in test.labels])
        return RawCorpus(name, names, texts, None, test_texts, tuple(notes))
    kept, held_out = stratified_split(texts.labels, TEST_SHARE, seed, names)
    notes.append(f"No test file: {len(held_out):,} of {len(texts):,} rows are held out as test.")
    return RawCorpus(name, names, texts.take(kept), None, texts.take(held_out), tuple(notes))


def _try_read(path: str, files: UserFiles, problems: list[str]) -> _Table | None:
    """The table at `path`, or None with what is wrong added to `problems`."""
    try:
        return _read(Path(path).expanduser(), files.text_column, files.label_column)
    except UserError as error:
        problems.append(str(error))
        return None


def _read(path: Path, text_column: str, label_column: str) -> _Table:
    if text_column == label_column:
        raise UserError(
            f"The text column and the label column are both {text_column!r}. Name two columns."
        )
    columns = read_columns(path, [text_column, label_column])
    values = list(zip(columns[text_column], columns[label_column], strict=True))
    empty = [row for row, (text, _) in enumerate(values, start=1) if _is_empty(text)]
    filled = [(row, *pair) for row, pair in enumerate(values, start=1) if not _is_empty(pair[0])]
    if not filled:
        raise UserError(f"{path}: no row holds a text in column {text_column!r}.")

    problems = []
    strange = [row for row, text, _ in filled if not isinstance(text, str)]
    if strange:
        problems.append(
            f"{path}: column {text_column!r} does not hold a string in {some_rows(strange)} "
            f"({len(strange):,} in all)."
        )
    broken = [row for row, text, _ in filled if isinstance(text, str) and not _is_unicode(text)]
    if broken:
        problems.append(
            f"{path}: half of a character pair, which is no Unicode text, in {some_rows(broken)}."
        )
    strange = [row for row, _, label in filled if not isinstance(label, str | int | float | None)]
    strange += [row for row, _, x in filled if isinstance(x, float) and x == x and x % 1 != 0]
    if strange:
        problems.append(
            f"{path}: column {label_column!r} holds neither a string, a whole number nor a boolean "
            f"in {some_rows(sorted(strange))} ({len(strange):,} in all)."
        )
    labels = [_label_name(label) for _, _, label in filled]
    missing = [row for (row, _, _), label in zip(filled, labels, strict=True) if not label]
    if missing:
        problems.append(
            f"{path}: no label in {some_rows(missing)} ({len(missing):,} in all). "
            "Fill them in or remove the rows."
        )
    if problems:
        raise as_one(problems)
    return _Table(path, [text for _, text, _ in filled], labels, [row for row, *_ in filled], empty)


def _is_unicode(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _is_empty(text: Any) -> bool:
    return text is None or (isinstance(text, str) and not text.strip())


def _label_name(value: Any) -> str:
    """The label as a name; "" where there is none."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value % 1 == 0:
        return str(int(value))  # a column of whole numbers with gaps is stored as floats
    return str(value).strip()


def _label_names(labels: list[str]) -> list[str]:
    names = sorted(set(labels))
    return sorted(names, key=int) if all(map(_is_whole_number, names)) else names


def _is_whole_number(name: str) -> bool:
    try:
        return str(int(name)) == name
    except ValueError:
        return False


def _unknown_labels(test: _Table, names: list[str]) -> list[str]:
    """A problem for each of the first five labels of the test file that are not in `names`."""
    counts = Counter(test.labels)
    return [
        f"{test.path}: the label {label!r} (first in row {test.rows[test.labels.index(label)]}, "
        f"{counts[label]:,} in all) is not in the training data, which has "
        f"{listed(names)}.{did_you_mean(label, names)}"
        for label in sorted(set(counts) - set(names))[:5]
    ]
