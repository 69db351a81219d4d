"""The hard budget: what may be spent, what is, and what is held back for requests in flight."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from graftline.errors import ConfigError
from graftline.llm.errors import BudgetSpent

if TYPE_CHECKING:
    from graftline.llm.config import LlmRuntime, Price


@dataclass(frozen=True)
class Spending:
    """Tokens, and what they cost; the cost of a model without a price is 0 here."""

    tokens: int
    usd: float


class Budget:
    """Lets a request start only when the most that it may take still fits.

    Args:
        runtime: The limits and the prices.
        model: The model that is asked.

    Raises:
        ConfigError: Money is limited, but what the model costs is not known.
    """

    def __init__(self, runtime: LlmRuntime, model: str) -> None:
        """Begin with nothing spent."""
        self._most_tokens = runtime.max_total_tokens
        self._most_usd = runtime.max_cost_usd
        self.price: Price | None = runtime.prices.get(model)
        if self._most_usd is not None and self.price is None:
            raise ConfigError(
                f"max_cost_usd={self._most_usd:g} needs the price of '{model}'",
                f"set prices.{model}: {{input: …, output: …}} in US dollars per million tokens",
            )
        self._spent_tokens = 0
        self._spent_usd = 0.0
        self._held_tokens = 0
        self._held_usd = 0.0
        self._held = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self.spent = ""

    def cost_usd(self, input_tokens: int, output_tokens: int) -> float | None:
        """Give what tokens cost; None if the model has no price."""
        if self.price is None:
            return None
        return (input_tokens * self.price.input + output_tokens * self.price.output) / 1e6

    async def hold(self, input_tokens: int, output_tokens: int) -> Spending:
        """Hold back the most that a request may take, when what is in flight leaves room for it.

        Raises:
            BudgetSpent: It does not fit any more; from then on, nothing does.
        """
        usd = self.cost_usd(input_tokens, output_tokens) or 0.0
        asked = Spending(input_tokens + output_tokens, usd)
        while not self._fits(asked):
            if not self.spent and self._held == 0:
                self.spent = self._cause(asked)
                self._wake()
            if self.spent:
                raise BudgetSpent(
                    self.spent,
                    "what was answered is kept and is not paid for again: "
                    "raise the limit and run the same command to go on",
                )
            waiter = asyncio.get_running_loop().create_future()
            self._waiting.append(waiter)
            await waiter
        self._held += 1
        self._held_tokens += asked.tokens
        self._held_usd += asked.usd
        return asked

    def settle(self, held: Spending, took: Spending) -> None:
        """Replace what was held back by what was taken."""
        self._held -= 1
        self._held_tokens -= held.tokens
        self._held_usd = self._held_usd - held.usd if self._held else 0.0
        self._spent_tokens += took.tokens
        self._spent_usd += took.usd
        self._wake()

    def _fits(self, asked: Spending) -> bool:
        if self.spent:
            return False
        tokens = self._spent_tokens + self._held_tokens + asked.tokens
        usd = self._spent_usd + self._held_usd + asked.usd
        return (self._most_tokens is None or tokens <= self._most_tokens) and (
            self._most_usd is None or usd <= self._most_usd
        )

    def _wake(self) -> None:
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)

    def _cause(self, asked: Spending) -> str:
        limits = []
        if self._most_tokens is not None:
            limits.append(
                f"max_total_tokens={self._most_tokens:,}: {self._spent_tokens:,} are spent, "
                f"and the next request may take {asked.tokens:,}"
            )
        if self._most_usd is not None:
            limits.append(
                f"max_cost_usd={self._most_usd:g}: {self._spent_usd:.4f} are spent, "
                f"and the next request may take {asked.usd:.4f}"
            )
        return f"the budget for the language model is spent ({'; '.join(limits)})"
