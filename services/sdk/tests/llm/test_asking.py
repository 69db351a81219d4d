"""Units of requests: kept when they are complete, counted, shared, paid for once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from graftline.config import Runtime
from graftline.context import Context
from graftline.domain.answers import TextAnswer
from graftline.errors import Cancelled, TransientError
from graftline.llm.asking import OpenUnit, UnitAsker, sum_costs
from graftline.llm.request import LlmFailure, LlmRequest, Message
from graftline.testkit.llm import Act, Asked, LlmServer
from graftline.testkit.local import FolderVault, RecordedEvents


@dataclass
class Asking:
    """A rank that asks a server about units, and keeps what was said in a folder."""

    make: Any
    folder: Path
    says: Callable[[Asked], Act] = lambda asked: Act(asked.prompt.upper())
    runs: int = 0
    written: dict[int, dict[Any, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.server = LlmServer(lambda asked: self.says(asked))

    def context(self, rank: int = 0, ranks: int = 1) -> tuple[Context[Any], RecordedEvents]:
        self.runs += 1
        events = RecordedEvents()
        context: Context[Any] = Context(
            step="s",
            key="k",
            runtime=Runtime(),
            seed=0,
            work=self.folder / f"run-{self.runs}",
            reporter=events,
            vault=FolderVault(self.folder / "vault"),
            rank=rank,
            ranks=ranks,
        )
        return context, events

    def unit(self, number: int, names: list[Any]) -> OpenUnit:
        def request(name: Any) -> LlmRequest:
            asked = [Message("user", f"unit {number} asks {name}")]
            return LlmRequest.of(self.make.config(), asked, TextAnswer())

        def write(folder: Path, answers: Any) -> None:
            self.written[number] = dict(answers)
            (folder / "unit.txt").write_text(str(len(answers)))

        return OpenUnit(number, {name: request(name) for name in names}, write)

    def ask(
        self,
        sizes: list[int],
        names: dict[int, list[Any]],
        *,
        rank: int = 0,
        ranks: int = 1,
        share: float = 0.5,
        stop: bool = False,
        **runtime: Any,
    ) -> RecordedEvents:
        context, events = self.context(rank, ranks)
        todo = list(context.units(len(sizes)))
        if stop:
            context.request_stop()
        asker = UnitAsker(context, sizes, todo, share, "things")
        settings = self.make.runtime(self.server, **runtime)
        asker.ask(self.make.config(), settings, (self.unit(n, names.get(n, [])) for n in todo))
        return events

    def kept(self, count: int) -> list[Path]:
        folder = self.folder / f"kept-{self.runs}"
        context, _ = self.context()
        assert context.gather_units(count, folder)
        return [folder / str(number) for number in range(count)]


@pytest.fixture
def asking(make, tmp_path):
    fixture = Asking(make, tmp_path)
    with fixture.server:
        yield fixture


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
