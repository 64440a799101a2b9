"""Uneven draws, what is measured of a run, and the tables: by hand."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from afa_ray.config import Settings
from afa_ray.dotted import override
from afa_ray.errors import UserError
from afa_ray.evaluation.statistics import resampled, signed_rank_p
from tune.imbalance import main
from tune.imbalance_draws import Cell, Pool, cells_of, draw, pool_of, write_draw
from tune.imbalance_measures import auc, by_position, cosine, high_shares, log_odds, of_attention
from tune.imbalance_table import as_tables, gaps, published
from tune.options import ImbalanceOptions

POOL = Pool(
    [f"text {i}" for i in range(60)],
    np.arange(60) % 2,
    ["no", "yes"],
    [[0.0, float(i)] for i in range(60)],
)
SMALL = ImbalanceOptions(sizes="10,20", shares="1,20,50", test_texts=5)


def test_numbers_of_the_rarer_class() -> None:
    assert [Cell(size, 1).few for size in (50, 149, 150, 250, 2000)] == [1, 1, 2, 3, 20]
    assert Cell(250, 0.5).name == "size250-share0.5"


def test_draws_are_even_to_test_uneven_to_train_and_nested() -> None:
    cells = cells_of(SMALL, POOL)
    assert cells == [Cell(s, p) for s in (10, 20) for p in (1, 20, 50)]
    for number in (0, 1):
        drawn = draw(POOL, cells, number, SMALL, seed=3)
        assert np.bincount(POOL.labels[drawn.test]).tolist() == [5, 5]
        for cell, rows in drawn.train.items():
            assert len(set(rows.tolist())) == cell.size
            assert (POOL.labels[rows] == number).sum() == cell.few
            assert not set(rows.tolist()) & set(drawn.test.tolist())
        for share in (1, 20, 50):
            less, more = (set(drawn.train[Cell(s, share)].tolist()) for s in (10, 20))
            assert less < more
        alone = draw(POOL, [Cell(10, 20)], number, SMALL, seed=3)
        assert alone.test.tolist() == drawn.test.tolist()
        assert alone.train[Cell(10, 20)].tolist() == drawn.train[Cell(10, 20)].tolist()
    others = [draw(POOL, cells, *of).test.tolist() for of in ((2, SMALL, 3), (0, SMALL, 4))]
    assert drawn.test.tolist() not in others


def test_with_replacement_more_is_drawn_than_there_is() -> None:
    options = ImbalanceOptions(sizes="100", shares="10", test_texts=20, replacement=True)
    drawn = draw(POOL, cells_of(options, POOL), 0, options, seed=0)
    rows = drawn.train[Cell(100, 10)]
    assert np.bincount(POOL.labels[rows]).tolist() == [10, 90]
    assert len(set(rows.tolist())) <= 20
    assert not set(rows.tolist()) & set(drawn.test.tolist())


def test_files_of_a_draw(tmp_path: Path) -> None:
    drawn = draw(POOL, [Cell(10, 20)], 1, SMALL, seed=0)
    test, train = write_draw(POOL, drawn, tmp_path)
    rows = [json.loads(line) for line in train[Cell(10, 20)].read_text().splitlines()]
    assert [row["label"] for row in rows] == ["yes"] * 2 + ["no"] * 8
    assert all(row["people"] == [0, int(row["text"].split()[1])] for row in rows)
    before = test.stat().st_mtime_ns
    assert write_draw(POOL, drawn, tmp_path) == (test, train)
    assert test.stat().st_mtime_ns == before


def test_the_pool_has_all_texts_with_what_people_attend_to() -> None:
    pool = pool_of(override(Settings(), {"data.name": "mock-1"}))
    assert pool.people is not None
    assert len(pool.texts) == len(pool.labels) == len(pool.people)
    split = zip(pool.texts, pool.people, strict=True)
    assert all(len(text.split()) == len(words) for text, words in split)


def test_queries_are_refused(tmp_path: Path) -> None:
    rows = [f'{{"text": "t{i}", "ask": "q", "label": {i % 2}}}' for i in range(20)]
    (tmp_path / "own.jsonl").write_text("\n".join(rows))
    values = {"data.train_file": str(tmp_path / "own.jsonl"), "data.query_column": "ask"}
    with pytest.raises(UserError, match="texts are read without queries"):
        pool_of(override(Settings(), values))


def test_parts_of_yelp_hat(data_dir: Path) -> None:
    settings = override(Settings(), {"data.name": "yelp_hat", "data.dir": str(data_dir)})
    sizes = {part: len(pool_of(settings, part).texts) for part in ("yelp50", "yelp100", "yelp200")}
    assert sizes == {"yelp50": 3870, "yelp100": 439, "yelp200": 181}


def test_area_under_the_curve_and_odds_beyond_rounding() -> None:
    assert auc(np.array([0.1, 0.4, 0.35, 0.8]), np.array([0, 0, 1, 1]) == 1) == 0.75
    assert log_odds(0.5, 0.5) == 0
    assert log_odds(1e-20, 1.0) > log_odds(1e-18, 1.0) > 0
    assert math.isfinite(log_odds(0.0, 1.0))


def test_attention_by_position_and_high_attention() -> None:
    assert by_position(np.ones(20)).tolist() == [1] * 10
    uneven = by_position(np.array([0.0] * 19 + [5.0]))
    assert uneven.tolist() == [0] * 9 + [10]
    short = by_position(np.array([3.0, 1.0]))
    assert short[[0, 5]].tolist() == [1.5, 0.5]
    assert np.isnan(np.delete(short, [0, 5])).all()
    assert high_shares(np.array([0.0] * 9 + [1.0])) == (0.1, 0.1)
    assert high_shares(np.ones(7)) == (0, 0)
    assert cosine(np.array([3.0, 4]), np.array([4.0, 3])) == pytest.approx(0.96)


def test_texts_that_nobody_marked_say_nothing_of_people() -> None:
    model = [np.array([1.0, 0, 0, 0]), np.array([0.0, 1])]
    people = [np.array([2.0, 0, 0, 0]), np.array([0.0, 0])]
    found = of_attention(model, people)
    assert found["similarity"] == 1
    assert found["people_position_0"] == 4
    assert found["position_0"] == 2  # mean of 4 and 0
    assert found["high_sd"] == (0.25 + 0) / 2  # of two words none is above mean + sd
    none = of_attention(model[1:], people[1:])
    assert math.isnan(none["similarity"])


def test_signed_ranks_and_resampling_by_hand() -> None:
    """Five pairs, all in one direction: 2 of 2^5 signs."""
    assert signed_rank_p([2, 4, 6, 8, 10], [1, 2, 3, 4, 5]) == pytest.approx(2 / 32)
    assert signed_rank_p([1, 2], [1, 2]) == 1
    assert resampled([0.5, 0.5, 0.5]) == (0.5, 0.5)
    assert resampled([0, 1]) == (0, 1)
    assert all(map(math.isnan, resampled([1])))
    low, high = resampled(np.arange(100.0).tolist())
    assert (low, high) == pytest.approx((49.5 - 5.66, 49.5 + 5.66), abs=0.4)


def found_of(gap: float) -> dict:
    """Two methods in two cells, six replicates: the gap in the first cell alone."""
    cells = (Cell(250, 1.0), Cell(250, 20.0))
    return {
        (method, cell): {
            r: {"auc": 0.6 + 0.01 * r * r + gap * (method != "plain") * (cell.share == 1)}
            for r in range(6)
        }
        for method in ("plain", "humal-al")
        for cell in cells
    }


def test_gaps_are_paired_and_corrected_over_cells() -> None:
    found = found_of(0.1)
    of = gaps(found, "humal-al", "plain")
    assert of[Cell(250, 1.0)] == pytest.approx((0.1, 0.1, 0.1, 2 * 2 / 64))
    assert of[Cell(250, 20.0)] == pytest.approx((0, 0, 0, 1))
    del found["plain", Cell(250, 1.0)][0]
    assert gaps(found, "humal-al", "plain")[Cell(250, 1.0)].mean == pytest.approx(0.1)


def test_tables_stand_beside_what_was_published() -> None:
    assert published("all", "humal-al", Cell(500, 1.0)) == 0.94
    assert published("all", "humal-al", Cell(500, 2.0)) is None
    assert published(None, "humal-al", Cell(500, 1.0)) is None
    text = as_tables(found_of(0.1), ["plain", "humal-al"], "all", ["negative", "positive"])
    assert "| 250 | 1% | +0.100 [+0.100, +0.100] (p = .062) | +0.20 |" in text
    assert "| 250 | 20% | 0.692 ± 0.102 | 0.692 ± 0.102 | 0.96 | 0.98 |" in text
    assert "| negative | 0.667 ± 0.207 | 0.717 ± 0.207 |" in text  # replicates 0, 2 and 4
    assert "Reconstructions, for lack of their authors' code: humal-al." in text
    assert "Texts saved" not in text  # of one size
    other = as_tables(found_of(0), ["plain", "humal-al"], None, ["a", "b"])
    assert "published" not in other.lower()


def test_the_table_of_texts_saved() -> None:
    """AUC rises by .1 with every 100 texts; the rival is where the baseline is 100 texts later."""
    found = {
        (method, Cell(size, 5.0)): {r: {"auc": 0.4 + size / 1000 + more} for r in range(3)}
        for method, more in (("plain", 0.0), ("humal-al", 0.1))
        for size in (100, 200, 300, 400)
    }
    text = as_tables(found, ["plain", "humal-al"], "all", ["a", "b"])
    assert "| 5% | 100 [100, 100] |" in text
    assert "780 at 1%" in text


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--imbalance.methods", "plain,humal"], "imbalance.methods: there is no method 'humal'"),
        (["--imbalance.methods", "plain"], "a comparison needs two methods"),
        (["--imbalance.methods", "plain,humal-ap"], "method humal-ap: "),
        (["--imbalance.sizes", "ten"], "imbalance.sizes: ten must be a number of at least 2"),
        (["--imbalance.sizes", "10.5"], "imbalance.sizes: 10.5 is no whole number"),
        (["--imbalance.sizes", "9999999"], "give smaller sizes, or imbalance.replacement true"),
        (["--imbalance.shares", "0"], "imbalance.shares: 0 must be a number above 0, at most 50"),
        (["--imbalance.shares", "60"], "imbalance.shares: 60 must be"),
        (["--imbalance.shares", ","], "imbalance.shares = ,: give at least one"),
        (["--imbalance.replicates", "1"], "imbalance.replicates = 1: must be at least 2"),
        (["--imbalance.test_texts", "5000"], "beside 5,000 to test on"),
        (["--imbalance.part", "yelp50"], "imbalance.part = yelp50: is of yelp_hat; leave it out"),
        (["--data.name", "ag_news"], "has 4 classes; of two, one is the rarer"),
        (["--data.name", "sms_spam"], "nobody marked words in the training texts"),
    ],
)
def test_mistakes(
    arguments: list[str],
    complaint: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture,
    data_dir: Path,
) -> None:
    given = ["--data.name", "mock-1", "--data.dir", str(data_dir), "--imbalance.sizes", "20"]
    assert main([*given, *arguments, "--run.storage", str(tmp_path)]) == 2
    assert complaint in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
