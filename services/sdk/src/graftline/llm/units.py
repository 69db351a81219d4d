"""What a unit of requests cost, and whether so many of them failed that it must not be kept."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from graftline.errors import TransientError
from graftline.llm.request import LlmFailure
from graftline.llm.totals import Spending

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from graftline.llm.request import Answer
    from graftline.llm.totals import Account, Cost

_SPENT = ("input_tokens", "output_tokens", "usd")
_BUDGETED = ("budgeted_input_tokens", "budgeted_output_tokens")

Costs = dict[str, float | None]
"""Tokens, money and counts of requests, by the names of `Totals`, and what a budget counts of them;
unknown is None."""

ON_THE_WAY = frozenset(
    {"timeout", "rate-limited", "server-error", "unavailable", "connection", "bad-response"}
)
"""Reasons of failures that are no fault of the row: another time it may well be answered."""


def check_failures(answers: Collection[Answer], max_share: float) -> None:
    """Stop rather than keep a unit that failed: kept, it would never be asked again.

    One answer may always fail, unless none may: what a server cannot answer at all must not hold
    up the rest of a small unit.

    Args:
        answers: All of one unit.
        max_share: How much of them may have failed on the way.

    Raises:
        TransientError: More did.
    """
    reasons = [answer.reason for answer in answers if isinstance(answer, LlmFailure)]
    failed = Counter(reason for reason in reasons if reason in ON_THE_WAY)
    allowed = max(1.0, max_share * len(answers)) if max_share else 0.0
    if failed.total() > allowed:
        counts = ", ".join(f"{count} {reason}" for reason, count in failed.most_common())
        raise TransientError(
            f"of {len(answers)} requests of one unit, {failed.total()} failed: {counts}",
            "see to the servers and run the same command again (what was answered is kept), or "
            "raise max_failed_share to keep the step without these answers",
        )


def costs_of(account: Account) -> Costs:
    """Give what a unit's account comes to."""
    costs: Costs = {**account.totals.figures()}
    costs |= {name: getattr(account.totals, name) for name in _SPENT}
    budgeted = (account.spending.input_tokens, account.spending.output_tokens)
    return costs | dict(zip(_BUDGETED, budgeted, strict=True))


def spending_of(costs: Costs) -> Spending:
    """Give what a budget counts of a unit's costs."""
    return Spending(*(int(costs[name] or 0) for name in _BUDGETED))


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
    apart = (*_SPENT, *_BUDGETED)
    figures = {n: v for n, v in sorted(costs.items()) if n not in apart and v is not None}
    return {"input_tokens": read, "output_tokens": wrote, "usd": costs.get("usd")}, figures
