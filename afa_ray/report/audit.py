"""An audit as Markdown and as a page: what was asked, what was found, what it means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from afa_ray.report import drawings
from afa_ray.report.audit_headlines import side_by_side
from afa_ray.report.audit_rows import ROWS
from afa_ray.report.audit_words import SENTENCES
from afa_ray.report.drawings import HIGH, WIDE, heat
from afa_ray.report.markdown import plain
from afa_ray.report.page import render

Audit = Mapping[str, Any]


def verdict(audit: Audit) -> list[str]:
    """The findings in plain words, a sentence a test."""
    found = audit["tests"]
    return [say(found[name]["figures"]) for name, say in SENTENCES.items() if name in found]


def markdown(audits: Sequence[Audit]) -> str:
    lines = ["# Is attention an explanation?"]
    if beside := side_by_side(audits):
        names = " | ".join(plain(audit["model"]) for audit in audits)
        lines += ["", f"| | {names} |", "|---" * (1 + len(audits)) + "|"]
        lines += [f"| {says} | {' | '.join(values)} |" for says, values in beside]
    for audit in audits:
        lines += ["", f"## {plain(audit['model'])}", "", plain(about(audit)), ""]
        lines += [f"- {plain(sentence)}" for sentence in verdict(audit)]
        for name, test in audit["tests"].items():
            lines += ["", f"### {test['asks']}", "", meaning(test)]
            if found := rows(name, test):
                lines += ["", "| figure | value |", "|---|---|"]
            lines += [f"| {plain(what)} | {plain(value)} |" for what, value in found]
    return "\n".join(lines) + "\n"


def rows(name: str, test: Mapping[str, Any]) -> list[tuple[str, str]]:
    """A test's figures, each with what it is of, and what others have published."""
    published = test.get("published", {}).items()
    return ROWS[name](test["figures"]) + [(f"published: {of}", f"{x:.4f}") for of, x in published]


def about(audit: Audit) -> str:
    return (
        f"{audit['texts']:,} test texts of {audit['data']}, intervals (95%) over texts, or over "
        f"models where any are trained. {audit.get('row', '')}".rstrip()
    )


def meaning(test: Mapping[str, Any]) -> str:
    return f"If high: {test['high']}. If low: {test['low']}. ({test['source']})"


def audit_html(audits: Sequence[Audit]) -> str:
    """One page that needs no network."""
    views = [
        {
            "model": audit["model"],
            "about": about(audit),
            "verdict": verdict(audit),
            "tests": [_view(name, test) for name, test in audit["tests"].items()],
        }
        for audit in audits
    ]
    beside = side_by_side(audits)
    return render("audit.html", audits=views, beside=beside, wide=WIDE, high=HIGH)


def _view(name: str, test: Mapping[str, Any]) -> dict[str, Any]:
    """A test as the page shows it."""
    found = test["figures"]
    bins = found.get("by_greatest_attention", [])
    spread = [each for each in bins if "spread" in each]
    return {
        "asks": test["asks"],
        "sentence": SENTENCES[name](found),
        "meaning": meaning(test),
        "rows": rows(name, test),
        "bars": drawings.histogram(found["histogram"]) if "histogram" in found else [],
        "violins": drawings.violins(spread),
        "ranges": drawings.ranges(spread),
        "reach": f"{drawings.reach(spread)[1]:g}",
        "curve": drawings.curve(found["curve"]) if "curve" in found else None,
        "scale": drawings.scale(found["attefa"], list(test.get("published", {}).items()))
        if name == "attefa"
        else None,
        "cases": [
            {
                "divergence": f"{case['divergence']:.2f}",
                "query": case["query"],
                "real": heat(case["words"], case["real"]),
                "other": heat(case["words"], case["other"]),
            }
            for case in found.get("cases", [])
        ],
    }
