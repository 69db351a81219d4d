"""What a unit of requests cost, and whether so many of them failed that it must not be kept."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from graftline.errors import TransientError
from graftline.llm.request import LlmFailure

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from graftline.llm.request import Answer
    from graftline.llm.totals import Cost, Totals

_SPENT = ("input_tokens", "output_tokens", "usd")

Costs = dict[str, float | None]
"""Tokens, money and counts of requests, by the names of `Totals`; unknown is None."""

ON_THE_WAY = frozenset(
    {"timeout", "rate-limited", "server-error", "unavailable", "connection", "bad-response"}
)
"""Reasons of failures that are no fault of the row: another time it may well be answered."""


def check_failures(answers: Collection[Answer], max_share: float) -> None:
    """Stop rather than keep a unit that mostly failed: kept, it would never be asked again.

    Args:
        answers: All of one unit.
        max_share: How much of them may have failed on the way.

    Raises:
        TransientError: More did.
    """
    reasons = [answer.reason for answer in answers if isinstance(answer, LlmFailure)]
    failed = Counter(reason for reason in reasons if reason in ON_THE_WAY)
    if failed.total() > max_share * len(answers):
        counts = ", ".join(f"{count} {reason}" for reason, count in failed.most_common())
        raise TransientError(
            f"of {len(answers)} requests of one unit, {failed.total()} failed: {counts}",
            "see to the servers and run the same command again (what was answered is kept), or "
            "raise max_failed_share to keep the step without these answers",
        )


class UnitCosts:
    """Gives each unit what was spent since the one before: together, all of it."""

    def __init__(self) -> None:
        """Begin with nothing spent."""
        self._booked: Costs = {}

    def since(self, totals: Totals) -> Costs:
        """Give what was spent since the last call."""
        now: Costs = {**totals.figures()}
        now |= {name: getattr(totals, name) for name in _SPENT}
        before, self._booked = self._booked, now
        return {name: _apart(value, before.get(name, 0)) for name, value in now.items()}


def add_costs(costs: Iterable[Costs]) -> Costs:
    """Add units' costs up; what one unit does not know, the sum does not."""
    total: Costs = {}
    for cost in costs:
        for name, value in cost.items():
            before = total.get(name, 0)
            total[name] = None if before is None or value is None else before + value
    return total


def of_result(costs: Costs) -> tuple[Cost, dict[str, float]]:
    """Give what a `Result` says of costs, and what of them goes to its figures."""
    tokens = [costs.get(name) for name in ("input_tokens", "output_tokens")]
    read, wrote = (None if count is None else int(count) for count in tokens)
    figures = {n: v for n, v in sorted(costs.items()) if n not in _SPENT and v is not None}
    return {"input_tokens": read, "output_tokens": wrote, "usd": costs.get("usd")}, figures


def _apart(value: float | None, earlier: float | None) -> float | None:
    return None if value is None or earlier is None else value - earlier
