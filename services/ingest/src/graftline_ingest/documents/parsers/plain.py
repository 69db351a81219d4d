"""Plain text: paragraphs between blank lines."""

from __future__ import annotations

import re

from graftline.domain.blocks import Block

_NEWLINE = re.compile(r"\r\n?|\n")


def parse_plain(text: str) -> list[Block]:
    """Find a text's paragraphs."""
    blocks: list[Block] = []
    at = start = 0
    filled = False  # whether the paragraph that begins at `start` has a line with text
    ends = [match.span() for match in _NEWLINE.finditer(text)]
    for end, following in [*ends, (len(text), len(text))]:
        blank = not text[at:end].strip()
        if blank and filled:
            blocks.append(_paragraph(text, start, at))
        if blank:
            start = following
        filled = not blank
        at = following
    if filled:
        blocks.append(_paragraph(text, start, len(text)))
    return blocks


def _paragraph(text: str, start: int, end: int) -> Block:
    return Block("paragraph", 0, start, start + len(text[start:end].rstrip()))
