"""How long the rows of a training set are."""

from __future__ import annotations

from collections import Counter
from typing import Any

_MOST_BARS = 32
_NARROWEST = 8


class TokenStatistics:
    """Counts rows by length, so that its memory does not grow with their number."""

    def __init__(self) -> None:
        """Begin with no rows."""
        self._lengths: Counter[int] = Counter()
        self._rows: Counter[str] = Counter()
        self.learned = 0

    @property
    def rows(self) -> int:
        """Count all rows."""
        return sum(self._rows.values())

    @property
    def total(self) -> int:
        """Count all tokens."""
        return sum(length * count for length, count in self._lengths.items())

    def add(self, split: str, tokens: int, learned: int) -> None:
        """Count one row."""
        self._rows[split] += 1
        self._lengths[tokens] += 1
        self.learned += learned

    def summary(self) -> dict[str, Any]:
        """Give rows by split, the tokens' distribution, and a histogram (`to` is exclusive).

        Percentiles are nearest-rank. There must be a row.
        """
        return {
            "rows": dict(sorted(self._rows.items())),
            "tokens": {
                "min": min(self._lengths),
                "mean": round(self.total / self.rows, 3),
                "p50": self._percentile(50),
                "p95": self._percentile(95),
                "p99": self._percentile(99),
                "max": max(self._lengths),
                "total": self.total,
                "learned": self.learned,
            },
            "histogram": self._histogram(),
        }

    def _percentile(self, percent: int) -> int:
        rank = -(-self.rows * percent // 100)
        seen = 0
        for length in sorted(self._lengths):
            seen += self._lengths[length]
            if seen >= rank:
                return length
        return 0

    def _histogram(self) -> list[dict[str, int]]:
        width = _NARROWEST
        while max(self._lengths) // width >= _MOST_BARS:
            width *= 2
        bars: Counter[int] = Counter()
        for length, count in self._lengths.items():
            bars[length // width] += count
        return [
            {"from": bar * width, "to": (bar + 1) * width, "rows": bars[bar]}
            for bar in range(min(bars), max(bars) + 1)
        ]
