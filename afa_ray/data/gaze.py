"""How long people looked at the words of sentences: eye-tracking on SST (ZuCo 1.0, task 1)."""

from __future__ import annotations

import numpy as np

from afa_ray.data.messages import some_rows
from afa_ray.data.places import find_place
from afa_ray.data.texts import Texts
from afa_ray.errors import UserError

GAZE = "sst_zuco"


def gaze_texts(data_dir: str | None) -> Texts:
    """The sentences of SST's training part, labels 0 negative, 1 positive, 2 neutral; as `human`
    each word's share of the reading time, mean over readers.

    Raises:
        UserError: the set is not there, or is not as it should be.
    """
    place = find_place(GAZE, data_dir)
    if place.folder is None:
        raise UserError(
            f"supervision.method = gaze: needs the set {GAZE}, which is not on the hub; put its "
            "all.parquet into a folder that data.dir or AFA_DATA_DIR names"
        )
    wanted = ["text", "label", "words", "rel_fixation_mean", "sst_split"]
    columns = place.columns("all", wanted)
    rows = [i for i, split in enumerate(columns["sst_split"]) if split == "train"]
    words = [columns["words"][i] for i in rows]
    human = [[float(x) for x in columns["rel_fixation_mean"][i]] for i in rows]
    uneven = [i + 1 for i, w, h in zip(rows, words, human, strict=True) if len(w) != len(h)]
    if uneven:
        raise UserError(f"{place.file('all')}: rel_fixation_mean does not fit {some_rows(uneven)}.")
    return Texts(
        texts=[columns["text"][i] for i in rows],
        labels=np.array([columns["label"][i] for i in rows], np.int64),
        words=words,
        marks=[[int(x > 0) for x in row] for row in human],
        human=human,
    )
