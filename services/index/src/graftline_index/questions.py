"""What may be asked, and how an answer fails.

GraftlineError
├── BadQuestion   INVALID_ARGUMENT     what is asked cannot be meant
├── Absent        NOT_FOUND            the store holds no such manifest
└── TooMuch       RESOURCE_EXHAUSTED   the answer, or the queue for one, would be too long
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING

from graftline.canonical import sha256_bytes
from graftline.errors import ConfigError, DataError, TransientError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MAX_KEYS = 1_000
MAX_STAGES = 100
DEFAULT_PAGE = 100
MAX_PAGE = 1_000

_KEY = re.compile(r"[0-9a-f]{64}")
_TOKEN_VERSION = "1"
_SHOWN = 80


class BadQuestion(ConfigError):
    """What a client asks cannot be meant."""


class Absent(DataError):
    """The store holds no manifest under a key."""


class TooMuch(TransientError):
    """The answer would be too long, or too many wait for one."""


def is_key(text: str) -> bool:
    """Whether a text has the form of a step's key."""
    return _KEY.fullmatch(text) is not None


def one_key(text: str) -> str:
    """Give back a key.

    Raises:
        BadQuestion: It is none.
    """
    if not is_key(text):
        shown = repr(text[:_SHOWN]) if text else "empty"
        raise BadQuestion(f"key {shown}: a key has 64 hexadecimal digits, in lower case")
    return text


def many_keys(texts: Iterable[str]) -> list[str]:
    """Give back keys, each once, in order.

    Raises:
        BadQuestion: One is none, or there are too many.
    """
    keys = list(dict.fromkeys(texts))
    if len(keys) > MAX_KEYS:
        raise BadQuestion(f"{len(keys):,} keys: at most {MAX_KEYS:,} can be asked for at once")
    return [one_key(key) for key in keys]


def page_size(asked: int) -> int:
    """Give the size of a page: 100 if none is asked for, never more than 1,000."""
    return min(asked or DEFAULT_PAGE, MAX_PAGE)


def stage_filter(stages: Sequence[str]) -> frozenset[str]:
    """Give the stages to list, none for all.

    Raises:
        BadQuestion: There are too many.
    """
    if len(stages) > MAX_STAGES:
        raise BadQuestion(f"{len(stages):,} stages: at most {MAX_STAGES} can be asked for")
    return frozenset(stages)


def make_token(after: str, stages: frozenset[str]) -> str:
    """Give the token of the page that begins after a name, for the same stages.

    It says where to go on, not what was there: it stays good while steps come and go, and on
    another replica.
    """
    text = f"{_TOKEN_VERSION}:{_mark(stages)}:{after}"
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read_token(token: str, stages: frozenset[str]) -> str:
    """Give the name after which a page begins; empty for the first.

    Raises:
        BadQuestion: It is no token of ours, or one of a list of other stages.
    """
    if not token:
        return ""
    try:
        padded = token + "=" * (-len(token) % 4)
        text = base64.b64decode(padded, altchars=b"-_", validate=True).decode()
        version, mark, after = text.split(":", 2)
    except (binascii.Error, ValueError) as error:
        raise BadQuestion(f"page token {token[:_SHOWN]!r} is not one that was given") from error
    if version != _TOKEN_VERSION or not after:
        raise BadQuestion(f"page token {token[:_SHOWN]!r} is not one that was given")
    if mark != _mark(stages):
        raise BadQuestion("the page token belongs to a list of other stages")
    return after


def _mark(stages: frozenset[str]) -> str:
    return sha256_bytes("\n".join(sorted(stages)).encode())[:8]
