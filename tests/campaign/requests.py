"""Requests to the live page, as nobody sends them on purpose: drawn by hypothesis.

Rule: each is answered with 2xx or 4xx, in the page's own words, and no file is opened for it.
"""

from __future__ import annotations

import json
import sys
import sysconfig
import tempfile
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fastapi.testclient import TestClient
from hypothesis import strategies as st

import afa_ray
from afa_ray.explainers import EXPLAINERS
from afa_ray.serving.app import HEADERS, LONGEST, MOST_BYTES, make_app
from tests.campaign.inputs import TREE
from tests.unit.test_classifier import save_single_layer

PATHS = ("/", "/docs", "/openapi.json", "/api/models", "/api/predict", "/api/explain", "/api/page")
WORDS = st.lists(
    st.sampled_from(["superb", "bleak", "word3", "\n", "\x00", "<b>", "あ", "é", "\u202e",
                     "\U0001f600", "'", "' OR 1=1 --", "../../etc/passwd"]),
    max_size=12,
).map(" ".join)  # fmt: skip
LONG = st.sampled_from([" ", "\ud800", "x" * LONGEST, "x " * (LONGEST // 2), "\u0301" * 500])
CHARACTERS = st.text(st.characters(), max_size=40)
TEXT = st.integers(0, 19).flatmap(lambda n: LONG if n == 0 else WORDS if n < 10 else CHARACTERS)
NAME = st.one_of(st.sampled_from([*EXPLAINERS, "good", "bad", "word", "token"]), TEXT)
QUESTION = st.fixed_dictionaries(
    {"text": TEXT},
    optional={
        "methods": st.lists(NAME, max_size=3)
        | st.lists(st.sampled_from(["attention"]), max_size=40),
        "target": NAME | st.none(),
        "unit": NAME,
        "model": TEXT,
    },
)
SANE = st.fixed_dictionaries(
    {"text": TEXT},
    optional={"methods": st.just(["attention", "gradient_norm"]), "unit": st.just("token")},
)
CONTENT = st.one_of(
    SANE.map(json.dumps),
    QUESTION.map(json.dumps),
    st.fixed_dictionaries({"texts": st.lists(TEXT, max_size=4)}).map(json.dumps),
    TREE.map(lambda tree: json.dumps(tree, skipkeys=True, default=str)),
    st.sampled_from(["[" * 5000, '{"text":' * 3000, '{"text": 1e999}', '{"text": "\\ud800"}',
                     "9" * 5000, "x" * (MOST_BYTES + 1), "null", ""]),
    st.binary(max_size=60).map(lambda raw: raw.decode("latin-1")),
)  # fmt: skip
PATH = st.one_of(
    st.sampled_from(PATHS),
    st.sampled_from(PATHS[4:]),
    st.lists(
        st.sampled_from(["api", "..", "%2e%2e", "etc", "passwd", "", "static", "page.js", "%00",
                         "%ff", "models", "openapi.json", ".git", "config"]),
        max_size=5,
    ).map(lambda parts: "/" + "/".join(parts)),
    TEXT.map(lambda text: "/" + quote(text[:200].encode("utf-8", "replace"))),
)  # fmt: skip
QUERY = st.sampled_from(["", "", "", "?", "?text=a", "?%00=%ff", "?a[]=1&a[]=2"])
ODD_HEADER = st.dictionaries(
    st.sampled_from(["Host", "Origin", "Accept", "Content-Type", "Content-Length", "Cookie",
                     "Range", "If-None-Match", "X-Forwarded-For", "Transfer-Encoding"]),
    st.sampled_from(["", "a", "application/json", "text/html", "evil.example", "127.0.0.1", "-1",
                     "999999999", "bytes=0-1", "*", "x" * 9000, "null", "chunked"]),
    max_size=2,
)  # fmt: skip
JSON = st.just({"Content-Type": "application/json"})
HEADER = st.one_of(JSON, JSON, JSON, st.just({}), ODD_HEADER)
METHOD = st.sampled_from(["POST"] * 3 + ["GET"] * 2 + ["HEAD", "PUT", "DELETE", "OPTIONS", "ODD"])
ASKED = st.tuples(
    st.just("POST"), st.sampled_from(["/api/explain", "/api/page"]), st.just(""), JSON,
    st.one_of(SANE, QUESTION).map(json.dumps),
)  # fmt: skip
TEXTS = st.lists(TEXT, min_size=1, max_size=4).map(lambda texts: json.dumps({"texts": texts}))
PREDICTED = st.tuples(st.just("POST"), st.just("/api/predict"), st.just(""), JSON, TEXTS)
CASE = st.one_of(ASKED, PREDICTED, st.tuples(METHOD, PATH, QUERY, HEADER, CONTENT))


class Opened:
    """The files that Python opens, but for modules, while `looking`."""

    def __init__(self) -> None:
        self.looking, self.files = False, list[str]()
        self._allowed = tuple({*map(sysconfig.get_path, ("stdlib", "purelib", "platlib"))})
        sys.addaudithook(self._hook)

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.looking and event in ("open", "os.remove", "os.rename", "os.mkdir", "os.rmdir"):
            writes = event != "open" or set(str(arguments[1] or "")) & set("wax+")
            path = str(arguments[0])
            if writes or not (path.startswith(self._allowed) or path.isdigit()):
                self.files.append(f"{event} {path}")


@cache
def _page() -> tuple[TestClient, Opened, tempfile.TemporaryDirectory]:
    """The page of two small models, whose files are gone."""
    folder = tempfile.TemporaryDirectory(prefix="afa-campaign-")
    names = [Path(folder.name) / name for name in ("one", "two")]
    classifiers = [afa_ray.load(save_single_layer(path, i)) for i, path in enumerate(names)]
    client = TestClient(
        make_app(classifiers), base_url="http://127.0.0.1", raise_server_exceptions=False
    )
    client.post("/api/page", json={"text": "superb", "methods": list(EXPLAINERS)})  # imports
    [client.get(path) for path in PATHS]
    return client, Opened(), folder


def request(case: tuple[str, str, str, dict[str, str], str]) -> bool:
    """Whether a request was answered with 4xx."""
    client, opened, _ = _page()
    method, path, query, headers, content = case
    opened.looking = True
    try:
        answer = client.request(
            method,
            path + query,
            content=content.encode("utf-8", "surrogatepass"),
            headers=headers,
            follow_redirects=False,
        )
    finally:
        opened.looking = False
    assert not opened.files, opened.files
    assert 200 <= answer.status_code < 300 or 400 <= answer.status_code < 500, (
        answer.status_code, answer.text[:500],
    )  # fmt: skip
    assert "Traceback" not in answer.text or "Traceback" in content
    if answer.status_code != 400:  # of a foreign host, which is refused before all
        assert all(answer.headers[name] == value for name, value in HEADERS.items())
    return answer.status_code >= 400


PARTS = {"requests": (CASE, request)}
