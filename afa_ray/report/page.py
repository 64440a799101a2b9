"""Explanations as HTML: one file that needs no network, every string of data escaped."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from afa_ray.report.view import agreement_of, view

TEMPLATES = Path(__file__).parent / "templates"
EARLY = 'document.documentElement.classList.add("js")'  # before anything is laid out
Explained = Mapping[str, Any]
"""An explanation as `Explanation.to_dict` gives it."""


def page_html(
    explanations: Sequence[Explained],
    *,
    beside: Sequence[Explained] | None = None,
    title: str = "What the classifier looked at",
    run: Mapping[str, Any] | None = None,
    live: Mapping[str, Any] | None = None,
    labels: Sequence[str] = (),
) -> str:
    """A whole page.

    Args:
        beside: another model's explanations of the same texts, to be shown to the right.
        run: what `run_view` makes of a run's result, for the head of the page.
        live: of the page that a server keeps alive: longest text, methods, fast methods.
        labels: classes to filter by; by default those that occur.
    """
    columns = [explanations, *([] if beside is None else [beside])]
    articles = [[view(e) for e in texts] for texts in zip(*columns, strict=True)]
    flat = [e for texts in articles for e in texts]
    script = _source("page.js")
    return render(
        "page.html",
        title=title,
        articles=articles,
        run=run,
        live=live,
        labels=list(labels) or sorted({e["label"] for e in flat}),
        judged=any(e["right"] is not None for e in flat),
        marked=any(e["marked"] for e in flat),
        agreement=_agreements([e for column in columns for e in column]),
        script=Markup(script),
        early=Markup(EARLY),
        hashes=" ".join(map(_hash, (EARLY, script))),
        connect=Markup("'self'" if live else "'none'"),
        data=_json([e for texts in zip(*columns, strict=True) for e in texts]),
    )


def texts_html(explanations: Sequence[Explained]) -> str:
    """One text as several models explain it, without a page around: what the live page puts in."""
    articles = [[view(e) for e in explanations]]
    return str(_macros().texts(articles))


def notebook_html(explanations: Sequence[Explained]) -> str:
    """Texts for a notebook's cell, with the style that they need."""
    templates = _macros()
    articles = [[view(e)] for e in explanations]
    marked = any(e["marked"] for texts in articles for e in texts)
    body = templates.texts(articles) + templates.legend(marked)
    return f'<style>{_css()}</style><div class="afa">{body}</div>'


def _agreements(explanations: Sequence[Explained]) -> list[dict[str, Any]]:
    """The mean agreement of each two methods over the texts that both explain."""
    found: dict[tuple[str, str], list[float]] = {}
    for explained in explanations:
        for pair in combinations(explained["scores"], 2):
            tau = agreement_of(*(explained["scores"][name] for name in pair))
            if tau is not None:
                found.setdefault(pair, []).append(tau)
    return [
        {"pair": " and ".join(pair), "figure": f"{sum(t) / len(t):.2f}", "texts": len(t)}
        for pair, t in found.items()
    ]


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined
    )


def _macros() -> Any:
    """The parts of a page, as functions."""
    return _environment().get_template("texts.html").module


@cache
def _css() -> Markup:
    return Markup(_environment().get_template("page.css").render())


@cache
def _source(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")


def _json(value: Any) -> Markup:
    """JSON that no HTML parser takes for markup."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)


def _hash(script: str) -> Markup:
    """What a page's policy names a script by: no other one runs."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return Markup(f"'sha256-{digest}'")


def _version() -> str:
    from afa_ray import __version__

    return __version__


def render(template: str, **values: Any) -> str:
    """A page of its own, in the style of all."""
    return _environment().get_template(template).render(css=_css(), version=_version(), **values)


def interface_html(api: Mapping[str, Any]) -> str:
    """A page on an OpenAPI description, which needs no network either."""
    return render("interface.html", api=api)
