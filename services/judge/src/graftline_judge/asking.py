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
    from graftline.llm.config import LlmConfig
    from graftline.llm.request import Answer, LlmRequest
    from graftline.llm.totals import Totals
    from graftline.llm.units import Costs
    from graftline_judge.config import JudgeRuntime

_COST = "cost.json"


@dataclass
class OpenUnit:
    """A unit whose answers are coming in.

    Args:
        number: Which one.
        size: Its rows, for the progress.
        requests: What is asked, each under a name of the caller's; it may be nothing.
        write: Writes the unit's files into an empty folder, given the answers by those names.
    """

    number: int
    size: int
    requests: Mapping[Any, LlmRequest]
    write: Callable[[Path, Mapping[Any, Answer]], None]
    answers: dict[Any, Answer] = field(default_factory=dict)


class UnitAsker:
    """Asks for the units of one rank.

    Args:
        ctx: The stage's context.
        sizes: The rows of all units of the step.
        todo: The units of this rank that nobody has kept yet.
    """

    def __init__(
        self, ctx: Context[JudgeRuntime], sizes: Sequence[int], todo: Sequence[int]
    ) -> None:
        """Count what is done."""
        self._ctx = ctx
        self._costs = UnitCosts()
        self._total = sum(sizes[ctx.rank :: ctx.ranks])
        self._rows = sum(sizes)
        self._done = self._total - sum(sizes[unit] for unit in todo)
        self._under_way = 0.0  # rows of units that are not whole yet

    def ask(self, request: LlmConfig, units: Iterable[OpenUnit]) -> None:
        """Ask for all units, and keep each. They are taken when they are wanted, a few at once.

        Raises:
            ConfigError: An endpoint is set up wrongly, or the budget is spent.
            TransientError: The servers are away, or fail too much.
        """
        ctx = self._ctx
        ctx.progress(self._done, self._total)
        with LlmSession(
            request,
            ctx.runtime.llm.share(ctx.ranks),
            cache=VaultCache(ctx),
            log=ctx.log,
            stopping=lambda: ctx.stopping,
        ) as llm:
            for asked, answer in llm.answer_all(self._requests(units, llm.totals)):
                unit, name = asked.tag
                unit.answers[name] = answer
                self._under_way += unit.size / len(unit.requests)
                if len(unit.answers) == len(unit.requests):
                    self._under_way -= unit.size
                    self._keep(unit, llm.totals)
                ctx.progress(self._done + round(self._under_way), self._total)
        if ctx.ranks > 1:
            ctx.log(f"rank {ctx.rank} has done its {self._total} of {self._rows} rows")

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
        check_failures(unit.answers.values(), self._ctx.runtime.max_failed_share)
        folder = self._ctx.scratch(f"unit-{unit.number}")
        unit.write(folder, unit.answers)
        # What was spent since the unit before it.
        cost = canonical_json(self._costs.since(totals))
        (folder / _COST).write_text(cost, encoding="utf-8")
        self._ctx.commit_unit(unit.number, folder)
        self._done += unit.size


def sum_costs(folders: Sequence[Path]) -> Costs:
    """Add the costs of kept units up."""
    return add_costs(json.loads((folder / _COST).read_text("utf-8")) for folder in folders)
