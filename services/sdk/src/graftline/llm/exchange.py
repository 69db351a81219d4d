"""What became of the exchanges with a model for one request, and the answer they make."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from graftline.domain.answers import Reading
from graftline.llm.request import LlmFailure, LlmReply
from graftline.llm.totals import Spending
from graftline.llm.wire import Said

if TYPE_CHECKING:
    from collections.abc import Iterable

    from graftline.llm.request import Answer, LlmRequest


@dataclass(frozen=True)
class Exchange:
    """One request that was answered, now or before, or that failed on the way.

    `cached` says that its account has paid nothing for it.
    """

    said: Said
    reading: Reading
    cached: bool
    attempts: int = 0
    usd: float | None = 0.0
    failure: LlmFailure | None = None
    paid_by: str = ""


def spending_on(request: LlmRequest, said: Said) -> Spending:
    """Give what an answer took; the most that it may have taken where that is not said."""
    if said.input_tokens is None or said.output_tokens is None:
        return Spending(request.most_input_tokens, request.max_tokens)
    return Spending(said.input_tokens, said.output_tokens)


def failed(failure: LlmFailure, attempts: int) -> Exchange:
    """Give the exchange in which nothing was said."""
    return Exchange(
        Said("", "stop", None, None), Reading(""), cached=False, attempts=attempts, failure=failure
    )


def conclude(exchanges: list[Exchange]) -> Answer:
    """Make the answer of what was said; the last exchange decides."""
    last = exchanges[-1]
    attempts = sum(exchange.attempts for exchange in exchanges)
    cached = all(exchange.cached for exchange in exchanges)
    if last.failure is not None:
        return replace(last.failure, attempts=attempts)
    problem = last.reading.problem
    if problem is not None:
        return LlmFailure(problem.reason, problem.detail, last.said.text, cached, attempts)
    return LlmReply(
        text=last.reading.text,
        data=last.reading.data,
        raw=last.said.text,
        input_tokens=_sum(exchange.said.input_tokens for exchange in exchanges),
        output_tokens=_sum(exchange.said.output_tokens for exchange in exchanges),
        usd=_sum(exchange.usd for exchange in exchanges),
        cached=cached,
        attempts=attempts,
        repaired=last.reading.repaired,
        corrected=len(exchanges) - 1,
    )


NumberT = TypeVar("NumberT", int, float)


def _sum(values: Iterable[NumberT | None]) -> NumberT | None:
    """Add up; one unknown makes the sum unknown."""
    known = list(values)
    return None if None in known else sum(value for value in known if value is not None)
