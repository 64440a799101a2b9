"""Passwords and tokens in addresses: shown nowhere, and accepted from the environment alone."""

from __future__ import annotations

import re

HIDDEN = "…"
_LOGIN = re.compile(r"\b((?!sqlite|file)[a-z][a-z0-9+.-]*:/{1,2})[^\s/'\"][^\s'\"]*@", re.I)
_QUERY = re.compile(r"([?&;][\w.-]*(?:pass|pwd|token|secret|key|auth)[\w.-]*=)[^\s&;'\"#]+", re.I)


def redacted(text: str) -> str:
    """A text in which the user and password of every address, and what its query names password,
    token, secret or key, are hidden."""
    return _QUERY.sub(rf"\g<1>{HIDDEN}", _LOGIN.sub(rf"\g<1>{HIDDEN}@", text))


def login_fault(setting: str, uri: str) -> str:
    """The complaint about an address with a password in it, which would be written into every
    record of a run; empty where there is none."""
    scheme, _, rest = uri.partition("://")
    if "@" in rest and not scheme.lower().startswith(("sqlite", "file")):
        rest = f"{HIDDEN}@{rest.rpartition('@')[2]}"
    shown = redacted(f"{scheme}://{rest}") if rest else uri
    if shown == uri:
        return ""
    where = "MLFLOW_TRACKING_URI"
    if uri.lower().startswith("http"):
        where = "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN"
    return (
        f"{setting} = {shown}: holds a password or token, which would be kept with the run; leave "
        f"it out and give it in the environment: {where}"
    )
