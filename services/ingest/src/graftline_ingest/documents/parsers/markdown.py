"""Markdown: `markdown-it-py` says which lines are what; the text stays as it is."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from markdown_it import MarkdownIt
from mdit_py_plugins.front_matter import front_matter_plugin

from graftline.domain.blocks import Block, heading_text
from graftline_ingest.drafts import Refused

if TYPE_CHECKING:
    from markdown_it.token import Token

# As the parser counts lines.
_NEWLINE = re.compile(r"\r\n?|\n")
_FRONT_TITLE = re.compile(r"^title[ \t]*:([^\r\n]+)", re.MULTILINE)
_MAX_NESTING = 100
_LISTS = ("bullet_list_open", "ordered_list_open")
_LEAVES = {
    "heading_open": "heading",
    "paragraph_open": "paragraph",
    "fence": "code",
    "code_block": "code",
    "html_block": "paragraph",
    "hr": "paragraph",
    "table_open": "table",
    "front_matter": "code",
}


def parse_markdown(text: str, *, front_matter: bool) -> tuple[list[Block], str]:
    """Find a Markdown text's blocks (CommonMark, tables) and its title.

    Args:
        text: The text.
        front_matter: Whether dashes at its top begin front matter, which is then a block of code.

    Raises:
        Refused: The parser cannot read it.
    """
    try:
        tokens = _parser(front_matter).parse(text)
    except RecursionError:
        raise Refused("too-deep", "is nested too deeply") from None
    finder = _Finder(text)
    for token in tokens:
        finder.see(token)
    return finder.finish(), finder.title


def _parser(front_matter: bool) -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"maxNesting": _MAX_NESTING}).enable("table")
    if front_matter:
        parser.use(front_matter_plugin)
    # Blocks are wanted, not what is inside them: five times faster.
    parser.core.ruler.enableOnly(["normalize", "block"])
    return parser


class _Finder:
    """Goes through the parser's tokens and makes flat blocks of whole lines."""

    def __init__(self, text: str) -> None:
        self.title = ""
        self._text = text
        self._starts = [0, *(match.end() for match in _NEWLINE.finditer(text)), len(text)]
        self._blocks: list[Block] = []
        self._line = 0  # up to which lines are in a block
        self._begun: int | None = None  # line of a list item or quote that has no block yet
        self._lists = 0
        self._quotes = 0
        self._within: list[str] = []
        self._title_level = 7

    def see(self, token: Token) -> None:
        kind = token.type
        if kind in _LISTS:
            self._lists += 1
            self._within.append("list")
        elif kind == "blockquote_open":
            self._quotes += 1
            self._within.append("quote")
        elif kind in ("bullet_list_close", "ordered_list_close"):
            self._lists -= 1
            self._within.pop()
        elif kind == "blockquote_close":
            self._quotes -= 1
            self._within.pop()
        if kind in ("list_item_open", "blockquote_open") and token.map and self._begun is None:
            self._begun = token.map[0]
        if kind in _LEAVES and token.map:
            self._leaf(_LEAVES[kind], token, token.map[0], token.map[1])

    def finish(self) -> list[Block]:
        """Give all blocks, the lines of no block as paragraphs."""
        self._fill(len(self._starts) - 1)
        return self._blocks

    def _leaf(self, kind: str, token: Token, first: int, last: int) -> None:
        begun, self._begun = self._begun, None
        first = max(self._line, first if begun is None else min(first, begun))
        level = int(token.tag[1]) if kind == "heading" else 0
        if self._within and kind in ("paragraph", "heading"):
            kind = self._within[-1]
            level = self._lists if kind == "list" else self._quotes
        self._fill(first)
        start, end = self._span(first, min(last, len(self._starts) - 1))
        if start < end:
            self._blocks.append(Block(kind, level, start, end))
            self._look_for_title(token.type, kind, level, start, end)
        self._line = max(self._line, last)

    def _look_for_title(self, token: str, kind: str, level: int, start: int, end: int) -> None:
        if token == "front_matter":
            match = _FRONT_TITLE.search(self._text, start, end)
            if match:
                self.title, self._title_level = match.group(1).strip().strip("\"'"), 0
        elif kind == "heading" and level < self._title_level:
            if self._title_level == 7 or level == 1:
                self.title = heading_text(self._text[start:end])
            self._title_level = min(self._title_level, level)

    def _fill(self, until: int) -> None:
        """Make paragraphs of lines that belong to no block (reference definitions)."""
        first: int | None = None
        for line in range(self._line, until):
            blank = not self._text[self._starts[line] : self._starts[line + 1]].strip()
            if not blank and first is None:
                first = line
            elif blank and first is not None:
                self._blocks.append(Block("paragraph", 0, *self._span(first, line)))
                first = None
        if first is not None:
            self._blocks.append(Block("paragraph", 0, *self._span(first, until)))
        self._line = max(self._line, until)

    def _span(self, first: int, last: int) -> tuple[int, int]:
        """Give the characters of lines [first, last) without white space at the end."""
        start, end = self._starts[first], self._starts[last]
        return start, start + len(self._text[start:end].rstrip())
