"""The benchmark's figures as PNG files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from afa_ray.benchmark.timing import median


def plot_updates(results: list[dict[str, Any]], path: Path) -> None:
    """Milliseconds of an update by texts x tokens, a line a contender, a panel a thread count."""
    from matplotlib.figure import Figure

    threads = sorted({result["threads"] for result in results})
    figure = Figure(figsize=(5 * len(threads), 3.8), dpi=140, layout="constrained")
    panels = figure.subplots(1, len(threads), sharey=True, squeeze=False)[0]
    for axes, count in zip(panels, threads, strict=True):
        own = [result for result in results if result["threads"] == count]
        for name in dict.fromkeys(name for result in own for name in result["seconds"]):
            timed = [result for result in own if name in result["seconds"]]
            heights = [1e3 * median(result["seconds"][name]) for result in timed]
            bold = name == "afa"
            axes.plot(
                [result["size"] for result in timed], heights, "o-", label=name, lw=1 + 1.5 * bold
            )
        axes.set_yscale("log")
        axes.set_title(f"{count} thread{'s' * (count > 1)}")
        axes.set_xlabel("texts x tokens of an update")
        axes.grid(alpha=0.25, which="both")
    panels[0].set_ylabel("milliseconds an update")
    panels[0].legend(frameon=False, fontsize=8)
    figure.savefig(path)


def plot_memory(found: dict[str, Any], path: Path) -> None:
    """Peak memory by the length of texts, and by the size of a corpus."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 3.8), dpi=140, layout="constrained")
    left, right = figure.subplots(1, 2)
    for name, by_length in found["by_length"].items():
        lengths = [int(length) for length in by_length]
        left.plot(lengths, [x / 1e6 for x in by_length.values()], "o-", label=name)
    left.set_xlabel(f"tokens of each of {found['texts']} texts")
    left.set_ylabel("MB at the peak, over an idle process")
    left.legend(frameon=False)
    rows = [corpus["rows"] / 1e6 for corpus in found["corpora"]]
    for name, label in (("memory_bytes", "at the peak"), ("packed_bytes", "packed corpus")):
        right.plot(rows, [corpus[name] / 1e6 for corpus in found["corpora"]], "o-", label=label)
    right.set_xlabel("million rows of a Parquet file")
    right.set_ylabel("MB, over an idle process")
    right.legend(frameon=False)
    for axes in (left, right):
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.25)
    figure.savefig(path)
