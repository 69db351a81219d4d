"""From a document to the spans of its chunks."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple, Protocol

from graftline_chunk.boundaries import PROSE_WORST

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graftline_chunk.measure import Measure

_WORDS = re.compile(r"\S")


class Span(NamedTuple):
    """Characters [start, end) of a document."""

    start: int
    end: int


class Places(Protocol):
    """Where a document may be cut (`Boundaries`, `Separators`)."""

    def begins_section(self, place: int) -> bool:
        """Whether nothing before this place is to be repeated."""

    def best(self, fresh: int, low: int, high: int) -> tuple[int, int]:
        """Give the best place to cut and its rank, the lower the better."""

    def first(self, low: int, end: int) -> int:
        """Give the first place from which to repeat."""


class Sizes(NamedTuple):
    """The wanted sizes, in the measure's unit; `overlap` and `least` are at most half of `most`."""

    most: int
    overlap: int
    least: int


def cut(text: str, places: Places, measure: Measure, sizes: Sizes) -> Iterator[Span]:
    """Cut a document; its chunks hold every character that is not white space.

    No chunk is longer than `most`, unless one character is. Each begins behind the one before (or
    inside it, for the overlap) and ends behind its end; white space at both ends is left out, but
    for a line's indentation. Time is linear in the text.

    Args:
        text: The document's text.
        places: Where it may be cut.
        measure: How long a stretch of it is.
        sizes: What is wanted.
    """
    total = len(text.rstrip())
    fresh = _next_word(text, 0)
    start = _with_indentation(text, 0, fresh, sizes.most)
    while fresh < total:
        if measure.count(start, total) <= sizes.most:
            yield Span(start, total)
            return
        place, rank = _choose(text, fresh, start, total, places, measure, sizes)
        if start < fresh and rank > PROSE_WORST:
            # Without the repetition, code or a row may stay whole.
            alone = _with_indentation(text, start, fresh, sizes.most)
            if measure.count(alone, total) <= sizes.most:
                yield Span(alone, total)
                return
            other, other_rank = _choose(text, fresh, alone, total, places, measure, sizes)
            if other_rank < rank:
                start, place = alone, other
        end = len(text[start:place].rstrip()) + start
        yield Span(start, end)
        fresh = _next_word(text, place)
        start = _begin(text, Span(start, end), place, fresh, places, measure, sizes)


def _choose(
    text: str, fresh: int, start: int, total: int, places: Places, measure: Measure, sizes: Sizes
) -> tuple[int, int]:
    """Give the place of the next cut, and its rank."""
    # White space behind the last character that fits costs nothing.
    high = _next_word(text, min(measure.reach(start, sizes.most), total))
    low = max(measure.reach(fresh, sizes.least), fresh + 1)
    # What is left for the last chunk should not be too little either.
    rest = measure.reach_back(total, sizes.least)
    if low <= rest < high:
        place, rank = places.best(fresh, low, rest)
        if rank <= PROSE_WORST:
            return place, rank
    return places.best(fresh, low, high)


def _begin(
    text: str,
    before: Span,
    place: int,
    fresh: int,
    places: Places,
    measure: Measure,
    sizes: Sizes,
) -> int:
    """Give the start of the chunk behind a cut."""
    alone = _with_indentation(text, place, fresh, sizes.most)
    if not sizes.overlap or places.begins_section(alone):
        return alone
    low = measure.reach_back(before.end, sizes.overlap)
    low = max(low, before.start + (before.end - before.start) // 2, before.start + 1)
    start = places.first(low, before.end)
    if start >= before.end:
        return alone
    word = _next_word(text, start)
    start = _with_indentation(text, start, word, sizes.overlap)
    # What is repeated must leave room for something new.
    return start if measure.reach(start, sizes.most) > fresh else alone


def _next_word(text: str, place: int) -> int:
    """Give the next character that is not white space; the text's length if none."""
    match = _WORDS.search(text, place)
    return match.start() if match else len(text)


def _with_indentation(text: str, low: int, word: int, most: int) -> int:
    """Give the start of a word's line, if only a little white space stands between and `low`."""
    start = word
    while start > low and text[start - 1] in " \t" and word - start < most // 8:
        start -= 1
    return start if start == 0 or text[start - 1] in "\r\n" else word
