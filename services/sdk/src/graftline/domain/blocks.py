"""The structure of a document's text: blocks of characters; light enough for any process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

if TYPE_CHECKING:
    from collections.abc import Sequence

BlockKind = Literal["heading", "paragraph", "list", "table", "code", "quote", "page"]
BLOCK_KINDS: tuple[str, ...] = get_args(BlockKind)


class Block(NamedTuple):
    """A part of a document's structure.

    Blocks stand in order, do not overlap, and hold every character that is not white space.

    Args:
        kind: One of `BLOCK_KINDS`; a block of kind `page` is empty and marks where the page begins.
        level: A heading's (1 to 6), the depth of a list or quote, a page's number; else 0.
        start: Its first character.
        end: Behind its last character.
    """

    kind: str
    level: int
    start: int
    end: int


def heading_text(raw: str) -> str:
    """Give a heading's words: without the `#`s around them or the line beneath them."""
    lines = raw.strip().replace("\r", "\n").split("\n")
    first = lines[0].strip()
    words = first.lstrip("#")
    if len(first) > len(words) and (not words or words[0] in " \t"):
        words = words.strip()
        open_end = words.rstrip("#")
        return open_end.rstrip() if not open_end or open_end[-1] in " \t" else words
    if len(lines) > 1 and not lines[-1].strip(" \t=-"):
        lines = lines[:-1]
    return " ".join(line.strip() for line in lines if line.strip())


def blocks_problem(text: str, blocks: Sequence[Block]) -> str:
    """Say how blocks break the law of `Block`; empty if they do not."""
    at = 0
    for number, block in enumerate(blocks):
        where = f"block {number} ({block.kind} [{block.start}, {block.end}))"
        if block.kind not in BLOCK_KINDS:
            return f"{where}: no such kind; allowed: {', '.join(BLOCK_KINDS)}"
        if not at <= block.start <= block.end <= len(text):
            return f"{where}: out of order, overlapping, or beyond {len(text)} characters"
        if text[at : block.start].strip():
            return f"{where}: the text before it, from {at}, is in no block"
        if block.kind == "page" and block.start != block.end:
            return f"{where}: a page mark must be empty"
        at = block.end
    return f"the text from {at} on is in no block" if text[at:].strip() else ""
