"""The units of one rank: several are asked about at once, and each is kept when it is complete."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from graftline.canonical import canonical_json
from graftline.llm.cache import VaultCache
from graftline.llm.session import LlmSession
from graftline.llm.units import UnitCosts, add_costs, check_failures

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from graftline.context import Context
    from graftline.llm.config import LlmConfig, LlmRuntime
    from graftline.llm.request import Answer, LlmRequest
    from graftline.llm.totals import Totals
    from graftline.llm.units import Costs

_COST = "cost.json"


@dataclass(eq=False)
class OpenUnit:
    """A unit whose answers are coming in.

    Args:
        number: Which one.
        requests: What is asked, each under a name of the caller's; it may be nothing. Their tags
            are the asker's own.
        write: Writes the unit's files into an empty folder, given the answers by those names.
    """

    number: int
    requests: Mapping[Any, LlmRequest]
    write: Callable[[Path, Mapping[Any, Answer]], None]
    answers: dict[Any, Answer] = field(default_factory=dict)


class UnitAsker:
    """Asks for the units of one rank.

    Args:
        ctx: The stage's context.
        sizes: The items of each unit of the step, as all ranks know them before they read any.
        todo: The units of this rank that nobody has kept yet.
        max_failed_share: How much of a unit's requests may fail on the way.
        items: What the items are called in progress and log lines.
    """

    def __init__(
        self,
        ctx: Context[Any],
        sizes: Sequence[int],
        todo: Sequence[int],
        max_failed_share: float,
        items: str = "rows",
    ) -> None:
        """Count what is done."""
        self._ctx = ctx
        self._sizes = sizes
        self._max_failed_share = max_failed_share
        self._items = items
        self._costs = UnitCosts()
        self._total = sum(sizes[ctx.rank :: ctx.ranks])
        self._done = self._total - sum(sizes[unit] for unit in todo)
        self._under_way = 0.0  # items of units that are not whole yet

    def ask(self, config: LlmConfig, runtime: LlmRuntime, units: Iterable[OpenUnit]) -> None:
        """Ask for the units that are to do, and keep each as soon as all its answers are there.

        Args:
            config: What decides the answers.
            runtime: The step's endpoints and budgets, of which this rank takes its share.
            units: They are taken when they are wanted, a few at once.

        Raises:
            ConfigError: An endpoint is set up wrongly, or the budget is spent.
            TransientError: The servers are away, or fail too much.
            Cancelled: Somebody asked to stop.
        """
        ctx = self._ctx
        self._tell()
        with LlmSession(
            config,
            runtime.share(ctx.ranks),
            cache=VaultCache(ctx),
            log=ctx.log,
            stopping=lambda: ctx.stopping,
        ) as llm:
            for request, answer in llm.answer_all(self._requests(units, llm.totals)):
                unit, name = request.tag
                unit.answers[name] = answer
                each = self._sizes[unit.number] / len(unit.requests)
                if len(unit.answers) < len(unit.requests):
                    self._under_way += each
                    self._tell()
                else:
                    self._under_way -= each * (len(unit.requests) - 1)
                    self._keep(unit, llm.totals)
        if ctx.ranks > 1:
            share = f"{self._total} of {sum(self._sizes)} {self._items}"
            ctx.log(f"rank {ctx.rank} has done its {share}")

    def _requests(self, units: Iterable[OpenUnit], totals: Totals) -> Iterator[LlmRequest]:
        for unit in units:
            for name, request in unit.requests.items():
                yield replace(request, tag=(unit, name))
            if not unit.requests:
                self._ctx.raise_if_stopping()
                self._keep(unit, totals)

    def _keep(self, unit: OpenUnit, totals: Totals) -> None:
        """Commit a unit whose answers are all there.

        Raises:
            TransientError: Too many of its requests failed on the way.
        """
        check_failures(unit.answers.values(), self._max_failed_share)
        folder = self._ctx.scratch(f"unit-{unit.number}")
        unit.write(folder, unit.answers)
        # What was spent since the unit before it.
        cost = canonical_json(self._costs.since(totals))
        (folder / _COST).write_text(cost, encoding="utf-8")
        self._ctx.commit_unit(unit.number, folder)
        self._done += self._sizes[unit.number]
        self._tell()

    def _tell(self) -> None:
        self._ctx.progress(self._done + round(self._under_way), self._total, self._items)


def sum_costs(folders: Iterable[Path]) -> Costs:
    """Add the costs of kept units up."""
    return add_costs(json.loads((folder / _COST).read_text("utf-8")) for folder in folders)
