"""Whether the Hugging Face hub can be reached: its client would try for half a minute a file."""

from __future__ import annotations

import os
import socket
import sys
from concurrent.futures import Future
from functools import cache
from threading import Thread
from urllib.parse import SplitResult, urlsplit
from urllib.request import getproxies, proxy_bypass

PATIENCE_S = 5  # for its name and a connection


@cache
def hub_is_away() -> str:
    """Why the hub cannot be reached, in a few words; empty where it can.

    If it cannot, its client is told, in this process and in those started from it, to take what it
    has on this machine, and to ask nobody.
    """
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return "HF_HUB_OFFLINE is set"
    if reason := _no_connection(constants.ENDPOINT):
        os.environ["HF_HUB_OFFLINE"] = "1"
        constants.HF_HUB_OFFLINE = True
        if "datasets" in sys.modules:
            sys.modules["datasets"].config.HF_HUB_OFFLINE = True
        return f"{constants.ENDPOINT}: {reason}"
    return ""


def _no_connection(endpoint: str) -> str:
    """Why nobody can be connected to, at the endpoint or at the proxy in front of it."""
    url = urlsplit(endpoint)
    proxies = getproxies()
    proxy = proxies.get(url.scheme) or proxies.get("all")
    if proxy and not proxy_bypass(url.hostname or ""):
        url = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    found: Future[str] = Future()
    Thread(target=_connect, args=(url, found), daemon=True).start()  # names may take for ever
    try:
        return found.result(PATIENCE_S + 1)
    except TimeoutError:
        return f"no answer within {PATIENCE_S} s"


def _connect(url: SplitResult, found: Future[str]) -> None:
    try:
        port = url.port or {"http": 80, "socks5": 1080, "socks5h": 1080}.get(url.scheme, 443)
        socket.create_connection((url.hostname or "", port), PATIENCE_S).close()
        found.set_result("")
    except (OSError, ValueError) as error:
        found.set_result(str(error))
