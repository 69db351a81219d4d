"""Where a document may be cut, and how well: headings, blocks, sentences, lines, words."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING

from graftline.domain.documents import Block

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_SENTENCE = re.compile(r"""[.!?…]["'”’»)\]*_`]*\s+|[。！？｡]["'”’」』）]*\s*""")
_LINE = re.compile(r"\r\n?|\n")
_BLANK_LINE = re.compile(r"(?:\r\n?|\n)[ \t]*(?:\r\n?|\n)")
_WORD = re.compile(r"\s+")
_JOINERS = "\u200d\ufe0f\ufe0e"
_LONGEST_CLUSTER = 16

WHOLE = ("code", "table")
"""Kinds of blocks that are not cut where that can be avoided."""

PROSE_WORST = 9
"""The last rank that leaves code lines and table rows whole."""

CHARACTER = 12
"""The rank of a cut between two characters of a word."""


class Boundaries:
    """The places where one document may be cut.

    A place is the first character behind a cut. Ranks: 0 a heading (where `headings` are), 1 a
    block, 2 a sentence and 3 a line in the window's second half, 4 the block beneath a heading, 5 a
    sentence, 6 a line, 7 before code or a table that is cut otherwise and need not be, 8 a table's
    row, 9 a word, 10 a line of code, 11 a word in code or a row, 12 a character.

    Args:
        text: The document's text.
        blocks: Its blocks.
        fits: Whether characters [start, end) fit into a chunk.
        headings: Whether headings are better places than other blocks.
    """

    def __init__(
        self,
        text: str,
        blocks: Sequence[Block],
        fits: Callable[[int, int], bool],
        *,
        headings: bool,
    ) -> None:
        """Sort the blocks."""
        self._fits = fits
        self._text = text
        self._blocks = [block for block in blocks if block.start < block.end]
        self._starts = [block.start for block in self._blocks]
        self._headings: list[list[int]] = [[] for _ in range(7)]
        self._plain: list[int] = []
        self._beneath: list[int] = []
        self._all_headings: list[int] = []
        before = ""
        for block in self._blocks:
            if headings and block.kind == "heading":
                self._headings[min(max(block.level, 1), 6)].append(block.start)
                self._all_headings.append(block.start)
            elif before == "heading":
                self._beneath.append(block.start)
            else:
                self._plain.append(block.start)
            before = block.kind

    def begins_section(self, place: int) -> bool:
        """Whether a heading that counts as one begins there."""
        at = bisect_left(self._all_headings, place)
        return at < len(self._all_headings) and self._all_headings[at] == place

    def best(self, fresh: int, low: int, high: int) -> tuple[int, int]:
        """Give the best place to cut, and its rank.

        Args:
            fresh: The chunk's first character that no other chunk has; the place lies behind it.
            low: First place that leaves the chunk large enough.
            high: Last place that leaves it small enough.
        """
        low = low if fresh < low <= high else fresh + 1
        if high <= fresh:
            return fresh + 1, CHARACTER
        for level in range(1, 7):
            if place := _last(self._headings[level], low, high):
                return place, 0
        if place := _last(self._plain, low, high):
            return place, 1
        middle = max(low, (fresh + high + 1) // 2)
        for rank, begin in ((2, middle), (5, low)):
            if place := self._last_within(_SENTENCE, begin, high, whole=False):
                return place, rank
            if place := self._last_within(_LINE, begin, high, whole=False):
                return place, rank + 1
            if rank == 2 and (place := _last(self._beneath, low, high)):
                return place, 4
        if place := self._before_what_fits(fresh, high):
            return place, 7
        for begin in (low, fresh + 1):
            if place := self._last_within(_LINE, begin, high, kinds=("table",)):
                return place, 8
            if place := self._before_row(begin, high):
                return place, 8
        if place := self._last_within(_WORD, low, high, whole=False):
            return place, 9
        for pattern in (_BLANK_LINE, _LINE):
            if place := self._last_within(pattern, low, high, kinds=WHOLE):
                return place, 10
        if place := self._last_within(_WORD, low, high, kinds=WHOLE):
            return place, 11
        return self._between_clusters(fresh, high), CHARACTER

    def first(self, low: int, end: int) -> int:
        """Give the place in [low, end) from which a chunk may repeat what stands before `end`.

        It is `end` if there is none.
        """
        if low >= end:
            return end
        if self._all_headings and (heading := _last(self._all_headings, low, end - 1)):
            return heading
        block = (
            self._starts[at] if (at := bisect_left(self._starts, low)) < len(self._starts) else end
        )
        places = [block, *self._first_within(_SENTENCE, low, end, leave=WHOLE)]
        places += self._first_within(_LINE, low, end, leave=("code",))
        place = min(places)
        if place < end:
            return place
        place = min([end, *self._first_within(_WORD, low, end, leave=WHOLE)])
        if place < end:
            return place
        inside = self._block_at(low)
        return end if inside is not None and inside.kind in WHOLE else low

    def _before_what_fits(self, fresh: int, high: int) -> int:
        """Give the start of the code or table that `high` cuts, if it is no longer than a chunk."""
        block = self._block_at(high)
        if block is None or block.kind not in WHOLE or not fresh < block.start < high:
            return 0
        return block.start if self._fits(block.start, block.end) else 0

    def _before_row(self, low: int, high: int) -> int:
        """Give the start of the table that `high` cuts in its first row."""
        block = self._block_at(high)
        inside = block is not None and block.kind == "table" and low <= block.start < high
        return block.start if block is not None and inside else 0

    def _block_at(self, place: int) -> Block | None:
        at = bisect_right(self._starts, place) - 1
        return self._blocks[at] if at >= 0 and place < self._blocks[at].end else None

    def _last_within(
        self,
        pattern: re.Pattern[str],
        low: int,
        high: int,
        *,
        whole: bool = True,
        kinds: tuple[str, ...] = (),
    ) -> int:
        """Give the last place in [low, high] behind a match inside a block; 0 if none."""
        at = bisect_right(self._starts, high) - 1
        while at >= 0 and self._blocks[at].end > low:
            block = self._blocks[at]
            at -= 1
            if (kinds and block.kind not in kinds) or (not whole and block.kind in WHOLE):
                continue
            begin, end = max(block.start, low - 256), min(block.end, high)
            place = 0
            for match in pattern.finditer(self._text, begin, end):
                if low <= match.end() <= end and match.end() < block.end:
                    place = match.end()
            if place:
                return place
        return 0

    def _first_within(
        self, pattern: re.Pattern[str], low: int, end: int, *, leave: tuple[str, ...]
    ) -> Iterator[int]:
        """Give the first place in [low, end) behind a match inside a block, if there is one."""
        at = max(bisect_right(self._starts, low) - 1, 0)
        for block in self._blocks[at : bisect_left(self._starts, end)]:
            if block.kind in leave:
                continue
            begin = max(block.start, low - 1)
            for match in pattern.finditer(self._text, begin, min(block.end, end)):
                if low <= match.end() < end:
                    yield match.end()
                    return

    def _between_clusters(self, fresh: int, high: int) -> int:
        """Step back from the middle of what readers see as one character."""
        text, place = self._text, high
        while place > fresh + 1 and high - place < _LONGEST_CLUSTER:
            here, before = text[place : place + 1], text[place - 1]
            joined = here and (unicodedata.combining(here) or here in _JOINERS)
            if not joined and before != "\u200d" and not (before == "\r" and here == "\n"):
                return place
            place -= 1
        return high


class Separators:
    """The places behind a separator, for the strategy `character`.

    Args:
        text: The document's text.
        separator: What stands before each place.
    """

    def __init__(self, text: str, separator: str) -> None:
        """Keep both."""
        self._text = text
        self._separator = separator

    def begins_section(self, place: int) -> bool:
        """Nothing does."""
        del place
        return False

    def best(self, fresh: int, low: int, high: int) -> tuple[int, int]:
        """Give the last place behind a separator, or `high`."""
        if high <= fresh:
            return fresh + 1, CHARACTER
        low = low if fresh < low <= high else fresh + 1
        size = len(self._separator)
        found = self._text.rfind(self._separator, max(low - size, 0), high)
        return (found + size, 0) if found >= 0 and found + size >= low else (high, 0)

    def first(self, low: int, end: int) -> int:
        """Give `low`: as much is repeated as may be."""
        return min(low, end)


def _last(places: list[int], low: int, high: int) -> int:
    """Give the last of sorted places in [low, high]; 0 if none (no cut is at 0)."""
    at = bisect_right(places, high) - 1
    return places[at] if at >= 0 and places[at] >= low else 0
