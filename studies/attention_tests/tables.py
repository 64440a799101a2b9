"""The tables of the study, from its figures."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from afa_ray.evaluation.statistics import estimate, holm, paired_difference
from studies.attention_tests.published import ADVERSARIES, BASE_F1, TAUS
from studies.markdown import head, shown

Row: TypeAlias = dict[str, Any]
Figure: TypeAlias = Callable[[Row], float]
TVD, JSD = 0.5, math.log(2)  # the greatest ones, as published
PAIRS = {
    "attention–gradient": "attention and gradient",
    "attention–leave-one-out": "attention and deletion",
    "gradient–leave-one-out": "gradient and deletion",
}


def tau_of(pair: str) -> Figure:
    return lambda row: row["correlation"]["pairs"][pair]["mean"]


TESTED: dict[str, Figure] = {
    **{f"tau {name}": tau_of(pair) for name, pair in PAIRS.items()},
    "moved by permutation": lambda row: row["permutation"]["moved"]["mean"],
    "ε-max JSD": lambda row: row["adversarial"]["divergence"]["mean"],
}  # fmt: skip
OURS: dict[str, tuple[Figure, int]] = {
    "accuracy": (lambda row: row["accuracy"], +1),
    **{name: (figure, -1 if name == "ε-max JSD" else +1) for name, figure in TESTED.items()
       if not name.startswith("tau gradient")},
    "AtteFa": (lambda row: float(np.mean([x["attefa"] for x in row["adversaries"]])), +1),
}  # fmt: skip
"""What the forms are held against plain by, and which way is better."""


def write_tables(rows: list[Row], out: Path) -> None:
    """`out/tables.md`, of what there is, and the most of it in `pattern.md`, `attefa.md` and
    `ours.md`."""
    parts = {
        "jain_wallace": (jain_wallace, pattern, "pattern.md"),
        "attefa": (attefa, briefly, "attefa.md"),
        "ours": (ours, against_plain, "ours.md"),
    }
    lines: list[str] = []
    for part, (wholly, shortly, name) in parts.items():
        its = [row for row in rows if row["part"] == part]
        if its:
            lines += [*wholly(its), ""]
            (out / name).write_text("\n".join([*shortly(its), ""]), encoding="utf-8")
    (out / "tables.md").write_text("\n".join(lines), encoding="utf-8")


def jain_wallace(rows: list[Row]) -> list[str]:
    """Table 2 and the figures of the other tests, set by set; then the pattern."""
    lines = ["## Jain and Wallace", "", "Mean over models ± half-width of the 95% t-interval over "
             "seeds; *published* in italics.", ""]  # fmt: skip
    names = [*PAIRS, "p ≤ .05", *list(TESTED)[3:], "above .5"]
    for data in sets_of(rows):
        lines += [f"### {data}", "", *head(("encoder", "scorer", "accuracy", *names))]
        for model, scorer in cases(rows, data, "model", "scorer"):
            its = [r for r in rows if (r["data"], r["model"], r["scorer"]) == (data, model, scorer)]
            known = TAUS.get((data, model, scorer))
            beside: list[float | None] = [None] * 4
            if known:
                beside = [known.accuracy, known.gradient[0], known.deletion, known.both]
            figures: list[Figure] = [lambda row: row["accuracy"], *list(TESTED.values())[:3]]
            cells = [shown(map(f, its)) + of(x) for f, x in zip(figures, beside, strict=True)]
            share = shown(r["correlation"]["pairs"]["attention and gradient"]["significant"]
                          for r in its)  # fmt: skip
            cells.append(share + of(known.gradient[2] if known else None))
            cells += [shown(map(f, its)) for f in list(TESTED.values())[3:]]
            cells.append(shown(r["adversarial"]["above"]["0.5"] for r in its))
            lines.append(f"| {model} | {scorer} | {' | '.join(cells)} |")
        lines.append("")
    return [*lines, "### The pattern", "", *pattern(rows)]


def pattern(rows: list[Row]) -> list[str]:
    """Whether what the paper is known for comes out, set by set."""
    taus = list(TESTED.values())[:3]

    def mean(data: str, model: str, scorer: str, figure: Figure) -> float:
        case = (data, model, scorer)
        its = [figure(r) for r in rows if (r["data"], r["model"], r["scorer"]) == case]
        return float(np.mean(its)) if its else math.nan

    lines = head(("data", "average above lstm (attention–gradient, additive)",
                  "gradient–leave-one-out above attention–leave-one-out (lstm, additive)",
                  "dot below additive (attention–gradient, lstm)"))  # fmt: skip
    for data in sets_of(rows):
        lstm = [mean(data, "lstm", "additive", figure) for figure in taus]
        pairs = [(mean(data, "average", "additive", taus[0]), lstm[0]), (lstm[2], lstm[1]),
                 (lstm[0], mean(data, "lstm", "dot", taus[0]))]  # fmt: skip
        lines.append(f"| {data} | {' | '.join(map(verdict, pairs))} |")
    return lines


def verdict(pair: tuple[float, float]) -> str:
    more, less = pair
    if math.isnan(more) or math.isnan(less):
        return "–"
    return f"{'yes' if more > less else 'no'}: {more:.3f}, {less:.3f}"


def attefa(rows: list[Row]) -> list[str]:
    """Tables 2 to 5 of Amini and Kosseim."""
    lines = ["## AtteFa", "", "### F1 of the base models (Table 2)", "",
             *head(("data", "lstm", "average"))]  # fmt: skip
    of_each = {(row["data"], row["model"]): row for row in rows if row["seed"] == 0}
    for data in sets_of(rows):
        cells = []
        for i, model in enumerate(("lstm", "average")):
            row = of_each.get((data, model))
            cells.append(f"{row['macro_f1']:.3f}{of(BASE_F1[data][i])}" if row else "–")
        lines.append(f"| {data} | {' | '.join(cells)} |")
    lines += ["", "### The adversaries (Table 3)", "", "Mean ± standard deviation over adversaries"
              ", and the 95% t-interval of AtteFa; *published* in italics.", "",
              *head(("data", "encoder", "adversaries", "epoch", "F1", "TVD", "JSD", "AtteFa",
                     "interval"))]  # fmt: skip
    for (data, model), row in of_each.items():
        lines.append(f"| {data} | {model} | {' | '.join(_of_all(row))} |")
    lines += [
        "",
        "### All of them (Tables 4 and 5)",
        "",
        *head(("data", "encoder", "seed", "epoch", "F1", "TVD", "JSD", "AtteFa")),
    ]
    for (data, model), row in of_each.items():
        for x in row["adversaries"]:
            figures = (x["macro_f1"], TVD * x["stvd"], JSD * x["sjsd"], x["attefa"])
            each = " | ".join(f"{figure:.3f}" for figure in figures)
            lines.append(f"| {data} | {model} | {x['seed']} | {x['epoch']} | {each} |")
    return [*lines, "", *by_base_model(rows)]


def by_base_model(rows: list[Row]) -> list[str]:
    """AtteFa of each of several base models: how much is chance of the model asked."""
    lines = []
    for data, model in dict.fromkeys((row["data"], row["model"]) for row in rows):
        found = attefas(rows, data, model)
        if len(found) > 1:
            each = ", ".join(f"{figure:.3f}" for figure in found)
            lines.append(f"| {data} | {model} | {each} | {shown(found)} |")
    if not lines:
        return []
    said = "Mean over the adversaries of each; and of these means, with the 95% t-interval."
    table = head(("data", "encoder", "AtteFa", "mean"))
    return ["### By base model", "", said, "", *table, *lines]


def attefas(rows: list[Row], data: str, model: str) -> list[float]:
    """By base model."""
    its = [row for row in rows if (row["data"], row["model"]) == (data, model)]
    return [OURS["AtteFa"][0](row) for row in sorted(its, key=lambda row: row["seed"])]


def briefly(rows: list[Row]) -> list[str]:
    """AtteFa by data set and encoder: of the base model with the first seed, over adversaries; in
    brackets as published; and the least and greatest of several base models."""
    lines = head(("AtteFa", "lstm", "average"))
    for data in sets_of(rows):
        cells = []
        for model in ("lstm", "average"):
            case = (data, model, 0)
            its = [row for row in rows if (row["data"], row["model"], row["seed"]) == case]
            found = [x["attefa"] for row in its for x in row["adversaries"]]
            cell = shown(found) + of(ADVERSARIES[data, model].attefa) if found else "–"
            several = attefas(rows, data, model)
            if len(several) > 1:
                cell += f"; {min(several):.3f} to {max(several):.3f}"
            cells.append(cell)
        lines.append(f"| {data} | {' | '.join(cells)} |")
    return lines


def _of_all(row: Row) -> list[str]:
    found, known = row["adversaries"], ADVERSARIES[row["data"], row["model"]]

    def cell(name: str, scale: float, digits: int, beside: float) -> str:
        values = [scale * x[name] for x in found]
        deviation = np.std(values, ddof=1) if len(values) > 1 else math.nan
        return f"{np.mean(values):.{digits}f} ± {deviation:.{digits}f} (*{beside:.{digits}f}*)"

    half = estimate([x["attefa"] for x in found]).half_width
    return [
        str(len(found)), cell("epoch", 1, 0, known.epoch), cell("macro_f1", 1, 3, known.f1),
        cell("stvd", TVD, 3, known.tvd), cell("sjsd", JSD, 3, known.jsd),
        cell("attefa", 1, 4, known.attefa), f"± {half:.4f}",
    ]  # fmt: skip


def ours(rows: list[Row]) -> list[str]:
    """Every form of a model beside plain, set by set; then in how many cases it is better."""
    lines = ["## Attention that is trained to explain", "", "Mean over seeds ± half-width of the "
             "95% t-interval. High is good, but for ε-max JSD.", ""]  # fmt: skip
    for data in sets_of(rows):
        lines += [f"### {data}", "", *head(("model", "trained", *OURS))]
        for model, form in cases(rows, data, "model", "form"):
            its = [r for r in rows if (r["data"], r["model"], r["form"]) == (data, model, form)]
            cells = " | ".join(shown(map(figure, its)) for figure, _ in OURS.values())
            lines.append(f"| {model} | {form} | {cells} |")
        lines.append("")
    return [*lines, "### Better than plain?", "", *against_plain(rows)]


def against_plain(rows: list[Row]) -> list[str]:
    """Mean difference to plain, paired by seed, over cases (set and model), and of how many cases
    it is to the better; in brackets of how many p < .05 after Holm's correction over the row's
    cases says so, and that it is to the worse."""
    lines = head(("model", "trained", *OURS))
    models = list(dict.fromkeys(row["model"] for row in rows))
    for model in [*models, None]:
        its = [row for row in rows if model in (None, row["model"])]
        for form in dict.fromkeys(row["form"] for row in its):
            if form != "plain":
                cells = [_against(its, form, *case) for case in OURS.values()]
                lines.append(f"| {model or 'all'} | {form} | {' | '.join(cells)} |")
    return lines


def _against(rows: list[Row], form: str, figure: Figure, sign: int) -> str:
    by_case: dict[tuple[str, str], dict[str, dict[int, float]]] = {}
    for row in rows:
        case = by_case.setdefault((row["data"], row["model"]), {})
        case.setdefault(row["form"], {})[row["seed"]] = figure(row)
    found = []
    for case in by_case.values():
        ours, plain = case.get(form, {}), case.get("plain", {})
        seeds = sorted(ours.keys() & plain.keys())
        if seeds:
            found.append(paired_difference([ours[s] for s in seeds], [plain[s] for s in seeds]))
    if not found:
        return "–"
    better = [sign * x.mean > 0 for x in found]
    sure = [p < 0.05 for p in holm([1.0 if math.isnan(x.p) else x.p for x in found])]
    established = sum(s and b for s, b in zip(sure, better, strict=True))
    worse = sum(sure) - established
    mean = np.mean([x.mean for x in found])
    return f"{mean:+.3f}, {sum(better)} of {len(found)} ({established}, {worse})"


def cases(rows: list[Row], data: str, *names: str) -> list[tuple[str, ...]]:
    """The values of the columns `names` in a set, each once, in the order of ORDER."""
    found = {tuple(row[name] for name in names) for row in rows if row["data"] == data}
    return sorted(found, key=lambda case: [ORDER.index(x) for x in case])


ORDER = ("lstm", "cnn", "average", "transformer", "minilm", "additive", "dot",
         "plain", "original", "contrast", "explainable")  # fmt: skip


def sets_of(rows: Iterable[Row]) -> list[str]:
    return sorted({row["data"] for row in rows})


def of(published: float | None) -> str:
    return "" if published is None else f" (*{published:.3f}*)"
