"""The accounts of a run of requests."""

from __future__ import annotations

from dataclasses import dataclass, field
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


@dataclass(frozen=True)
class Spending:
    """Tokens as a budget counts them: the most that it may have been where a server did not say."""

    input_tokens: int = 0
    output_tokens: int = 0

    @property
    def tokens(self) -> int:
        """Read and written together."""
        return self.input_tokens + self.output_tokens

    def __add__(self, other: Spending) -> Spending:
        """Add up."""
        return Spending(
            self.input_tokens + other.input_tokens, self.output_tokens + other.output_tokens
        )

    def __sub__(self, other: Spending) -> Spending:
        """Take away."""
        return Spending(
            self.input_tokens - other.input_tokens, self.output_tokens - other.output_tokens
        )


@dataclass(eq=False)
class Account:
    """Who pays for requests, and what that comes to.

    Its name is kept beside the answers that it paid for. A later attempt that finds one under the
    same name books it as if it had just been given: what was paid is in the accounts once, however
    often the process was killed in between. Answers that another account paid for cost nothing.

    Args:
        name: The same in all attempts, and nobody else's (the step's key and the unit); without
            one, only what is asked now is booked.
    """

    name: str = ""
    totals: Totals = field(default_factory=Totals)
    spending: Spending = Spending()
    _booked: set[str] = field(default_factory=set)

    def asked(self, key: str) -> None:
        """Learn that a request was answered now, and is booked."""
        if self.name:
            self._booked.add(key)

    def books(self, key: str, paid_by: str) -> bool:
        """Whether an answer that is kept is to be booked; it then counts as booked."""
        if not self.name or paid_by != self.name or key in self._booked:
            return False
        self._booked.add(key)
        return True


def _sum(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else one + other
