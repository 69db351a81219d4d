"""Is a question nearly one that came before? In linear time, by hashing."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from graftline.domain.spelling import letters

if TYPE_CHECKING:
    from graftline_judge.config import Duplicates

_PIECE = 3
_BINS = 24
_BAND = 3


class NearDuplicates:
    """Finds for each question an earlier one that is nearly the same.

    A question is the set of its 3-character pieces. Its signature is the smallest hash in each of
    24 bins (one-permutation hashing, Li, Owen, Zhang 2012; empty bins borrow from the next), cut
    into 8 bands of 3. Of the questions that share a band, the first one is compared exactly, so
    that a row costs at most eight comparisons, however many rows there are; two questions of which
    70 % is common share a band with a probability of 96 %. About a kilobyte a row is kept.

    Args:
        settings: From which share of common pieces two questions are one.
    """

    def __init__(self, settings: Duplicates) -> None:
        """Begin with none."""
        self._similarity = settings.similarity
        self._questions: list[tuple[str, str]] = []
        self._first: dict[bytes, int] = {}

    def check(self, id_: str, question: str) -> dict[str, Any]:
        """Look a row up, and remember it.

        Returns:
            `of`: the id of the earlier row, or null, and their `similarity`.
        """
        text = letters(question)
        pieces = _pieces(text)
        if not pieces:
            return {"passed": None, "of": None, "similarity": None}
        here = len(self._questions)
        self._questions.append((id_, text))
        best, similarity = here, 0.0
        for number in sorted({self._first.setdefault(key, here) for key in _bands(pieces)}):
            if number != here:
                common = _similarity(pieces, _pieces(self._questions[number][1]))
                if common > similarity:
                    best, similarity = number, common
        if similarity < self._similarity:
            return {"passed": True, "of": None, "similarity": None}
        return {
            "passed": False,
            "of": self._questions[best][0],
            "similarity": round(similarity, 3),
        }


def _pieces(text: str) -> set[str]:
    if not text:
        return set()
    return {text[at : at + _PIECE] for at in range(max(len(text) - _PIECE + 1, 1))}


def _similarity(one: set[str], other: set[str]) -> float:
    common = len(one & other)
    return common / (len(one) + len(other) - common)


def _bands(pieces: set[str]) -> list[bytes]:
    """Give the keys of a set's bands."""
    smallest: list[int | None] = [None] * _BINS
    for piece in pieces:
        value = int.from_bytes(blake2b(piece.encode(), digest_size=6).digest(), "big")
        bin_, value = value % _BINS, value // _BINS
        held = smallest[bin_]
        smallest[bin_] = value if held is None else min(held, value)
    filled = [_borrowed(smallest, bin_) for bin_ in range(_BINS)]
    return [
        blake2b(repr((at, filled[at : at + _BAND])).encode(), digest_size=8).digest()
        for at in range(0, _BINS, _BAND)
    ]


def _borrowed(smallest: list[int | None], bin_: int) -> tuple[int, int]:
    """Give a bin's value, or that of the next full one, with the distance to it."""
    for distance in range(_BINS):
        value = smallest[(bin_ + distance) % _BINS]
        if value is not None:
            return distance, value
    return _BINS, 0
