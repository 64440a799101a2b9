"""Where the public data sets come from: a local folder of Parquet files, or the Hugging Face hub.

A local set is a folder `<data dir>/<name>/` with one Parquet file a part: train.parquet, ...
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from afa_ray.data.streamed import read_columns
from afa_ray.data.tables import parquet_columns
from afa_ray.errors import UserError
from afa_ray.hub import hub_is_away

DATA_DIR_VARIABLE = "AFA_DATA_DIR"


@dataclass(frozen=True)
class HubSet:
    """A copy of one set on the hub that needs no code of its own.

    `text` is the name of its text column; the label column is "label" in all of them. `all_in` is
    the split that holds the part "all" of a set without splits.
    """

    repo: str
    text: str = "text"
    all_in: str = "train"


HUB: dict[str, HubSet] = {
    "ag_news": HubSet("fancyzhx/ag_news"),
    "imdb": HubSet("stanfordnlp/imdb"),
    "sst2": HubSet("stanfordnlp/sst2", text="sentence"),
    "sst2_sentences": HubSet("SetFit/sst2"),
    "sms_spam": HubSet("ucirvine/sms_spam", text="sms"),
}


@dataclass(frozen=True)
class Place:
    """The place of one set: its folder, or the hub where `folder` is None."""

    name: str
    folder: Path | None

    def file(self, part: str) -> str:
        """The place of a part, for messages."""
        return f"{self.folder}/{part}.parquet" if self.folder else f"{self.name} ({part})"

    def has(self, part: str) -> bool:
        """Whether the local folder holds the part."""
        return self.folder is not None and (self.folder / f"{part}.parquet").exists()

    def has_column(self, part: str, column: str) -> bool:
        """Whether the local folder holds the part with that column."""
        if self.folder is None or not self.has(part):
            return False
        return column in parquet_columns(self.folder / f"{part}.parquet")

    def columns(self, part: str, wanted: list[str]) -> dict[str, list[Any]]:
        """The columns `wanted` of a part, row by row; UserError where they cannot be had.

        From the hub come `text` and `label` only.
        """
        if self.folder is None:
            return _from_hub(self.name, part)
        if not self.has(part):
            raise UserError(
                f"{self.folder} has no file {part}.parquet. It holds {_listing(self.folder)}."
            )
        return read_columns(self.folder / f"{part}.parquet", wanted)


def find_place(name: str, data_dir: str | None) -> Place:
    """The folder of the set in `data_dir`, else in AFA_DATA_DIR, else the hub.

    Raises UserError where `data_dir` does not hold the set, or a named folder does not exist.
    """
    given = data_dir or os.environ.get(DATA_DIR_VARIABLE)
    if not given:
        return Place(name, None)
    root = Path(given).expanduser()
    if not root.is_dir():
        origin = "given as data folder" if data_dir else f"given by {DATA_DIR_VARIABLE}"
        raise UserError(f"There is no folder {root} ({origin}). Check the path.")
    if (root / name).is_dir():
        return Place(name, root / name)
    if data_dir:
        raise UserError(
            f"There is no folder {root / name}. {root} holds {_listing(root)}. Put the set there, "
            "or leave the data folder out to read the set from the hub."
        )
    return Place(name, None)


def _listing(folder: Path) -> str:
    return ", ".join(sorted(entry.name for entry in folder.iterdir())) or "nothing"


def _from_hub(name: str, part: str) -> dict[str, list[Any]]:
    """The texts and labels of a part from the hub; UserError where that fails."""
    folder_way = (
        f"put the set as Parquet files into a folder <dir>/{name} and set {DATA_DIR_VARIABLE}, or "
        "the data folder in the settings, to <dir>"
    )
    if name not in HUB:
        raise UserError(
            f"The set {name} has no copy on the Hugging Face hub that could be read without "
            f"running its code. To use it, {folder_way}."
        )
    hub = HUB[name]
    split = hub.all_in if part == "all" else part
    away = hub_is_away()
    try:
        from datasets import load_dataset

        rows = load_dataset(hub.repo, split=split)
        return {"text": list(rows[hub.text]), "label": list(rows["label"])}
    except Exception as error:  # the hub's client raises its own errors, HTTP and OS errors
        reason = away or f"{type(error).__name__}: {error}"
        raise UserError(
            f"Cannot read {name} ({split}) from the Hugging Face hub, {hub.repo}: "
            f"{reason}. Two ways to get the data: connect to the internet "
            f"and run again, or {folder_way}."
        ) from error
