"""Which headings and which page a place in a document stands under."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

from graftline.domain.documents import heading_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from graftline.domain.documents import Block

_LONGEST = 300


def label(words: str) -> str:
    """Give a heading or title as every chunk beneath it can hold it: of 300 characters at most.

    A file can call megabytes a heading, which its thousands of chunks would each repeat.
    """
    return words if len(words) <= _LONGEST else f"{words[: _LONGEST - 1]}…"


class Outline:
    """A document's headings and pages by place.

    Args:
        text: The document's text.
        blocks: Its blocks.
    """

    def __init__(self, text: str, blocks: Sequence[Block]) -> None:
        """Follow the headings down."""
        self._places: list[int] = []
        self._paths: list[list[str]] = []
        self._page_places: list[int] = []
        self._pages: list[int] = []
        path: list[tuple[int, str]] = []
        for block in blocks:
            if block.kind == "page":
                self._page_places.append(block.start)
                self._pages.append(block.level)
            if block.kind == "heading":
                path = [item for item in path if item[0] < block.level]
                path.append((block.level, label(heading_text(text[block.start : block.end]))))
                self._places.append(block.start)
                self._paths.append([words for _, words in path if words])

    def path(self, place: int) -> list[str]:
        """Give the headings above a place, outermost first; one that begins there is the last."""
        at = bisect_right(self._places, place) - 1
        return self._paths[at] if at >= 0 else []

    def page(self, place: int) -> int | None:
        """Give the number of a place's page, if the document has pages."""
        at = bisect_right(self._page_places, place) - 1
        return self._pages[at] if at >= 0 else None
