"""The page in a real browser: hostile texts are text, filters filter, words can be deleted."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from afa_ray.classifier import Explanation
from afa_ray.report.page import page_html

HOSTILE = [
    "<script>alert(1)</script>",
    "</script><img/src=x/onerror=alert(2)>",
    "\"'><svg/onload=alert(3)>",
    "{{7*7}}",
    "${7*7}",
    "שָׁלוֹם",
    "مرحبا",
    "\u202egnp.exe\u2066",
    "👩‍👩‍👧‍👦",
    "x" * 10_000,
    "&lt;b&gt;&#0;",
    "javascript:alert(4)",
]
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True}


def explanation(words: list[str], **changes: Any) -> Explanation:
    """Of words with a space between; weights from -.5 to .5."""
    text, spans = " ".join(words), []
    for word in words:
        start = spans[-1][1] + 1 if spans else 0
        spans.append((start, start + len(word)))
    scores = [(i + 0.5) / len(words) - 0.5 for i in range(len(words))]
    made = Explanation(
        text=text, words=words, spans=spans, pieces=[[w] for w in words],
        scores={"attention": [abs(s) for s in scores], "ig": scores}, label="good",
        probability=0.75, probabilities={"good": 0.75, "bad": 0.25}, target="good",
        cost={"attention": 0.002, "ig": 1.5}, error={"ig": 0.031}, refused={"shap": "<b>no</b>"},
        specials=["[CLS]"], special_scores={"attention": [0.1], "ig": [0.0]},
    )  # fmt: skip
    return replace(made, **changes)


def write(path: Path, content: str) -> str:
    path.write_text(content, encoding="utf-8")
    return path.as_uri()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("device", [{}, PHONE], ids=["desk", "phone"])
def test_hostile_texts_are_text(
    visit: Callable[..., Any], tmp_path: Path, scheme: str, device: dict[str, Any]
) -> None:
    evil = HOSTILE[0]
    made = explanation(
        HOSTILE, label=evil, target=HOSTILE[2], truth=HOSTILE[1], model=HOSTILE[2],
        pieces=[HOSTILE[:3]] * len(HOSTILE), specials=[evil], refused={evil: evil},
        probabilities={evil: 0.75, HOSTILE[2]: 0.25}, marks=[1] * len(HOSTILE),
    )  # fmt: skip
    content = page_html([made.to_dict()], title=HOSTILE[1])
    page = visit(write(tmp_path / "page.html", content), color_scheme=scheme, **device)
    assert page.locator(".method").first.locator("[data-w] bdi").all_text_contents() == HOSTILE
    assert page.locator("script").count() == 3  # the page's own
    assert page.locator("main img, main svg").count() == 0
    assert page.title() == HOSTILE[1]
    word = page.locator("[data-w]").first
    word.click()
    assert evil in page.locator(".detail").text_content()
    wide = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    assert wide <= 0, "scrolls sideways"


@pytest.mark.parametrize(("device", "beside"), [({}, True), (PHONE, False)], ids=["desk", "phone"])
def test_two_models_stand_side_by_side(
    visit: Callable[..., Any], tmp_path: Path, device: dict[str, Any], beside: bool
) -> None:
    """On a phone one below the other."""
    words = [HOSTILE[0], "fine", "day", *HOSTILE[5:]]
    own = [explanation(words, truth="good", model="run")]
    other = [explanation(words, truth="good", model=HOSTILE[1], label="bad")]
    content = page_html([e.to_dict() for e in own], beside=[e.to_dict() for e in other])
    page = visit(write(tmp_path / "page.html", content), **device)
    left, right = (page.locator("article header").nth(i).bounding_box() for i in (0, 1))
    assert (right["y"] == left["y"] and right["x"] > left["x"]) == beside
    assert (right["y"] > left["y"] and right["x"] == left["x"]) != beside
    assert page.locator("article small", has_text=HOSTILE[1]).count() == 1
    assert page.locator(".tag.right").count() == page.locator(".tag.wrong").count() == 1
    assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0


def test_filters_numbers_and_export(visit: Callable[..., Any], tmp_path: Path) -> None:
    made = [
        explanation(["fine", "day"], truth="good"),
        explanation(["dull", "day"], truth="bad"),
        explanation(["bleak", "day"], truth="bad", label="bad"),
    ]
    page = visit(write(tmp_path / "page.html", page_html([e.to_dict() for e in made])))
    visible = lambda: page.locator("article:visible").count()  # noqa: E731
    assert visible() == 3
    page.select_option("#by-label", "bad")
    assert visible() == 1
    page.select_option("#by-right", "wrong")
    assert visible() == 0
    assert page.locator("#shown").text_content() == "0 of 3 texts"
    page.select_option("#by-label", "")
    assert visible() == 1
    page.uncheck("#numbers")
    assert page.locator("main .w i:visible").count() == 0
    with page.expect_download() as download:
        page.click("#export")
    assert json.loads(Path(download.value.path()).read_text()) == [e.to_dict() for e in made]


def test_keys_go_through_the_words(visit: Callable[..., Any], tmp_path: Path) -> None:
    made = explanation(["one", "two", "three"])
    page = visit(write(tmp_path / "page.html", page_html([made.to_dict()])))
    page.locator(".text").first.focus()
    for word in ("one", "two", "three", "three"):
        page.keyboard.press("ArrowRight")
        assert page.locator(".now bdi").text_content() == word
    page.keyboard.press("ArrowLeft")
    assert "two: " in page.locator(".detail").text_content()


def test_it_reads_without_scripts(visit: Callable[..., Any], tmp_path: Path) -> None:
    """As in an e-mail: words, numbers and legend are there, and nothing that does nothing."""
    made = explanation(["one", "two"])
    page = visit(
        write(tmp_path / "page.html", page_html([made.to_dict()])), java_script_enabled=False
    )
    assert page.locator("[data-w]:visible").count() == 4
    assert page.locator("button:visible, select:visible").count() == 0


def contrast(page: Any) -> list[tuple[float, str]]:
    """The least contrast of words' letters on what is behind them, by the rules of WCAG."""
    return page.evaluate(
        """() => {
        const canvas = document.createElement("canvas")
          .getContext("2d", { willReadFrequently: true });
        const lum = ([r, g, b]) => [r, g, b].map(c => c / 255).map(c =>
          c <= .03928 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4)
          .reduce((s, c, i) => s + c * [.2126, .7152, .0722][i], 0);
        const paint = (...colours) => { canvas.clearRect(0, 0, 1, 1);
          for (const c of colours) { canvas.fillStyle = c; canvas.fillRect(0, 0, 1, 1); }
          return [...canvas.getImageData(0, 0, 1, 1).data]; };
        const paper = getComputedStyle(document.body).backgroundColor;
        return [...document.querySelectorAll(".w, .quiet, small, th, .tag, .specials")].map(e => {
          const style = getComputedStyle(e);
          const behind = [paper, style.backgroundColor];
          const [a, b] = [paint(...behind, style.color), paint(...behind)].map(lum);
          return [(Math.max(a, b) + .05) / (Math.min(a, b) + .05), e.className || e.tagName];
        }); }"""
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast(visit: Callable[..., Any], tmp_path: Path, scheme: str) -> None:
    made = explanation([f"word{i}" for i in range(20)], truth="bad")
    page = visit(write(tmp_path / "page.html", page_html([made.to_dict()])), color_scheme=scheme)
    assert page.locator("html").get_attribute("lang") == "en"
    found = contrast(page)
    assert len(found) > 40
    assert min(found)[0] >= 4.5, min(found)


def test_two_thousand_words_without_a_shift(visit: Callable[..., Any], tmp_path: Path) -> None:
    made = explanation([f"word{i}" for i in range(2000)])
    page = visit(
        write(tmp_path / "page.html", page_html([made.to_dict()])),
        viewport={"width": 900, "height": 700},
    )
    shifts = page.evaluate(
        """() => new Promise(done => { let sum = 0;
        new PerformanceObserver(list => { for (const e of list.getEntries()) sum += e.value; })
          .observe({ type: "layout-shift", buffered: true });
        setTimeout(() => done(sum), 500); })"""
    )
    assert shifts < 0.01
    page.locator("[data-w]").nth(1500).click()
    assert "word1500: " in page.locator(".detail").text_content()


def test_a_text_is_explained_and_a_word_deleted(visit: Callable[..., Any], live: str) -> None:
    page = visit(live)
    page.fill("#typed", "a superb <b>day</b> 👍 awful שלום")
    page.click("button[type=submit]")
    page.wait_for_selector("#texts[aria-busy=false]")
    columns = page.locator("#texts [data-label]")
    assert columns.count() == 2  # two models side by side
    words = columns.first.locator(".method").first.locator("[data-w] bdi")
    assert {"superb", "<", "👍", "שלום"} <= set(words.all_text_contents())
    assert columns.first.locator(".method").count() == 3  # attention and the fast ones
    before = page.locator(".chances").first.text_content()
    words.filter(has_text="awful").click()
    page.wait_for_selector("#texts[aria-busy=false]")
    assert page.input_value("#typed") == "a superb <b>day</b> 👍 שלום"
    assert "awful" not in words.all_text_contents()
    assert page.locator(".chances").first.text_content() != before
    assert "Without “awful”: " in page.locator("#removed").text_content()
    assert " was ." in page.locator("#removed").text_content()


def test_the_live_page_says_what_cannot_be(visit: Callable[..., Any], live: str) -> None:
    page = visit(live)
    page.fill("#typed", "   ")
    page.click("button[type=submit]")
    assert "Type a text first" in page.locator("#state").text_content()


def test_the_interface_is_described_without_another_host(
    visit: Callable[..., Any], live: str
) -> None:
    page = visit(live + "docs")
    assert "/api/explain" in page.locator("body").text_content()
