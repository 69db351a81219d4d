"""The hard budget: what may be spent, what is, and what is held back for requests in flight."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from graftline.errors import ConfigError
from graftline.llm.errors import BudgetSpent
from graftline.llm.totals import Spending

if TYPE_CHECKING:
    from graftline.llm.config import LlmRuntime, Price
    from graftline.llm.totals import Account
    from graftline.llm.wire import Said


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
                f"set llm.prices={{'{model}': {{input: …, output: …}}}} in US dollars per million"
                " tokens",
            )
        self._spent = Spending()
        self._held = Spending()
        self._in_flight = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self.spent = ""

    def cost_usd(self, input_tokens: int, output_tokens: int) -> float | None:
        """Give what tokens cost; None if the model has no price."""
        if self.price is None:
            return None
        return (input_tokens * self.price.input + output_tokens * self.price.output) / 1e6

    def book(self, account: Account, said: Said) -> float | None:
        """Add what an answer took to an account; give its cost, None if that is not known."""
        usd = None
        if said.input_tokens is not None and said.output_tokens is not None:
            usd = self.cost_usd(said.input_tokens, said.output_tokens)
        account.totals.add_cost(said.input_tokens, said.output_tokens, usd)
        return usd

    def charge(self, spending: Spending) -> None:
        """Count what earlier attempts have spent."""
        self._spent += spending

    async def hold(self, input_tokens: int, output_tokens: int) -> Spending:
        """Hold back the most that a request may take, when what is in flight leaves room for it.

        Raises:
            BudgetSpent: It does not fit any more; from then on, nothing does.
        """
        asked = Spending(input_tokens, output_tokens)
        while not self._fits(asked):
            if not self.spent and self._in_flight == 0:
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
        self._in_flight += 1
        self._held += asked
        return asked

    def settle(self, held: Spending, took: Spending) -> None:
        """Replace what was held back by what was taken."""
        self._in_flight -= 1
        self._held -= held
        self._spent += took
        self._wake()

    def _fits(self, asked: Spending) -> bool:
        if self.spent:
            return False
        together = self._spent + self._held + asked
        return (self._most_tokens is None or together.tokens <= self._most_tokens) and (
            self._most_usd is None or self._usd(together) <= self._most_usd
        )

    def _usd(self, spending: Spending) -> float:
        """Give what tokens cost; nothing where money is not limited and has no price."""
        return self.cost_usd(spending.input_tokens, spending.output_tokens) or 0.0

    def _wake(self) -> None:
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)

    def _cause(self, asked: Spending) -> str:
        limits = []
        if self._most_tokens is not None:
            limits.append(
                f"max_total_tokens={self._most_tokens:,}: {self._spent.tokens:,} are spent, "
                f"and the next request may take {asked.tokens:,}"
            )
        if self._most_usd is not None:
            limits.append(
                f"max_cost_usd={self._most_usd:g}: {self._usd(self._spent):.4f} are spent, "
                f"and the next request may take {self._usd(asked):.4f}"
            )
        return f"the budget for the language model is spent ({'; '.join(limits)})"
