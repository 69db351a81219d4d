"""What kind of figure a metric is, by what `metrics.json` says of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def are_shares(figures: Iterable[Mapping[str, Any]]) -> bool:
    """Whether a metric's figures are shares, which people read in per cent; a perplexity is none.

    Args:
        figures: All that is known of one metric, as `{value, low, high, lower_is_better}`; ends of
            an interval may be missing.
    """
    return all(
        not found.get("lower_is_better")
        and all(
            0 <= found[name] <= 1 for name in ("value", "low", "high") if _is_known(found, name)
        )
        for found in figures
    )


def _is_known(found: Mapping[str, Any], name: str) -> bool:
    return isinstance(found.get(name), int | float)
