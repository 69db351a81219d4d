"""Units of requests: kept when they are complete, counted, shared, paid for once."""

from __future__ import annotations

import pytest

from graftline.errors import Cancelled, TransientError
from graftline.llm.asking import sum_costs
from graftline.llm.request import LlmFailure
from graftline.testkit.llm import Act


def test_answers_come_under_the_names_of_their_requests(asking):
    asking.ask([2, 1], {0: ["a", ("b", 1)], 1: [0]})
    assert {name: reply.text for name, reply in asking.written[0].items()} == {
        "a": "UNIT 0 ASKS A",
        ("b", 1): "UNIT 0 ASKS ('B', 1)",
    }
    assert asking.written[1][0].text == "UNIT 1 ASKS 0"


@pytest.mark.parametrize("unasked", [0, 1, 2])
def test_progress_comes_to_its_end_whatever_the_units_hold(asking, unasked):
    """By the sizes that were planned: a unit asks more than once an item, or about none."""
    names = {0: list(range(7)), 1: list(range(30)), 2: [0]}
    names[unasked] = []
    points = asking.ask([10, 15, 64], names).progress_points
    assert points[0] == (0, 89, "things")
    assert points[-1] == (89, 89, "things")
    done = [point[0] for point in points]
    assert done == sorted(done)


def test_only_units_without_requests_make_progress_too(asking):
    points = asking.ask([3, 4], {}).progress_points
    assert points == [(0, 7, "things"), (3, 7, "things"), (7, 7, "things")]
    assert asking.server.asked == []


def test_what_is_kept_is_done_already(asking):
    names = {0: [0, 1], 1: [0, 1]}
    asking.ask([2, 2], names, rank=1, ranks=2)
    points = asking.ask([2, 2], names).progress_points
    assert (points[0], points[-1]) == ((2, 4, "things"), (4, 4, "things"))


def test_ranks_say_what_they_did(asking):
    names = {0: [0], 1: [0], 2: [0]}
    said = [asking.ask([5, 4, 3], names, rank=rank, ranks=2).lines for rank in range(2)]
    assert ("info", "rank 0 has done its 8 of 12 things") in said[0]
    assert ("info", "rank 1 has done its 4 of 12 things") in said[1]
    asking.folder /= "alone"
    assert not any("has done" in line for _, line in asking.ask([5, 4, 3], names).lines)


def test_units_costs_add_up_to_all_that_was_spent(asking):
    asking.ask([2, 3, 1], {0: [0, 1], 1: [0, 1, 2]})
    folders = asking.kept(3)
    assert [(folder / "unit.txt").read_text() for folder in folders] == ["2", "3", "0"]
    costs = sum_costs(folders)
    assert costs["llm_requests"] == 5
    assert costs["input_tokens"] == sum(len(text.split()) for text in asking.server.prompts())
    assert costs["usd"] is None  # without a price


def test_a_unit_that_mostly_failed_on_the_way_is_not_kept(asking):
    def says(asked):
        return Act() if asked.prompt.endswith(" 0") else Act("no", status=500, delay_s=0.2)

    asking.says = says
    names = {0: [0, 1, 2, 3]}
    with pytest.raises(TransientError, match="of 4 requests of one unit, 3 failed"):
        asking.ask([4], names, attempts=1)
    assert asking.written == {}
    asking.folder /= "lenient"
    asking.ask([4], names, attempts=1, share=0.75)
    failures = [answer for answer in asking.written[0].values() if isinstance(answer, LlmFailure)]
    assert len(failures) == 3


@pytest.mark.parametrize("names", [[], [0]])
def test_it_stops_when_asked(asking, names):
    with pytest.raises(Cancelled):
        asking.ask([1], {0: names}, stop=True)
    assert asking.written == {}
