"""What a walk through a source finds, and which names are safe, hidden or wanted."""

from __future__ import annotations

import fnmatch
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_DRIVE = re.compile(r"^[A-Za-z]:")
_LONGEST_NAME = 1024


@dataclass(frozen=True)
class Found:
    """A file that may be a document.

    Args:
        name: Relative to the source; archives stand in it as folders.
        path: Where its bytes are.
        size: How many they are.
        temporary: Whether it came out of an archive, so that whoever has read it deletes it.
    """

    name: str
    path: Path
    size: int
    temporary: bool = False

    def forget(self) -> None:
        """Delete it if it is temporary."""
        if self.temporary:
            self.path.unlink(missing_ok=True)


@dataclass(frozen=True)
class Unreadable:
    """A file that is none, and why; an archive counts as a file where it cannot be opened."""

    name: str
    size: int
    reason: str
    detail: str


Item = Found | Unreadable


def unsafe_name(name: str) -> str:
    """Say what is wrong with a relative path; empty if nothing is."""
    if not name or len(name) > _LONGEST_NAME:
        return f"a path of {len(name)} characters"
    if name.startswith("/") or _DRIVE.match(name):
        return "an absolute path"
    if ".." in name.split("/"):
        return "a path that leads outside"
    if any(ord(character) < 32 or 0xD800 <= ord(character) < 0xE000 for character in name):
        return "a path with control characters or of unknown encoding"
    return ""


def is_hidden(name: str) -> bool:
    """Whether a path is left out like hidden files in a folder; macOS adds some to archives."""
    return any(part.startswith(".") or part == "__MACOSX" for part in name.split("/"))


def is_wanted(name: str, include: Sequence[str]) -> bool:
    """Whether one of the patterns matches, or there are none."""
    return not include or matches(name, include)


def matches(name: str, patterns: Sequence[str]) -> bool:
    """Whether one of the patterns matches."""
    return any(fnmatch.fnmatch(name, pattern) for pattern in patterns)


def printable(name: str) -> str:
    """Give a name that can be written as UTF-8 on one line."""
    text = name.encode("utf-8", "backslashreplace").decode()
    return re.sub(r"[\x00-\x1f\x7f]", "\ufffd", text)[:_LONGEST_NAME]
