"""Names and paths that people give: what a file system, a YAML file and a terminal can hold."""

from __future__ import annotations

import re

LONGEST_NAME, MOST_NAME_BYTES = 100, 200  # with what is added to it, a folder's name is shorter
MOST_PART_BYTES, MOST_BYTES = 255, 4000  # of one name in a path, and of a text
FOLDER_NAME = re.compile(rf"(?!\.)[^/\\\x00-\x1f\x7f]{{1,{LONGEST_NAME}}}")
SHOWN = 60  # characters of what is too long


def name_fault(setting: str, name: str) -> str:
    """The complaint about the name of a folder; empty where it is one."""
    if fault := text_fault(setting, name):
        return fault
    if FOLDER_NAME.fullmatch(name) and len(name.encode()) <= MOST_NAME_BYTES:
        return ""
    return (
        f"{setting} = {_shown(name)}: must be a folder name: at most {LONGEST_NAME} characters and "
        f"{MOST_NAME_BYTES} bytes, no slash, no control character, no dot in front"
    )


def path_fault(setting: str, path: str) -> str:
    """The complaint about a path that no file can have; empty where one can."""
    if fault := text_fault(setting, path):
        return fault
    if all(len(part.encode()) <= MOST_PART_BYTES for part in path.split("/")):
        return ""
    return (
        f"{setting} = {_shown(path)}: no file can be there: a name in a path has at most "
        f"{MOST_PART_BYTES} bytes"
    )


def text_fault(setting: str, text: str) -> str:
    """The complaint about a text that cannot be written down again; empty where it can."""
    try:
        length = len(text.encode())
    except UnicodeEncodeError:
        return f"{setting} = {_shown(text)}: holds bytes that are no UTF-8; give another name"
    if "\0" in text:
        return f"{setting} = {_shown(text)}: holds a zero byte; leave it out"
    if length > MOST_BYTES:
        return f"{setting} = {_shown(text)}: must have at most {MOST_BYTES:,} bytes, not {length:,}"
    return ""


def _shown(text: str) -> str:
    return repr(text if len(text) <= SHOWN else f"{text[:SHOWN]}…")
