"""Attention like the time that people looked at words."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from afa_ray.config import Settings
from afa_ray.data.corpus import Corpus, prepare_corpus
from afa_ray.data.gaze import gaze_texts
from afa_ray.data.packed import pack
from afa_ray.errors import UserError
from afa_ray.objectives.gaze import Gaze
from tests.unit.test_rivals import figures_after
from tests.unit.test_sana import learner_of

MakeSettings = Callable[..., Settings]


@pytest.fixture
def gaze_dir(tmp_path: Path) -> Path:
    (tmp_path / "sst_zuco").mkdir()
    words = [["superb", "word1", "word2"], ["awful", "word3"], ["word4", "word5"]] * 10
    rows = {
        "text": [" ".join(row) for row in words],
        "label": [1, 0, 2] * 10,
        "words": words,
        "rel_fixation_mean": [[0.7, 0.3, 0.0], [0.9, 0.1], [0.5, 0.5]] * 10,
        "sst_split": ["train"] * 27 + ["test"] * 3,
    }
    pq.write_table(pa.table(rows), tmp_path / "sst_zuco" / "all.parquet")
    return tmp_path


def test_of_the_training_part_alone(gaze_dir: Path) -> None:
    texts = gaze_texts(str(gaze_dir))
    assert len(texts) == 27
    assert texts.human is not None
    assert texts.human[0] == [0.7, 0.3, 0.0]
    assert texts.labels[:3].tolist() == [1, 0, 2]


def test_attention_comes_nearer_to_reading_times(
    gaze_dir: Path, tiny_settings: MakeSettings, small_corpus: Corpus
) -> None:
    values = {
        "afa.lambda_adv": 0.0, "supervision.method": "gaze", "data.dir": str(gaze_dir),
        "train.target_lr": 1e-2,
    }  # fmt: skip
    texts = pack(gaze_texts(str(gaze_dir)), small_corpus.tokenizer, 64, human=True)
    small_corpus = replace(small_corpus, gaze=texts)
    polar = replace(small_corpus, label_names=["negative", "positive"])
    learner = learner_of(tiny_settings(values), polar, gaze_dir)
    ((gaze, weight),) = learner.objectives
    assert isinstance(gaze, Gaze)
    assert (gaze.weight, weight, gaze.classes) == (0.1, 1.0, 2)
    values |= {"supervision.weight": 1.0}
    without = figures_after(tiny_settings(values | {"supervision.weight": 0.0}), polar, gaze_dir)
    found = figures_after(tiny_settings(values), polar, gaze_dir)
    assert found["train/loss_attention"] < 0.8 * without["train/loss_attention"]
    assert 0 < found["train/loss_read"] < 0.69
    other = figures_after(tiny_settings(values), small_corpus, gaze_dir, 20)
    assert other["train/loss_read"] == 0  # its classes are others


def test_without_the_set_it_is_said(
    tiny_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AFA_DATA_DIR", raising=False)
    with pytest.raises(UserError, match="gaze: needs the set sst_zuco, which is not on the hub"):
        prepare_corpus(tiny_settings({"supervision.method": "gaze"}))


def test_the_public_set(data_dir: Path) -> None:
    texts = gaze_texts(str(data_dir))
    assert len(texts) == 186
    assert texts.human is not None
    assert all(abs(sum(row) - 1) < 0.05 for row in texts.human)
