"""Figures of a split from its rows' scores, and the comparison of two roles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from graftline_evaluate import statistics
from graftline_evaluate.scorers.json_task import ACCURACY_SUFFIX, ENTITY_METRICS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from graftline_evaluate.statistics import Bootstrap

_ENTITY_FIGURES: dict[str, Callable[[NDArray[Any]], NDArray[np.float64]]] = {
    "entity_precision": statistics.precision,
    "entity_recall": statistics.recall,
    "entity_f1": statistics.f1,
}
_COLUMNS = {
    "json_validity": "json_valid",
    "schema_compliance": "schema_valid",
    "intent_accuracy": "intent_correct",
    "exact_match": "exact_match",
}


class Summariser:
    """Turns rows (`RowScore.as_row()` with the columns of rows.parquet) into figures.

    Args:
        proportions: The metrics that are shares of rows.
        bootstrap: For everything else.
        confidence: Level of the intervals.
    """

    def __init__(self, proportions: Sequence[str], bootstrap: Bootstrap, confidence: float) -> None:
        """Keep the settings."""
        self._proportions = tuple(proportions)
        self._bootstrap = bootstrap
        self._confidence = confidence

    @property
    def metrics(self) -> tuple[str, ...]:
        """All metrics, in the order of reports."""
        head = [name for name in self._proportions if name in _COLUMNS and name != "exact_match"]
        tail = [name for name in self._proportions if name not in head]
        return (*head, *ENTITY_METRICS, *tail)

    def figures(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
        """Give {metric: {value, low, high, n, method}} of one split; `n` is its rows."""
        totals: NDArray[np.int64] | None = None
        found: dict[str, dict[str, Any]] = {}
        for metric in self.metrics:
            if metric in _ENTITY_FIGURES:
                counts = _entity_counts(rows)
                totals = self._bootstrap.totals(counts) if totals is None else totals
                figure = _ENTITY_FIGURES[metric]
                value = float(figure(counts.sum(axis=0)))
                interval = self._bootstrap.interval(value, figure(totals))
                method = "bootstrap"
            else:
                right = int(_outcomes(rows, metric).sum())
                interval = statistics.wilson(right, len(rows), self._confidence)
                method = "wilson"
            found[metric] = {
                "value": interval.value,
                "low": interval.low,
                "high": interval.high,
                "n": len(rows),
                "method": method,
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
            {metric: {baseline, baseline_variant, adapted, difference, low, high, p_value, method}}.
        """
        found = {}
        for metric in self.metrics:
            figure = _ENTITY_FIGURES.get(metric, _share)
            counts = {name: _counts(rows, metric) for name, rows in variants.items()}
            values = {name: float(figure(part.sum(axis=0))) for name, part in counts.items()}
            best = max(values, key=lambda name: values[name])
            own = _counts(adapted, metric)
            value = float(figure(own.sum(axis=0)))
            pairs = self._bootstrap.totals(np.concatenate([own, counts[best]], axis=1))
            width = own.shape[1]
            differences = figure(pairs[:, :width]) - figure(pairs[:, width:])
            interval = self._bootstrap.interval(value - values[best], differences)
            if metric in _ENTITY_FIGURES:
                p_value, method = self._bootstrap.p_value(differences), "paired bootstrap"
            else:
                p_value = statistics.mcnemar_p_value(own[:, 0] > 0, counts[best][:, 0] > 0)
                method = "mcnemar exact"
            found[metric] = {
                "baseline": values[best],
                "baseline_variant": best,
                "adapted": value,
                "difference": interval.value,
                "low": interval.low,
                "high": interval.high,
                "p_value": p_value,
                "method": method,
            }
        return found


def count_failures(rows: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Count rows by what is wrong with them first, by name."""
    counts: dict[str, int] = {}
    for row in rows:
        if row["failure"]:
            counts[row["failure"]] = counts.get(row["failure"], 0) + 1
    return dict(sorted(counts.items()))


def _counts(rows: Sequence[Mapping[str, Any]], metric: str) -> NDArray[np.int64]:
    if metric in _ENTITY_FIGURES:
        return _entity_counts(rows)
    outcomes = _outcomes(rows, metric)
    return np.stack([outcomes, np.ones_like(outcomes)], axis=1)


def _entity_counts(rows: Sequence[Mapping[str, Any]]) -> NDArray[np.int64]:
    return np.array([[row["entity_tp"], row["entity_fp"], row["entity_fn"]] for row in rows])


def _outcomes(rows: Sequence[Mapping[str, Any]], metric: str) -> NDArray[np.int64]:
    column = _COLUMNS.get(metric)
    if column:
        return np.array([int(row[column]) for row in rows])
    name = metric.removesuffix(ACCURACY_SUFFIX)
    return np.array([int(row["fields"][name]) for row in rows])


def _share(totals: NDArray[Any]) -> NDArray[np.float64]:
    share: NDArray[np.float64] = totals[..., 0] / totals[..., 1]
    return share
