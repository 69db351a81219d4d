"""Runs of n words as 64-bit numbers, for all texts of a batch at once.

A text's polynomial hash over its bytes, modulo 2^64, gives the hash of every part of it by one
subtraction: `(H[end] - H[start]) * base^-start` (Rabin and Karp 1987; the base is odd, so that it
has an inverse). A last mixing step (SplitMix64, Steele et al. 2014) spreads the low bits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from graftline_curate.normal_form import Spans

Hashes = np.ndarray[tuple[int], np.dtype[np.uint64]]
Numbers = np.ndarray[tuple[int], np.dtype[np.int64]]

_BASE = 0x9E3779B97F4A7C15
_INVERSE = pow(_BASE, -1, 1 << 64)
_SPACE = 32
_SLICE_BYTES = 1 << 20
_TABLE_BITS = 24


@dataclass(frozen=True)
class NGrams:
    """The n-grams of some texts: hash, text, and the span of words in the texts' buffer."""

    hashes: Hashes
    rows: Numbers
    starts: Numbers
    ends: Numbers


class NGramHasher:
    """Hashes every run of n words.

    Args:
        words: How many words in a row.
    """

    def __init__(self, words: int) -> None:
        """Begin with tables for slices of a MiB."""
        self._words = words
        self._powers = _powers(_BASE, _SLICE_BYTES + 1)
        self._inverses = _powers(_INVERSE, _SLICE_BYTES + 1)

    def slices(self, spans: Spans) -> list[slice]:
        """Cut texts into slices of about a MiB, a longer text alone, to bound memory."""
        edges = [0]
        begin = 0
        for index, end in enumerate(spans.ends.tolist()):
            if end - begin > _SLICE_BYTES and index > edges[-1]:
                edges.append(index)
                begin = int(spans.starts[index])
        edges.append(len(spans.ends))
        return [slice(a, b) for a, b in zip(edges, edges[1:], strict=False) if b > a]

    def hash(self, spans: Spans, chosen: slice) -> NGrams:
        """Hash the n-grams of some texts in the form `words`."""
        first, last = int(spans.starts[chosen.start]), int(spans.ends[chosen.stop - 1])
        data = spans.data[first:last]
        self._grow(len(data) + 1)
        sums = np.zeros(len(data) + 1, np.uint64)
        np.cumsum(data.astype(np.uint64) * self._powers[: len(data)], out=sums[1:])
        starts, ends, rows = _words(data, spans.starts[chosen] - first, spans.ends[chosen] - first)
        count = len(starts) - self._words + 1
        if count <= 0:
            return NGrams(*(np.zeros(0, kind) for kind in (np.uint64, *[np.int64] * 3)))  # type: ignore[arg-type]
        begin, end = starts[:count], ends[self._words - 1 :]
        inside = rows[:count] == rows[self._words - 1 :]
        begin, end, row = begin[inside], end[inside], rows[:count][inside]
        hashes = _mix((sums[end] - sums[begin]) * self._inverses[begin])
        return NGrams(hashes, row + chosen.start, begin + first, end + first)

    def _grow(self, size: int) -> None:
        if size > len(self._powers):
            self._powers = _powers(_BASE, size)
            self._inverses = _powers(_INVERSE, size)


class NGramIndex:
    """A set of n-grams, each with the text that it comes from.

    Takes 12 bytes an n-gram and 16 MiB.

    Args:
        hashes: N-grams of all texts.
        texts: The number of the text of each.
        common_above: N-grams of more texts than this are left out.
    """

    def __init__(self, hashes: Hashes, texts: Numbers, common_above: int) -> None:
        """Sort, and leave the common ones out."""
        order = np.lexsort((texts, hashes))
        hashes, texts = hashes[order], texts[order]
        fresh = np.ones(len(hashes), np.bool_)
        fresh[1:] = (hashes[1:] != hashes[:-1]) | (texts[1:] != texts[:-1])
        hashes, texts = hashes[fresh], texts[fresh]
        unique, first, counts = np.unique(hashes, return_index=True, return_counts=True)
        rare = counts <= common_above
        self.common = int((~rare).sum())
        self._hashes: Hashes = unique[rare]
        self._texts = texts[first[rare]].astype(np.int32)
        self._present = np.zeros(1 << _TABLE_BITS, np.bool_)
        self._present[self._hashes >> np.uint64(64 - _TABLE_BITS)] = True

    def find(self, hashes: Hashes) -> tuple[Numbers, Numbers]:
        """Give the positions of n-grams that are in the set, and the text of each."""
        maybe = np.flatnonzero(self._present[hashes >> np.uint64(64 - _TABLE_BITS)])
        place = np.searchsorted(self._hashes, hashes[maybe])
        place = np.minimum(place, max(len(self._hashes) - 1, 0))
        found = self._hashes[place] == hashes[maybe] if len(self._hashes) else np.zeros(0, bool)
        return maybe[found], self._texts[place[found]].astype(np.int64)


def _words(data: Any, starts: Numbers, ends: Numbers) -> tuple[Numbers, Numbers, Numbers]:
    """Give start, end and text of every word; words are parted by one space or a text's end."""
    spaces = np.flatnonzero(data == _SPACE)
    filled = np.flatnonzero(ends > starts)
    row_of_space = np.searchsorted(starts, spaces, side="right") - 1
    # A space that ends a text's bytes without belonging to its span parts no words.
    within = spaces < ends[row_of_space]
    spaces, row_of_space = spaces[within], row_of_space[within]
    begins = np.concatenate([starts[filled], spaces + 1])
    stops = np.concatenate([spaces, ends[filled]])
    rows = np.concatenate([filled, row_of_space])
    order = np.argsort(begins, kind="stable")
    return begins[order], np.sort(stops), rows[order]


def _powers(base: int, size: int) -> Hashes:
    factors = np.full(size, base, np.uint64)
    factors[0] = 1
    return np.cumprod(factors, dtype=np.uint64)


def _mix(values: Hashes) -> Hashes:
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
