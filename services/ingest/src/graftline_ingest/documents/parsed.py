"""What a parser is asked and what it gives, as both go between two processes."""

from __future__ import annotations

from typing import Any

import msgspec

from graftline.domain.blocks import Block


class Task(msgspec.Struct, frozen=True):
    """A file to parse.

    Args:
        path: Where it is.
        media_type: What it is.
        encoding: `auto` or the name of a text encoding.
        max_text_bytes: Most UTF-8 bytes that its text may have.
        max_pages: Most pages that it may have.
        max_expansion: How many times its size it may unpack to, beyond the first 64 MiB.
    """

    path: str
    media_type: str
    encoding: str
    max_text_bytes: int
    max_pages: int
    max_expansion: int


class Parsed(msgspec.Struct, frozen=True):
    """A document's text and structure (see `graftline.domain.documents`)."""

    text: str
    blocks: list[Block]
    title: str = ""
    meta: dict[str, Any] = {}


class Answer(msgspec.Struct, frozen=True):
    """What became of a task: a document, a reason why not, or a bug's traceback."""

    parsed: Parsed | None = None
    reason: str = ""
    detail: str = ""
    bug: str = ""
