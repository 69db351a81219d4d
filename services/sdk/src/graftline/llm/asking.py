"""The units of one rank: several are asked about at once, and each is kept when it is complete."""

from __future__ import annotations

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from graftline.canonical import canonical_json
from graftline.llm.cache import VaultCache
from graftline.llm.session import LlmSession
from graftline.llm.totals import Account, Spending
from graftline.llm.units import add_costs, check_failures, costs_of, spending_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from graftline.context import Context
    from graftline.llm.config import LlmConfig, LlmRuntime
    from graftline.llm.request import Answer, LlmRequest
    from graftline.llm.units import Costs

_COST = "cost.json"
_THREADS = 8


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
    account: Account = field(default_factory=Account)


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
        self._todo = list(todo)
        self._total = sum(sizes[ctx.rank :: ctx.ranks])
        self._done = self._total - sum(sizes[unit] for unit in todo)
        self._under_way = 0.0  # items of units that are not whole yet

    def ask(
        self,
        config: LlmConfig,
        runtime: LlmRuntime,
        units: Callable[[Sequence[int]], Iterable[OpenUnit]],
    ) -> None:
        """Ask for the units that are to do, and keep each as soon as all its answers are there.

        Each unit pays for its own requests: what it spent in attempts that were killed is booked
        when their answers are read back.

        Args:
            config: What decides the answers.
            runtime: The step's endpoints and budgets, of which this rank takes its share. A budget
                begins with what all attempts have spent on this rank's units.
            units: Gives the units of these numbers. They are taken when they are wanted, a few at
                once; where there is a budget, twice.

        Raises:
            ConfigError: An endpoint is set up wrongly, or the budget is spent.
            TransientError: The servers are away, or fail too much.
            Cancelled: Somebody asked to stop.
        """
        ctx = self._ctx
        with LlmSession(
            config,
            runtime.share(ctx.ranks),
            cache=VaultCache(ctx),
            log=ctx.log,
            stopping=lambda: ctx.stopping,
        ) as llm:
            if runtime.limited:
                self._charge_earlier(llm, units)
            self._tell()
            for request, answer in llm.answer_all(self._requests(units(self._todo))):
                unit, name = request.tag
                unit.answers[name] = answer
                each = self._sizes[unit.number] / len(unit.requests)
                if len(unit.answers) < len(unit.requests):
                    self._under_way += each
                    self._tell()
                else:
                    self._under_way -= each * (len(unit.requests) - 1)
                    self._keep(unit)
        if ctx.ranks > 1:
            share = f"{self._total} of {sum(self._sizes)} {self._items}"
            ctx.log(f"rank {ctx.rank} has done its {share}")

    def _charge_earlier(
        self, llm: LlmSession, units: Callable[[Sequence[int]], Iterable[OpenUnit]]
    ) -> None:
        """Let the budget begin with what all attempts have spent on this rank's units."""
        spent = self._spent_on_kept()
        asked = (request for unit in units(self._todo) for request in self._open(unit))
        spent = sum(llm.recall_all(asked), spent)
        llm.charge(spent)
        if spent.tokens:
            self._ctx.log(f"earlier attempts spent {spent.tokens:,} tokens of the budget")

    def _spent_on_kept(self) -> Spending:
        """Give what was spent on this rank's kept units; damaged ones are to do again."""
        ctx = self._ctx
        kept = sorted({*range(ctx.rank, len(self._sizes), ctx.ranks)}.difference(self._todo))
        with ThreadPoolExecutor(_THREADS) as threads:
            found = list(threads.map(self._spent_on, kept))
        lost = [unit for unit, spending in zip(kept, found, strict=True) if spending is None]
        self._todo = sorted([*self._todo, *lost])
        self._done -= sum(self._sizes[unit] for unit in lost)
        return sum((spending for spending in found if spending is not None), Spending())

    def _spent_on(self, unit: int) -> Spending | None:
        folder = self._ctx.scratch(f"kept-{unit}")
        if not self._ctx.restore_unit(unit, folder):
            return None
        spending = spending_of(json.loads((folder / _COST).read_text("utf-8")))
        shutil.rmtree(folder)
        return spending

    def _requests(self, units: Iterable[OpenUnit]) -> Iterator[LlmRequest]:
        for unit in units:
            yield from self._open(unit)
            if not unit.requests:
                self._ctx.raise_if_stopping()
                self._keep(unit)

    def _open(self, unit: OpenUnit) -> Iterator[LlmRequest]:
        """Give a unit's requests, each on its account."""
        unit.account = Account(f"{self._ctx.key}/{unit.number}")
        for name, request in unit.requests.items():
            yield replace(request, tag=(unit, name), account=unit.account)

    def _keep(self, unit: OpenUnit) -> None:
        """Commit a unit whose answers are all there.

        Raises:
            TransientError: Too many of its requests failed on the way.
        """
        check_failures(unit.answers.values(), self._max_failed_share)
        folder = self._ctx.scratch(f"unit-{unit.number}")
        unit.write(folder, unit.answers)
        cost = canonical_json(costs_of(unit.account))
        (folder / _COST).write_text(cost, encoding="utf-8")
        self._ctx.commit_unit(unit.number, folder)
        self._done += self._sizes[unit.number]
        self._tell()

    def _tell(self) -> None:
        self._ctx.progress(self._done + round(self._under_way), self._total, self._items)


def sum_costs(folders: Iterable[Path]) -> Costs:
    """Add the costs of kept units up."""
    return add_costs(json.loads((folder / _COST).read_text("utf-8")) for folder in folders)
