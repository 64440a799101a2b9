"""Figures of studies as PNG files."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from afa_ray.evaluation.plots import blank, save
from tune.tables import Entry


def forest_plot(entries: Sequence[Entry], baseline: str, title: str, path: Path) -> None:
    """A panel a measure: each group's mean, with its 95% t-interval, one below the other.

    A dashed line goes through the baseline's mean.
    """
    measures = _measures(entries)
    groups = list(dict.fromkeys(entry.group for entry in entries))
    size = (1 + 2.7 * len(measures), 1.2 + 0.36 * len(groups))
    figure = blank(size)
    for number, measure in enumerate(measures, start=1):
        axes = figure.add_subplot(1, len(measures), number)
        for entry in (e for e in entries if e.measure == measure):
            place, colour = -groups.index(entry.group), f"C{groups.index(entry.group)}"
            axes.errorbar(
                entry.value.mean, place, xerr=entry.value.half_width, fmt="s", capsize=3, c=colour
            )
        for entry in (e for e in entries if (e.measure, e.group) == (measure, baseline)):
            axes.axvline(entry.value.mean, color="0.7", lw=1, ls="--", zorder=0)
        names = groups if number == 1 else [""] * len(groups)
        axes.set_yticks([-i for i in range(len(groups))], names, parse_math=False)
        axes.set_ylim(0.6 - len(groups), 0.4)
        axes.set_title(measure, fontsize=10)
        axes.tick_params(axis="x", labelsize=8)
        axes.locator_params(axis="x", nbins=4)
        axes.grid(axis="x", alpha=0.25)
    figure.suptitle(title, fontsize=11, parse_math=False)
    save(figure, path)


def sensitivity_plot(entries: Sequence[Entry], setting: str, title: str, path: Path) -> None:
    """A panel a measure: mean ± 95% t-interval against the setting's value."""
    measures = _measures(entries)
    figure = blank((1 + 2.8 * len(measures), 2.8))
    for number, measure in enumerate(measures, start=1):
        axes = figure.add_subplot(1, len(measures), number)
        shown = _in_order([entry for entry in entries if entry.measure == measure])
        places, names = _places([entry.group for entry in shown])
        means = [entry.value.mean for entry in shown]
        spread = [entry.value.half_width for entry in shown]
        axes.errorbar(places, means, yerr=spread, fmt="o-", capsize=3, c="tab:blue")
        axes.set_xticks(places, names, parse_math=False)
        axes.set_xlabel(setting)
        axes.set_title(measure, fontsize=10)
        axes.tick_params(axis="y", labelsize=8)
        axes.grid(alpha=0.25)
    figure.suptitle(title, fontsize=11, parse_math=False)
    save(figure, path)


def search_plot(
    trials: Sequence[Mapping[str, Any]], log: Collection[str], title: str, path: Path
) -> None:
    """A panel a searched setting: the score of each trial against its value, the best one ringed.

    Args:
        trials: `values` (dotted name -> value), `score` and `stopped_early` of each.
        log: the settings that have a logarithmic axis.
    """
    names = list(trials[0]["values"])
    best = max(trials, key=lambda trial: trial["score"])
    figure = blank((1 + 2.7 * len(names), 2.9))
    for number, name in enumerate(names, start=1):
        axes = figure.add_subplot(1, len(names), number)
        for early, mark, label in ((False, "o", "to the end"), (True, "x", "ended early")):
            shown = [trial for trial in trials if trial["stopped_early"] == early]
            if shown:
                values = [_plain(trial["values"][name]) for trial in shown]
                axes.plot(values, [trial["score"] for trial in shown], mark, label=label)
        axes.plot(
            _plain(best["values"][name]), best["score"], "o", ms=12, mfc="none", mec="tab:red"
        )
        axes.set_xlabel(name)
        if name in log:
            axes.set_xscale("log")
        if number == 1:
            axes.set_ylabel("best validation score")
            axes.legend(frameon=False, fontsize=8)
        axes.grid(alpha=0.25)
    figure.suptitle(title, fontsize=11, parse_math=False)
    save(figure, path)


def _measures(entries: Sequence[Entry]) -> list[str]:
    return list(dict.fromkeys(entry.measure for entry in entries))


def _in_order(entries: list[Entry]) -> list[Entry]:
    """By value where all groups are numbers, else as they are."""
    try:
        return sorted(entries, key=lambda entry: float(entry.group))
    except ValueError:
        return entries


def _places(groups: Sequence[str]) -> tuple[list[float], list[str]]:
    """Where values stand on an axis: numbers at themselves, texts one after the other."""
    try:
        return [float(group) for group in groups], list(groups)
    except ValueError:
        return [float(i) for i in range(len(groups))], list(groups)


def _plain(value: Any) -> Any:
    """Numbers as they are; anything else as its text, for an axis of names."""
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else str(value)
