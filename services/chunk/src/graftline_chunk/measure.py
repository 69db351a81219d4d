"""How long a stretch of text is: in characters, or in tokens that were made once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Measure(Protocol):
    """Lengths in one unit."""

    def count(self, start: int, end: int) -> int:
        """Count the units that lie, even in part, in characters [start, end)."""

    def reach(self, start: int, units: int) -> int:
        """Give the last end for which `count(start, end) <= units`."""

    def reach_back(self, end: int, units: int) -> int:
        """Give the first start for which `count(start, end) <= units`."""


class Characters:
    """Lengths in characters.

    Args:
        length: How many the text has.
    """

    def __init__(self, length: int) -> None:
        """Keep it."""
        self._length = length

    def count(self, start: int, end: int) -> int:
        """Count the characters of [start, end)."""
        return end - start

    def reach(self, start: int, units: int) -> int:
        """Give the end of the stretch from `start` on."""
        return min(start + units, self._length)

    def reach_back(self, end: int, units: int) -> int:
        """Give the start of the stretch up to `end`."""
        return max(end - units, 0)


class Tokens:
    """Lengths in tokens of the whole text.

    Args:
        starts: Where each token begins, in characters, ascending.
        ends: Where each token ends, ascending.
        length: How many characters the text has.
    """

    def __init__(self, starts: NDArray[np.int64], ends: NDArray[np.int64], length: int) -> None:
        """Keep them."""
        self._starts = starts
        self._ends = ends
        self._length = length

    def count(self, start: int, end: int) -> int:
        """Count the tokens that lie, even in part, in [start, end)."""
        first = np.searchsorted(self._ends, start, "right")
        return max(int(np.searchsorted(self._starts, end, "left") - first), 0)

    def reach(self, start: int, units: int) -> int:
        """Give the end of the stretch from `start` on; between two tokens."""
        following = int(np.searchsorted(self._ends, start, "right")) + units
        return int(self._starts[following]) if following < len(self._starts) else self._length

    def reach_back(self, end: int, units: int) -> int:
        """Give the start of the stretch up to `end`; between two tokens."""
        before = int(np.searchsorted(self._starts, end, "left")) - units - 1
        return int(self._ends[before]) if before >= 0 else 0
