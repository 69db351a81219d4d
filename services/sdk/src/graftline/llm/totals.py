"""The accounts of a run of requests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypedDict


class Cost(TypedDict):
    """What a `Result` says of a model's use: `Result(…, **totals.cost())`."""

    input_tokens: int | None
    output_tokens: int | None
    usd: float | None


@dataclass
class Totals:
    """What was asked, and what it took; answers out of the cache took nothing.

    A count that one server does not give makes the sum unknown, never smaller.
    """

    replies: int = 0
    failures: int = 0
    cached: int = 0
    requests: int = 0
    retries: int = 0
    repaired: int = 0
    corrected: int = 0
    input_tokens: int | None = 0
    output_tokens: int | None = 0
    usd: float | None = 0.0

    def add_cost(
        self, input_tokens: int | None, output_tokens: int | None, usd: float | None
    ) -> None:
        """Add what one request took."""
        self.input_tokens = _sum(self.input_tokens, input_tokens)
        self.output_tokens = _sum(self.output_tokens, output_tokens)
        self.usd = None if self.usd is None or usd is None else self.usd + usd

    def cost(self) -> Cost:
        """Give the tokens and the money for the manifest."""
        return {
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            "usd": self.usd,
        }

    def figures(self) -> dict[str, float]:
        """Give the counts for the manifest and the report."""
        return {
            "llm_replies": float(self.replies),
            "llm_failures": float(self.failures),
            "llm_cached": float(self.cached),
            "llm_requests": float(self.requests),
            "llm_retries": float(self.retries),
            "llm_repaired": float(self.repaired),
            "llm_corrected": float(self.corrected),
        }


def _sum(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else one + other
