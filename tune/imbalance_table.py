"""The tables of `tune.imbalance`: every method at every size and share, beside what was published.

The published figures are those of HuMAL (Chriqui, Yahav, Te'eni, Abbasi, arXiv 2502.06811) with
BERT-base: Table III(a), and of Table IV what can be read in the copy that was at hand.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from afa_ray.evaluation.statistics import Estimate, estimate, holm, resampled, signed_rank_p
from tune.curves import saved
from tune.imbalance_draws import Cell
from tune.imbalance_measures import POSITIONS
from tune.tables import RECONSTRUCTED, p_text

Figures = Mapping[int, Mapping[str, float]]
"""By replicate: the figures of a run."""
Found = Mapping[tuple[str, Cell], Figures]

SHARES = (1.0, 5.0, 10.0, 20.0, 50.0)
TABLE_III = {
    "plain": {
        250: (0.64, 0.87, 0.94, 0.96, 0.98), 500: (0.75, 0.93, 0.95, 0.97, 0.98),
        1000: (0.84, 0.93, 0.97, 0.98, 0.98), 2000: (0.83, 0.96, 0.97, 0.98, 0.99),
    },
    "humal-al": {
        250: (0.84, 0.96, 0.98, 0.98, 0.98), 500: (0.94, 0.96, 0.97, 0.98, 0.98),
        1000: (0.92, 0.96, 0.97, 0.98, 0.99), 2000: (0.94, 0.97, 0.98, 0.98, 0.99),
    },
    "humal-an": {
        250: (0.69, 0.90, 0.95, 0.97, 0.98), 500: (0.79, 0.95, 0.97, 0.97, 0.98),
        1000: (0.84, 0.96, 0.97, 0.98, 0.98), 2000: (0.87, 0.97, 0.97, 0.98, 0.98),
    },
    "humal-ap": {
        250: (0.70, 0.91, 0.95, 0.97, 0.98), 500: (0.79, 0.94, 0.95, 0.98, 0.98),
        1000: (0.80, 0.96, 0.97, 0.98, 0.99), 2000: (0.90, 0.97, 0.97, 0.98, 0.99),
    },
}  # fmt: skip
TABLE_IV = {"humal-al": {250: (0.82, 0.95, 0.97, 0.98, 0.98), 500: (0.92, 0.95, 0.95, 0.97, 0.98)}}
PUBLISHED = {"all": TABLE_III, "yelp50": TABLE_IV}  # by imbalance.part
PUBLISHED_SAVED = (
    " Published for humal-al, with sizes of 50 to 2,000: 780 at 1%, 484 at 5%, on average."
)
PUBLISHED_ATTENTION = (
    " Published: cosine .27 of BERT and .45 of humal-al, on texts that are not public; words of "
    "high attention, by a rule that is not named, 21% of people's on Yelp and 5% of BERT's."
)
FEWEST_SIZES = 3  # that a curve is drawn through
ATTENTION = {
    "similarity": "cosine to people's",
    "high_sd": "above mean + sd",
    "high_iqr": "above Q3 + 1.5 IQR",
}


class Gap(NamedTuple):
    """A method's mean paired difference to the baseline in a cell, its 95% bootstrap interval, and
    the p-value of Wilcoxon's signed-rank test, Holm-corrected over the method's cells."""

    mean: float
    low: float
    high: float
    p_holm: float


def published(part: str | None, method: str, cell: Cell) -> float | None:
    """The published AUC; part is None where the texts are of another data set."""
    row = PUBLISHED.get(part or "", {}).get(method, {}).get(cell.size)
    return row[SHARES.index(cell.share)] if row and cell.share in SHARES else None


def gaps(found: Found, method: str, baseline: str, measure: str = "auc") -> dict[Cell, Gap]:
    """In every cell where at least two replicates have both."""
    pairs: dict[Cell, tuple[list[float], list[float]]] = {}
    for (name, cell), runs in found.items():
        both = sorted(runs.keys() & found.get((baseline, cell), {}).keys())
        if name == method and len(both) > 1:
            others = found[baseline, cell]
            pairs[cell] = [runs[r][measure] for r in both], [others[r][measure] for r in both]
    corrected = holm([signed_rank_p(*pair) for pair in pairs.values()])
    differences = {cell: np.subtract(*pair).tolist() for cell, pair in pairs.items()}
    return {
        cell: Gap(float(np.mean(some)), *resampled(some), p)
        for (cell, some), p in zip(differences.items(), corrected, strict=True)
    }


def as_tables(found: Found, methods: Sequence[str], part: str | None, names: Sequence[str]) -> str:
    """Markdown: AUC, differences, by the rarer class, texts saved, and attention.

    Args:
        methods: the baseline first. part: `imbalance.part`, or None for texts of another data set.
        names: of the two classes.
    """
    cells = list(dict.fromkeys(cell for _, cell in found))
    parts = [
        *_auc(found, methods, cells, part),
        *_gaps(found, methods, cells, part),
        *_by_rarer(found, methods, names),
        *_saved(found, methods, cells, part),
        *_attention(found, methods, part),
    ]
    if rebuilt := [name for name in methods if name in RECONSTRUCTED]:
        parts += [f"Reconstructions, for lack of their authors' code: {', '.join(rebuilt)}."]
    return "\n".join(parts) + "\n"


def _auc(
    found: Found, methods: Sequence[str], cells: Sequence[Cell], part: str | None
) -> list[str]:
    heads, rows = ["texts", "rarer class"], []
    known = [m for m in methods if any(published(part, m, cell) for cell in cells)]
    heads += [*methods, *(f"{method}, published" for method in known)]
    for cell in cells:
        own = [_estimate(values_of(found.get((method, cell), {}), "auc")) for method in methods]
        theirs = [_digits(published(part, method, cell)) for method in known]
        rows.append([*_of(cell), *own, *theirs])
    note = "Mean ± half-width of the 95% t-interval over replicates."
    beside = " Published: BERT-base, tuned for 10 epochs; of it only differences compare." * bool(
        known
    )
    return ["## AUC", "", note + beside, "", *_table(heads, rows)]


def _gaps(
    found: Found, methods: Sequence[str], cells: Sequence[Cell], part: str | None
) -> list[str]:
    baseline, *others = methods
    by_method = {method: gaps(found, method, baseline) for method in others}
    known = [m for m in others if any(_published_gap(part, m, baseline, cell) for cell in cells)]
    heads = ["texts", "rarer class", *others, *(f"{method}, published" for method in known)]
    rows = []
    for cell in cells:
        own = [_gap(by_method[method].get(cell)) for method in others]
        theirs = [_published_gap(part, method, baseline, cell) for method in known]
        rows.append([*_of(cell), *own, *theirs])
    note = (
        f"AUC less that of {baseline}, paired by replicate, with the 95% bootstrap interval and "
        "the p-value of Wilcoxon's signed-rank test, Holm-corrected over the cells of a method."
    )
    return ["## Differences", "", note, "", *_table(heads, rows)]


def _published_gap(part: str | None, method: str, baseline: str, cell: Cell) -> str:
    both = published(part, method, cell), published(part, baseline, cell)
    return "" if both[0] is None or both[1] is None else f"{both[0] - both[1]:+.2f}"


def _by_rarer(found: Found, methods: Sequence[str], names: Sequence[str]) -> list[str]:
    """AUC by which class is the rarer: mean of all cells of a replicate, then over replicates."""
    heads, rows = ["rarer class", *methods], []
    for number, name in enumerate(names):
        means = [of_replicates(found, method, "auc") for method in methods]
        rows.append(
            [name, *(_estimate([v for r, v in of.items() if r % 2 == number]) for of in means)]
        )
    note = "AUC, mean over the cells of a replicate; then mean ± 95% t-interval over replicates."
    return ["## By the rarer class", "", note, "", *_table(heads, rows)]


def _saved(
    found: Found, methods: Sequence[str], cells: Sequence[Cell], part: str | None
) -> list[str]:
    """Texts saved at each share that has enough sizes; nothing where none has."""
    baseline, *others = methods
    rows = []
    for share in dict.fromkeys(cell.share for cell in cells):
        of_share = sorted(cell for cell in cells if cell.share == share)
        runs_of = {m: [found.get((m, cell), {}) for cell in of_share] for m in methods}
        row = [f"{share:g}%"]
        for method in others:
            runs = [*runs_of[baseline], *runs_of[method]]
            common = sorted(set.intersection(*(set(each) for each in runs)))
            row.append(_texts_saved(runs_of[baseline], runs_of[method], of_share, common))
        if len(of_share) >= FEWEST_SIZES:
            rows.append(row)
    if not rows:
        return []
    note = (
        f"How many training texts fewer than {baseline} for the same AUC: between curves smoothed "
        "by local regression and made monotone, mean over the levels of AUC that both reach, with "
        "the 95% interval over resampled replicates."
    )
    beside = PUBLISHED_SAVED * (part is not None)
    return ["## Texts saved", "", note + beside, "", *_table(["rarer class", *others], rows)]


def _texts_saved(
    base: Sequence[Figures], rival: Sequence[Figures], cells: Sequence[Cell], common: Sequence[int]
) -> str:
    if len(common) < 2:
        return "–"
    first, second = (
        np.array([[runs[r]["auc"] for runs in of] for r in common]) for of in (base, rival)
    )
    of = saved(np.array([cell.size for cell in cells], float), first, second)
    if math.isnan(of.mean):
        return "no level in common"
    return f"{of.mean:.0f} [{of.low:.0f}, {of.high:.0f}]"


def _attention(found: Found, methods: Sequence[str], part: str | None) -> list[str]:
    """How near it is to people's, how much of it is high, and where in a text it lies."""
    rows, places = [], []
    for method in methods:
        row = [_estimate(list(of_replicates(found, method, name).values())) for name in ATTENTION]
        rows.append([method, *row])
        places.append([method, *_places(found, method, "")])
    if any(of_replicates(found, methods[0], f"people_{POSITIONS[0]}")):
        people = [
            _estimate(list(of_replicates(found, methods[0], f"people_{name}").values()))
            for name in ("high_sd", "high_iqr")
        ]
        rows.append(["people", "", *people])
        places.append(["people", *_places(found, methods[0], "people_")])
    note = (
        "Of the words of test texts, special tokens left out; means over texts and over the cells "
        "of a replicate, then mean ± 95% t-interval over replicates. High: the share of words of "
        "such attention."
    )
    note += PUBLISHED_ATTENTION * (part is not None)
    heads = ["", *ATTENTION.values()]
    tenths = ["", *(str(i + 1) for i in range(len(POSITIONS)))]
    where = "Mean attention in each tenth of a text, times its number of words: 1 is even."
    return [
        "## Attention", "", note, "", *_table(heads, rows),
        "## Where in a text", "", where, "", *_table(tenths, places),
    ]  # fmt: skip


def _places(found: Found, method: str, prefix: str) -> list[str]:
    means = [list(of_replicates(found, method, prefix + name).values()) for name in POSITIONS]
    return [f"{np.mean(values):.2f}" if values else "–" for values in means]


def of_replicates(found: Found, method: str, measure: str) -> dict[int, float]:
    """By replicate: the mean over its cells, in replicates that lack no cell which others have."""
    runs = [of for (name, _), of in found.items() if name == method]
    values = [{r: f[measure] for r, f in of.items() if measure in f} for of in runs]
    common = set.intersection(*(set(each) for each in values)) if values else set()
    return {r: float(np.mean([each[r] for each in values])) for r in sorted(common)}


def values_of(runs: Figures, measure: str) -> list[float]:
    return [figures[measure] for figures in runs.values() if measure in figures]


def _of(cell: Cell) -> list[str]:
    return [f"{cell.size:,}", f"{cell.share:g}%"]


def _estimate(values: Sequence[float]) -> str:
    if not values:
        return "–"
    of: Estimate = estimate(values)
    width = "" if math.isnan(of.half_width) else f" ± {of.half_width:.3f}"
    return f"{of.mean:.3f}{width}"


def _gap(gap: Gap | None) -> str:
    if gap is None:
        return "–"
    return f"{gap.mean:+.3f} [{gap.low:+.3f}, {gap.high:+.3f}] ({p_text(gap.p_holm)})"


def _digits(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (heads, ["---"] * len(heads), *rows)] + [""]
