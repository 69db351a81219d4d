"""What is measured of scored rows: numbers of each row, summed up, and made into a figure.

A metric is a figure of sums over rows: a share is right rows over rows, an F1 comes of hits and
misses, a perplexity of log probabilities and tokens. So one bootstrap over rows serves them all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

_LARGEST_EXPONENT = float(np.log(np.finfo(np.float64).max))


@dataclass(frozen=True)
class Measure:
    """One metric.

    Args:
        name: As in metrics.json.
        counts: Gives a row's numbers, which are summed over rows.
        figure: Makes sums, of shape (…, numbers), into figures of shape (…).
        yes_or_no: The figure is a share of rows, a row's numbers being (0 or 1, 1): it gets
            Wilson's interval and McNemar's test in place of the bootstrap's.
        lower_is_better: As of a perplexity.
    """

    name: str
    counts: Callable[[Mapping[str, Any]], tuple[float, ...]]
    figure: Callable[[NDArray[Any]], NDArray[np.float64]]
    yes_or_no: bool = False
    lower_is_better: bool = False


def share(name: str, holds: Callable[[Mapping[str, Any]], bool]) -> Measure:
    """Measure the share of rows for which something holds."""
    return Measure(name, lambda row: (int(holds(row)), 1), quotient, yes_or_no=True)


def mean(name: str, column: str) -> Measure:
    """Measure the mean of a column."""
    return Measure(name, lambda row: (float(row[column]), 1.0), quotient)


def perplexity(name: str, nats: str, tokens: str) -> Measure:
    """Measure exp(negative log probability a token): the mean is over tokens, not over rows.

    Args:
        name: As in metrics.json.
        nats: The column of a row's summed negative log probability, in nats.
        tokens: The column of the tokens that it sums over.
    """
    return Measure(
        name,
        lambda row: (float(row[nats]), float(row[tokens])),
        lambda totals: np.exp(np.minimum(quotient(totals), _LARGEST_EXPONENT)),
        lower_is_better=True,
    )


def quotient(totals: NDArray[Any]) -> NDArray[np.float64]:
    """Divide the first number by the second."""
    found: NDArray[np.float64] = totals[..., 0] / totals[..., 1]
    return found
