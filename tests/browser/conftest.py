"""A real browser: Debian's chromium, led by Playwright.

`apt-get install chromium` and `pip install playwright` are all it takes; Playwright's own download
of browsers is not used. Where either is missing the tests are skipped, and say which.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import free_port
from tests.unit.test_classifier import save_single_layer

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
    if CHROMIUM is None:
        pytest.skip("no chromium: apt-get install chromium")
    with playwright.sync_playwright() as running:
        root = hasattr(os, "geteuid") and os.geteuid() == 0  # chromium's sandbox refuses root
        opened = running.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox"] if root else []
        )
        yield opened
        opened.close()


@pytest.fixture
def visit(browser: Any) -> Iterator[Callable[..., Any]]:
    """Opens an address; in the end there must have been no error, and no request elsewhere."""
    faults: list[str] = []
    contexts: list[Any] = []

    def open_page(address: str, **options: Any) -> Any:
        contexts.append(browser.new_context(**options))
        page = contexts[-1].new_page()
        page.on("console", lambda m: m.type in ("error", "warning") and faults.append(m.text))
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("dialog", lambda dialog: (faults.append(dialog.message), dialog.dismiss()))
        page.on("request", lambda r: _own(r.url, address) or faults.append(r.url))
        page.goto(address)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert faults == []


def _own(url: str, address: str) -> bool:
    home = address if address.startswith("file:") else address.split("/", 3)[2]
    return url.startswith(("data:", "blob:")) or (
        url == home if address.startswith("file:") else url.split("/", 3)[2] == home
    )


@pytest.fixture(scope="session")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a live page of two small models."""
    pytest.importorskip("fastapi", reason="pip install 'afa_ray[serve]'")
    folder = tmp_path_factory.mktemp("models")
    models = [
        save_single_layer(folder / name, seed, loudness=20)
        for seed, name in enumerate(("one", "two"))
    ]
    port = free_port()
    command = [sys.executable, "-m", "afa_ray.serve", *models, "--port", str(port)]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=log, text=True, cwd=Path(__file__).parents[2]
        )
        began = time.monotonic()
        assert process.stdout is not None
        first = process.stdout.readline()
        assert first.startswith("ready: "), (folder / "log").read_text()
        assert time.monotonic() - began < 60
        yield f"http://127.0.0.1:{port}/"
        process.terminate()
        process.wait(20)
