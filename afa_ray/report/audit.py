"""An audit as Markdown and as a page: what was asked, what was found, what it means."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from afa_ray.report.page import render

WIDE, HIGH = 400, 120  # of a histogram, in its own units
Audit = Mapping[str, Any]


def rows(name: str, found: Mapping[str, Any]) -> list[tuple[str, str]]:
    """A test's figures, each with what it is of."""
    if name == "correlation":
        return [
            (f"mean τ-b of {pair}", f"{with_interval(x)}; p ≤ .05 in {x['significant']:.0%}")
            for pair, x in found["pairs"].items()
        ]
    if name == "permutation":
        parts = [
            (
                f"… where the greatest weight is {x['from']:g} to {x['to']:g} ({x['texts']} texts)",
                "{:.3f} (quartiles {:.3f} to {:.3f})".format(
                    x["quartiles"][1], x["quartiles"][0], x["quartiles"][2]
                ),
            )
            for x in found["by_greatest_attention"]
            if x["texts"]
        ]
        return [("median movement of the decision, 0 to 1", with_interval(found["moved"])), *parts]
    return [
        ("greatest divergence with the decision the same, 0 to .693", with_interval(
            found["divergence"])),
        *((f"texts above {limit}", f"{share:.0%}") for limit, share in found["above"].items()),
    ]  # fmt: skip


def with_interval(of: Mapping[str, float]) -> str:
    return f"{of['mean']:.3f} ± {of['half_width']:.3f}"


def verdict(audit: Audit) -> list[str]:
    """The findings in plain words, a sentence a test."""
    found, said = audit["tests"], []
    if "adversarial" in found:
        share = found["adversarial"]["figures"]["above"]["0.5"]
        said.append(
            f"In {share:.0%} of the texts attention can be put on quite other words with the "
            "decision the same."
        )
    if "permutation" in found:
        moved = found["permutation"]["figures"]["moved"]["mean"]
        said.append(
            f"Shuffling attention among the words moves the classes' probabilities by {moved:.2f} "
            "in the middle case, of 1 at most."
        )
    if "correlation" in found:
        pairs = found["correlation"]["figures"]["pairs"]
        one, witness = pairs["attention and deletion"], pairs["gradient and deletion"]
        said.append(
            f"Attention orders words as deleting them does with τ = {one['mean']:.2f} (1 is the "
            f"same order, 0 none in common); gradients do with {witness['mean']:.2f}."
        )
    return said


def markdown(audits: list[Audit]) -> str:
    lines = ["# Is attention an explanation?"]
    for audit in audits:
        lines += ["", f"## {audit['model']}", "", about(audit), ""]
        lines += [f"- {sentence}" for sentence in verdict(audit)]
        for name, test in audit["tests"].items():
            lines += [
                "",
                f"### {test['asks']}",
                "",
                meaning(test),
                "",
                "| figure | value |",
                "|---|---|",
            ]
            lines += [f"| {what} | {value} |" for what, value in rows(name, test["figures"])]
    return "\n".join(lines) + "\n"


def about(audit: Audit) -> str:
    return f"{audit['texts']:,} test texts of {audit['data']}, intervals (95%) over texts."


def meaning(test: Mapping[str, Any]) -> str:
    return f"High: {test['high']}. Low: {test['low']}. ({test['source']})"


def histogram(counts: list[int]) -> list[dict[str, float]]:
    """Bars in a drawing of WIDE x HIGH."""
    step, most = WIDE / len(counts), max(max(counts), 1)
    return [
        {"x": i * step, "wide": step - 1, "high": HIGH * n / most, "y": HIGH - HIGH * n / most}
        for i, n in enumerate(counts)
    ]


def audit_html(audits: list[Audit]) -> str:
    """One page that needs no network."""
    views = [
        {
            "model": audit["model"],
            "about": about(audit),
            "verdict": verdict(audit),
            "tests": [
                {
                    "asks": test["asks"],
                    "meaning": meaning(test),
                    "rows": rows(name, test["figures"]),
                    "bars": histogram(test["figures"].get("histogram", [0])),
                    "drawn": "histogram" in test["figures"],
                }
                for name, test in audit["tests"].items()
            ],
        }
        for audit in audits
    ]
    return render("audit.html", audits=views, wide=WIDE, high=HIGH)
