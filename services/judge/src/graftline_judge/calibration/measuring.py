"""How well a judge tells true answers from wrong ones: the area under its ROC curve.

The AUC is the chance that a true answer is scored above a wrong one, where equal scores count half:
the statistic of Mann and Whitney (1947) over all pairs of the two, divided by their number. Its
interval is the percentile bootstrap's over rows [Efron and Tibshirani 1993, chapter 13]: a row is
drawn with both of its scores, since they share question and source.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

Worth = Literal["better-than-chance", "chance", "worse-than-chance"]

LEAST_ROWS = 20
"""Of fewer rows nothing is concluded: the bootstrap knows no row that it has not seen."""

CONFIDENCE = 0.95
_SAMPLES = 2000
_DRAWN_AT_ONCE = 1 << 20


def measure(scored: Sequence[tuple[float | None, float | None]], seed: int) -> dict[str, Any]:
    """Compare the scores of true and of wrong answers.

    Args:
        scored: Of each row the overall of its own and of the wrong answer; null if not judged.
        seed: Of the bootstrap.

    Returns:
        `rows`, `judged_pairs` (rows of which both are judged; all else is about these),
        `unjudged`, `auc`, `interval` (`low`, `high`), `mean_true`, `mean_shuffled`, `worth` and
        `text`; null where there is nothing to say.
    """
    both = [(true, wrong) for true, wrong in scored if true is not None and wrong is not None]
    found: dict[str, Any] = {
        "rows": len(scored),
        "judged_pairs": len(both),
        "unjudged": len(scored) - len(both),
        **dict.fromkeys(("auc", "interval", "mean_true", "mean_shuffled", "worth")),
    }
    if both:
        # Scores as numbers from 0 on: only their order counts.
        values, flat = np.unique(np.array(both, dtype=np.float64), return_inverse=True)
        levels = flat.reshape(len(both), 2)
        auc = float(_areas(levels[None], len(values))[0])
        low, high = _interval(levels, len(values), seed)
        true, wrong = np.mean(np.array(both, dtype=np.float64), axis=0)
        found |= {
            "auc": round(auc, 4),
            "interval": {"low": round(low, 4), "high": round(high, 4)},
            "mean_true": round(float(true), 4),
            "mean_shuffled": round(float(wrong), 4),
            "worth": _worth(low, high) if len(both) >= LEAST_ROWS else None,
        }
    return found | {"text": _text(found)}


def _interval(levels: NDArray[np.intp], count: int, seed: int) -> tuple[float, float]:
    generator = np.random.Generator(np.random.PCG64(seed))
    rows = len(levels)
    at_once = max(1, _DRAWN_AT_ONCE // (rows + count))
    areas = [
        _areas(levels[generator.integers(0, rows, (min(at_once, _SAMPLES - start), rows))], count)
        for start in range(0, _SAMPLES, at_once)
    ]
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(np.concatenate(areas), (tail, 1 - tail))
    return float(low), float(high)


def _areas(drawn: NDArray[np.intp], count: int) -> NDArray[np.float64]:
    """Give the AUC of each sample.

    Args:
        drawn: Levels of shape (samples, rows, true and wrong).
        count: How many levels there are.
    """
    samples, rows, _ = drawn.shape
    place = np.arange(samples)[:, None] * count

    def counted(levels: NDArray[np.intp]) -> NDArray[np.intp]:
        flat = np.bincount((place + levels).ravel(), minlength=samples * count)
        return flat.reshape(samples, count)

    true, wrong = counted(drawn[:, :, 0]), counted(drawn[:, :, 1])
    below = np.cumsum(wrong, axis=1) - wrong
    areas: NDArray[np.float64] = (true * (below + wrong / 2)).sum(axis=1) / rows**2
    return areas


def _worth(low: float, high: float) -> Worth:
    if low > 0.5:
        return "better-than-chance"
    return "worse-than-chance" if high < 0.5 else "chance"


def _text(found: dict[str, Any]) -> str:
    """Say it in one plain sentence."""
    pairs, auc, interval = found["judged_pairs"], found["auc"], found["interval"]
    if auc is None:
        return "Whether this judge is worth anything is not known: it judged no row twice."
    figures = (
        f"AUC {auc:.2f}, {CONFIDENCE:.0%} interval {interval['low']:.2f} to"
        f" {interval['high']:.2f}, {pairs:,} rows"
    )
    match found["worth"]:
        case "better-than-chance":
            return f"This judge tells true answers from wrong ones better than chance ({figures})."
        case "worse-than-chance":
            return f"This judge scores wrong answers above true ones ({figures}): do not use it."
        case "chance":
            return (
                f"This judge is no better than chance at telling true answers from wrong ones"
                f" ({figures}): its scores say nothing."
            )
    return (
        f"Whether this judge is worth anything cannot be said of so few rows ({figures}): at least"
        f" {LEAST_ROWS} are needed."
    )
