"""The hard budget."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graftline.errors import EXIT_CONFIG, ConfigError
from graftline.llm.budget import Budget
from graftline.llm.config import LlmRuntime, Price
from graftline.llm.errors import BudgetSpent
from graftline.llm.totals import Spending


def budget(**settings):
    return Budget(LlmRuntime(**settings), "m")


def test_money_needs_a_price():
    with pytest.raises(ConfigError, match="needs the price of 'm'") as caught:
        budget(max_cost_usd=1.0)
    assert "set llm.prices={'m': {input: …, output: …}}" in caught.value.hint
    assert budget().cost_usd(10, 10) is None
    priced = budget(prices={"m": Price(input=1.0, output=10.0)})
    assert priced.cost_usd(1_000_000, 100_000) == pytest.approx(2.0)


@given(
    st.integers(1, 500),
    st.lists(st.tuples(st.integers(0, 60), st.integers(1, 60), st.floats(0, 1)), max_size=30),
)
def test_never_more_than_the_limit_is_spent(limit, requests):
    async def run():
        limited = budget(max_total_tokens=limit)
        spent = []

        async def one(read, written, share):
            try:
                held = await limited.hold(read, written)
            except BudgetSpent:
                return False
            await asyncio.sleep(0)
            took = int(held.tokens * share)
            spent.append(took)
            limited.settle(held, Spending(took))
            return True

        allowed = await asyncio.gather(*(one(*request) for request in requests))
        assert sum(spent) <= limit
        assert sum(allowed) == len(spent)
        if not all(allowed):
            with pytest.raises(BudgetSpent):
                await limited.hold(0, 1)

    asyncio.run(run())


def test_what_is_in_flight_is_waited_for_before_the_budget_is_called_spent():
    async def run():
        limited = budget(max_total_tokens=100)
        held = await limited.hold(10, 80)
        waiting = asyncio.create_task(limited.hold(10, 40))
        await asyncio.sleep(0.01)
        assert not waiting.done()
        limited.settle(held, Spending(30))
        second = await waiting
        limited.settle(second, second)
        with pytest.raises(BudgetSpent) as caught:
            await limited.hold(10, 40)
        return caught.value

    error = asyncio.run(run())
    assert "max_total_tokens=100: 80 are spent" in error.cause
    assert "raise the limit" in error.hint
    # Not 75: a workflow would try again by itself.
    assert error.exit_code == EXIT_CONFIG


def test_money_is_counted_by_the_price():
    async def run():
        limited = budget(max_cost_usd=1.0, prices={"m": Price(input=0, output=1000)})
        held = await limited.hold(10**9, 800)
        limited.settle(held, held)
        limited.charge(Spending(10**9, 100))
        with pytest.raises(BudgetSpent, match=r"max_cost_usd=1: 0\.9000 are spent"):
            await limited.hold(0, 200)

    asyncio.run(run())
