"""Intervals and paired tests.

- Shares of rows: Wilson's score interval (`graftline.domain.intervals`); two roles on the same
  rows: McNemar's exact test.
- Means of scores, perplexities, and entity precision, recall and F1 are ratios of sums over rows:
  the percentile bootstrap over rows [Efron and Tibshirani 1993, chapter 13], and for two roles the
  paired bootstrap, drawing the same rows for both. Where every row agrees (all right), the
  bootstrap's interval has no width; it says nothing of rows that were never seen.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from graftline.domain.intervals import Interval

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

_DRAWN_AT_ONCE = 1 << 20


def mcnemar_p_value(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    """Test whether two series of yes and no on the same rows differ (exact, two-sided).

    Under the null hypothesis the rows that differ fall to either side like a fair coin.
    """
    only_first = int(np.sum(first & ~second))
    only_second = int(np.sum(second & ~first))
    differing = only_first + only_second
    if differing == 0:
        return 1.0
    fewer = min(only_first, only_second)
    tail = sum(math.comb(differing, k) for k in range(fewer + 1))
    p_value: float = min(1.0, 2 * tail / (1 << differing))
    return p_value


class Bootstrap:
    """Draws rows with replacement, always the same for one seed and row count.

    Args:
        samples: How many times.
        seed: Of the draws.
        confidence: The level of the intervals.
    """

    def __init__(self, samples: int, seed: int, confidence: float) -> None:
        """Keep the settings."""
        self._samples = samples
        self._seed = seed
        self._quantiles = (0.5 - confidence / 2, 0.5 + confidence / 2)

    def interval(self, value: float, drawn: NDArray[np.float64]) -> Interval:
        """Give the percentile interval of drawn figures around the observed one."""
        low, high = np.quantile(drawn, self._quantiles)
        return Interval(value, float(low), float(high))

    def totals(self, counts: NDArray[Any]) -> NDArray[Any]:
        """Sum each draw's rows.

        Args:
            counts: Shape (rows, columns), whole numbers or float64.

        Returns:
            Shape (samples, columns).
        """
        return np.concatenate([counts[drawn].sum(axis=1) for drawn in self._draws(len(counts))])

    def p_value(self, differences: NDArray[np.float64]) -> float:
        """Test whether drawn differences lie to both sides of zero (two-sided).

        The usual correction by one draw keeps it above zero [Davison and Hinkley 1997, 4.2].
        """
        below = int(np.sum(differences <= 0)) + 1
        above = int(np.sum(differences >= 0)) + 1
        return min(1.0, 2 * min(below, above) / (len(differences) + 1))

    def _draws(self, rows: int) -> Iterator[NDArray[np.int64]]:
        generator = np.random.Generator(np.random.PCG64(self._seed))
        at_once = max(1, _DRAWN_AT_ONCE // rows)
        for start in range(0, self._samples, at_once):
            count = min(at_once, self._samples - start)
            yield generator.integers(0, rows, size=(count, rows))


def precision(totals: NDArray[Any]) -> NDArray[np.float64]:
    """Give TP / (TP + FP); with nothing found, 1 if there was nothing to find, else 0."""
    found = totals[..., 0] + totals[..., 1]
    return _ratio(totals[..., 0], found, totals[..., 2] == 0)


def recall(totals: NDArray[Any]) -> NDArray[np.float64]:
    """Give TP / (TP + FN); with nothing to find, 1 if nothing was found, else 0."""
    wanted = totals[..., 0] + totals[..., 2]
    return _ratio(totals[..., 0], wanted, totals[..., 1] == 0)


def f1(totals: NDArray[Any]) -> NDArray[np.float64]:
    """Give 2 TP / (2 TP + FP + FN); 1 with nothing to find and nothing found."""
    twice = 2 * totals[..., 0]
    return _ratio(twice, twice + totals[..., 1] + totals[..., 2], np.ones(twice.shape, bool))


def _ratio(
    part: NDArray[Any], whole: NDArray[Any], empty: NDArray[np.bool_]
) -> NDArray[np.float64]:
    return np.where(whole > 0, part / np.maximum(whole, 1), empty.astype(np.float64))
