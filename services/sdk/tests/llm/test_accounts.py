"""What a step paid, over all its attempts: in its costs once, and against its budget."""

from __future__ import annotations

import json
import shutil

import pytest

from graftline.errors import Cancelled
from graftline.llm.cache import UNUSABLE, USABLE
from graftline.llm.errors import BudgetSpent
from graftline.testkit.llm import Act

pytest.importorskip("openai", reason="the service that asks brings the providers' libraries")

NAMES = {0: list(range(20)), 1: list(range(20)), 2: list(range(5))}
SIZES = [20, 20, 5]


def spent(costs):
    return costs["input_tokens"] + costs["output_tokens"]


def figures(costs, *names):
    return [costs[f"llm_{name}"] for name in names]


@pytest.mark.parametrize("answered", [3, 13, 30])
def test_what_an_attempt_paid_that_did_not_end_is_in_the_costs(asking, answered):
    says = asking.says

    def act(asked):
        if asked.number == answered:
            asking.latest.request_stop()
        return says(asked)

    asking.says = act
    with pytest.raises(Cancelled):
        asking.ask(SIZES, NAMES, max_concurrency=2)
    kept = len(list((asking.folder / "vault" / "cache" / USABLE).iterdir()))
    asked = len(asking.server.asked)
    assert 0 < kept <= asked <= 45
    asking.says = says
    asking.ask(SIZES, NAMES)
    assert len(asking.server.asked) == asked + 45 - kept
    costs = asking.costs(3)
    # Four words go in and four come out, each time.
    assert spent(costs) == 45 * 8
    assert figures(costs, "replies", "cached", "requests") == [45, 0, 45]


def test_units_that_lost_their_checkpoint_know_what_they_paid(asking):
    asking.ask(SIZES, NAMES)
    first = asking.costs(3)
    asking.forget()
    asking.ask(SIZES, NAMES, ranks=2, rank=0)
    asking.ask(SIZES, NAMES, ranks=2, rank=1)
    assert len(asking.server.asked) == 45
    assert asking.costs(3) == first
    assert spent(first) == asking.served()


def test_what_another_step_paid_is_cached_and_costs_nothing(asking):
    asking.ask(SIZES, NAMES)
    files = [(folder / "unit.txt").read_bytes() for folder in asking.kept(3)]
    asking.forget()
    asking.key = "another"
    asking.ask(SIZES, NAMES)
    assert len(asking.server.asked) == 45
    costs = asking.costs(3)
    assert figures(costs, "replies", "cached", "requests") == [45, 45, 0]
    assert spent(costs) == 0
    assert costs["usd"] == 0
    assert [(folder / "unit.txt").read_bytes() for folder in asking.kept(3)] == files


def test_equal_requests_are_booked_once_whichever_unit_asked_first(asking):
    names = {0: ["same a#1", "same a#2", "b"], 1: ["same a#1", "c"]}
    asking.ask([3, 2], names)
    first = asking.costs(2)
    assert figures(first, "replies", "cached", "requests") == [5, 2, 3]
    assert spent(first) == asking.served()
    shutil.rmtree(asking.folder / "vault" / "checkpoints" / "unit-00000001")
    asking.ask([3, 2], names)
    assert asking.costs(2) == first
    asking.forget()
    asking.ask([3, 2], names, max_concurrency=1)
    assert asking.costs(2) == first
    assert len(asking.server.asked) == 3


def test_corrections_of_an_earlier_attempt_are_booked_too(asking, make):
    asking.form = make.form
    asking.says = lambda asked: Act('{"a": "x"}' if "cannot be used" in asked.prompt else "no json")
    asking.ask([4], {0: [0, 1, 2, 3]})
    first = asking.costs(1)
    assert figures(first, "requests", "corrected") == [8, 4]
    asking.forget()
    asking.ask([4], {0: [0, 1, 2, 3]})
    assert asking.costs(1) == first
    assert len(asking.server.asked) == 8


def test_an_unusable_answer_that_is_asked_for_again_was_paid_for(asking):
    asking.config = {"corrections": 0}
    says, asking.says = asking.says, lambda asked: Act("", usage=True)
    asking.ask([2], {0: [0, 1]})
    asking.forget()
    asking.says = says
    asking.ask([2], {0: [0, 1]}, retry_unusable=True)
    costs = asking.costs(1)
    assert figures(costs, "requests", "replies", "failures") == [4, 2, 0]
    assert costs["input_tokens"] == 4 * 4


def test_what_servers_do_not_say_stays_unknown(asking):
    asking.says = lambda asked: Act("ok", usage=False)
    asking.ask([2], {0: [0, 1]}, prices={"m": {"input": 1, "output": 1}})
    asking.forget()
    asking.ask([2], {0: [0, 1]}, prices={"m": {"input": 1, "output": 1}})
    costs = asking.costs(1)
    assert (costs["input_tokens"], costs["output_tokens"], costs["usd"]) == (None, None, None)
    assert costs["llm_requests"] == 2
    # But a budget counts the most that it may have been: 50 tokens are the limit of an answer.
    assert costs["budgeted_output_tokens"] == 100
    asking.forget()
    with pytest.raises(BudgetSpent, match=r"max_total_tokens=400: 3\d\d are spent"):
        asking.ask([3], {0: [0, 1, 2]}, max_total_tokens=400)


@pytest.mark.parametrize("ranks", [1, 2])
@pytest.mark.parametrize("money", [False, True])
def test_a_budget_is_of_all_attempts_together(asking, ranks, money):
    """A request takes 8 tokens, and may take 160: its prompt's bytes, 96 more, and 50."""

    def attempt(limit):
        budget = {"max_cost_usd": limit / 1e6} if money else {"max_total_tokens": limit}
        prices = {"m": {"input": 1.0, "output": 1.0}}
        for rank in range(ranks):
            try:
                asking.ask(SIZES, NAMES, rank=rank, ranks=ranks, prices=prices, **budget)
            except BudgetSpent as error:
                stops.append(error.cause.partition("and the next")[0])

    stops: list[str] = []
    attempt(250 * ranks)
    assert len(stops) == ranks
    asked = len(asking.server.asked)
    assert (250 - 160) * ranks <= asking.served() <= 250 * ranks
    for _ in range(2):
        attempt(250 * ranks)
    assert len(asking.server.asked) == asked, "the same budget bought more"
    assert stops == stops[:ranks] * 3
    attempt(300 * ranks)
    assert asked < len(asking.server.asked) < 45
    attempt(10_000)
    assert len(asking.server.asked) == 45
    assert spent(asking.costs(3)) == asking.served() == 45 * 8


def test_a_budget_knows_units_that_are_kept_and_damaged_ones_are_done_again(asking):
    asking.ask(SIZES, {0: NAMES[0], 1: NAMES[1]})
    checkpoints = asking.folder / "vault" / "checkpoints"
    shutil.rmtree(checkpoints / "unit-00000002")
    with pytest.raises(BudgetSpent, match="400: 320 are spent"):
        asking.ask(SIZES, NAMES, max_total_tokens=400)
    assert len(asking.server.asked) == 40

    vault = asking.vault
    listed = vault.checkpoints()
    shutil.rmtree(checkpoints / "unit-00000001")
    lost = type(vault)
    original = lost.checkpoints
    try:  # a unit that is listed, and cannot be read back
        lost.checkpoints = lambda self: listed
        events = asking.ask(SIZES, NAMES, max_total_tokens=10_000)
    finally:
        lost.checkpoints = original
    assert events.progress_points[-1] == (45, 45, "things")
    assert spent(asking.costs(3)) == 45 * 8
    assert len(asking.server.asked) == 45


def test_who_paid_is_kept_beside_the_answer_of_either_kind(asking):
    asking.config = {"corrections": 0}
    asking.says = lambda asked: Act("" if asked.prompt.endswith("0") else "ok")
    asking.ask([2], {0: [0, 1]})
    for namespace in (USABLE, UNUSABLE):
        (path,) = (asking.folder / "vault" / "cache" / namespace).iterdir()
        assert json.loads(path.read_text())["paid_by"] == "k/0"
