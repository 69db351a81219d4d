"""Figures of a split from its rows' scores, and the comparison of two roles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from graftline.domain.intervals import wilson
from graftline_evaluate import statistics

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from graftline_evaluate.measures import Measure
    from graftline_evaluate.statistics import Bootstrap


class Summariser:
    """Turns rows (with the columns of rows.parquet) into figures.

    Args:
        measures: The metrics, in the order of reports.
        bootstrap: For all that is no share of rows.
        confidence: Level of the intervals.
    """

    def __init__(
        self, measures: Sequence[Measure], bootstrap: Bootstrap, confidence: float
    ) -> None:
        """Keep the settings."""
        self._measures = tuple(measures)
        self._bootstrap = bootstrap
        self._confidence = confidence

    def figures(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
        """Give {metric: {value, low, high, n, method}} of one split; `n` is its rows.

        Where less is better there is `lower_is_better: true` as well.
        """
        totals: dict[Callable[..., Any], NDArray[Any]] = {}
        found: dict[str, dict[str, Any]] = {}
        for measure in self._measures:
            counts = _counts(measure, rows)
            if measure.yes_or_no:
                right = int(counts[:, 0].sum())
                interval = wilson(right, len(rows), self._confidence)
                method = "wilson"
            else:
                if measure.counts not in totals:
                    totals[measure.counts] = self._bootstrap.totals(counts)
                value = float(measure.figure(counts.sum(axis=0)))
                drawn = measure.figure(totals[measure.counts])
                interval = self._bootstrap.interval(value, drawn)
                method = "bootstrap"
            found[measure.name] = {
                "value": interval.value,
                "low": interval.low,
                "high": interval.high,
                "n": len(rows),
                "method": method,
                **_direction(measure),
            }
        return found

    def compare(
        self,
        variants: Mapping[str, Sequence[Mapping[str, Any]]],
        adapted: Sequence[Mapping[str, Any]],
    ) -> dict[str, dict[str, Any]]:
        """Compare the adapted role with the better of the baseline's variants, metric by metric.

        Args:
            variants: The baseline's rows of one split by variant; the first wins ties.
            adapted: The adapted role's rows, in the same order.

        Returns:
            {metric: {baseline, baseline_variant, adapted, difference, low, high, p_value, method}},
            the difference being adapted - baseline; where less is better there is
            `lower_is_better: true` as well.
        """
        found = {}
        for measure in self._measures:
            figure = measure.figure
            counts = {name: _counts(measure, rows) for name, rows in variants.items()}
            values = {name: float(figure(part.sum(axis=0))) for name, part in counts.items()}
            best = (min if measure.lower_is_better else max)(values, key=lambda name: values[name])
            own = _counts(measure, adapted)
            value = float(figure(own.sum(axis=0)))
            pairs = self._bootstrap.totals(np.concatenate([own, counts[best]], axis=1))
            width = own.shape[1]
            differences = figure(pairs[:, :width]) - figure(pairs[:, width:])
            interval = self._bootstrap.interval(value - values[best], differences)
            if measure.yes_or_no:
                p_value = statistics.mcnemar_p_value(own[:, 0] > 0, counts[best][:, 0] > 0)
                method = "mcnemar exact"
            else:
                p_value, method = self._bootstrap.p_value(differences), "paired bootstrap"
            found[measure.name] = {
                "baseline": values[best],
                "baseline_variant": best,
                "adapted": value,
                "difference": interval.value,
                "low": interval.low,
                "high": interval.high,
                "p_value": p_value,
                "method": method,
                **_direction(measure),
            }
        return found


def count_failures(rows: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Count rows by what is wrong with them first, by name."""
    counts: dict[str, int] = {}
    for row in rows:
        if row["failure"]:
            counts[row["failure"]] = counts.get(row["failure"], 0) + 1
    return dict(sorted(counts.items()))


def _counts(measure: Measure, rows: Sequence[Mapping[str, Any]]) -> NDArray[Any]:
    return np.array([measure.counts(row) for row in rows])


def _direction(measure: Measure) -> dict[str, bool]:
    return {"lower_is_better": True} if measure.lower_is_better else {}
