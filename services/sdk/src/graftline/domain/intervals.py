"""Confidence intervals of shares, computed in one way by all stages that give them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist


@dataclass(frozen=True)
class Interval:
    """A figure with its confidence interval."""

    value: float
    low: float
    high: float


def wilson(successes: float, rows: int, confidence: float) -> Interval:
    """Give a share and Wilson's score interval [Wilson 1927; Brown, Cai and DasGupta 2001].

    It holds at 0 and 1 and for few rows.

    Args:
        successes: How many rows are one; a row may count half. As a half varies less than a yes
            or no, the interval is then rather too wide than too narrow.
        rows: Of how many.
        confidence: The interval's level, between 0 and 1.

    Raises:
        ValueError: There are no rows.
    """
    if rows < 1:
        raise ValueError("no rows")
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    share = successes / rows
    spread = 1 + z * z / rows
    middle = (share + z * z / (2 * rows)) / spread
    half = z / spread * math.sqrt(share * (1 - share) / rows + z * z / (4 * rows * rows))
    low = 0.0 if successes == 0 else max(0.0, middle - half)
    high = 1.0 if successes == rows else min(1.0, middle + half)
    return Interval(share, low, high)
