"""The units of one rank: every row judged, each unit kept once all its rows are."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from graftline.errors import TransientError
from graftline.llm.cache import VaultCache
from graftline.llm.request import LlmFailure
from graftline.llm.session import LlmSession
from graftline_judge.pairs import Pair, pair_of, with_judgement
from graftline_judge.prompts import judge_request
from graftline_judge.scoring import judged, unjudged
from graftline_judge.units import read_units, unit_count, unit_size, write_unit
from graftline_judge.validators import Validators

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from graftline.context import Context
    from graftline.llm.request import Answer, LlmRequest
    from graftline.llm.totals import Totals
    from graftline_judge.config import JudgeConfig, JudgeRuntime
    from graftline_judge.sources import Sources

ON_THE_WAY = frozenset(
    {"timeout", "rate-limited", "server-error", "unavailable", "connection", "bad-response"}
)
"""Reasons of failures that are no fault of the row: another time it may well be judged."""


@dataclass
class _OpenUnit:
    """A unit whose answers are coming in; rows that no model can judge are asked nobody."""

    number: int
    rows: list[dict[str, Any]]
    pairs: list[Pair]
    answers: dict[int, Answer] = field(default_factory=dict)

    @property
    def asked(self) -> list[int]:
        return [at for at, pair in enumerate(self.pairs) if pair.lack is None]


class RankJudge:
    """Judges the units of one rank: requests of several units are in flight at once.

    Args:
        ctx: The stage's context.
        config: Its settings.
        folders: The examples.
        sources: Where the sources' texts are.
        rows: How many examples there are.
    """

    def __init__(
        self,
        ctx: Context[JudgeRuntime],
        config: JudgeConfig,
        folders: Sequence[Path],
        sources: Sources,
        rows: int,
    ) -> None:
        """Load what the validators need."""
        self._ctx = ctx
        self._config = config
        self._folders = folders
        self._sources = sources
        self._rows = rows
        self._validators = Validators(config)
        self._booked: dict[str, float | None] = {}
        self._done = 0
        self._total = 0

    def judge(self, todo: list[int]) -> None:
        """Judge the units that nobody has judged yet, and keep each.

        Raises:
            ConfigError: An endpoint is set up wrongly, or the budget is spent.
            TransientError: The servers are away, or fail too much.
        """
        ctx = self._ctx
        mine = range(ctx.rank, unit_count(self._rows), ctx.ranks)
        self._total = sum(unit_size(unit, self._rows) for unit in mine)
        self._done = self._total - sum(unit_size(unit, self._rows) for unit in todo)
        ctx.progress(self._done, self._total)
        with LlmSession(
            self._config.request,
            ctx.runtime.llm.share(ctx.ranks),
            cache=VaultCache(ctx),
            log=ctx.log,
            stopping=lambda: ctx.stopping,
        ) as llm:
            for request, answer in llm.answer_all(self._requests(todo, llm.totals)):
                unit, at = request.tag
                unit.answers[at] = answer
                if len(unit.answers) == len(unit.asked):
                    self._keep(unit, llm.totals)

    def _requests(self, todo: list[int], totals: Totals) -> Iterator[LlmRequest]:
        """Give the requests of all units, made when they are wanted: a few units are in memory."""
        for found in read_units(self._folders, todo):
            pairs = [pair_of(row, self._sources) for row in found.rows]
            unit = _OpenUnit(found.number, found.rows, pairs)
            for at in unit.asked:
                yield judge_request(self._config, pairs[at], (unit, at))
            if not unit.asked:
                self._ctx.raise_if_stopping()
                self._keep(unit, totals)

    def _keep(self, unit: _OpenUnit, totals: Totals) -> None:
        """Commit a unit whose answers are all there.

        Raises:
            TransientError: Too many of its requests failed on the way.
        """
        self._check_failures(unit)
        rows = []
        for at, (row, pair) in enumerate(zip(unit.rows, unit.pairs, strict=True)):
            judgement = self._judgement(pair, unit.answers.get(at))
            judgement["validators"] = self._validators.check(pair)
            rows.append(with_judgement(row, judgement))
        folder = self._ctx.scratch(f"unit-{unit.number}")
        write_unit(folder, rows, self._cost_since(totals))
        self._ctx.commit_unit(unit.number, folder)
        self._done += len(rows)
        self._ctx.progress(self._done, self._total)

    def _judgement(self, pair: Pair, answer: Answer | None) -> dict[str, Any]:
        if answer is None:
            return unjudged(*(pair.lack or ("not-asked", "")))
        if isinstance(answer, LlmFailure):
            return unjudged(answer.reason, answer.detail)
        return judged(answer.data, self._config.weights, self._config.limits)

    def _check_failures(self, unit: _OpenUnit) -> None:
        """Stop rather than keep a unit that mostly failed: kept, it would never be asked again.

        Raises:
            TransientError: More failed than is allowed.
        """
        failed = Counter(
            answer.reason
            for answer in unit.answers.values()
            if isinstance(answer, LlmFailure) and answer.reason in ON_THE_WAY
        )
        if failed.total() > self._ctx.runtime.max_failed_share * len(unit.rows):
            reasons = ", ".join(f"{count} {reason}" for reason, count in failed.most_common())
            raise TransientError(
                f"of {len(unit.rows)} rows of one unit, {failed.total()} got no answer: {reasons}",
                "see to the servers and run the same command again (what was answered is kept), or "
                "raise max_failed_share to leave such rows UNJUDGED",
            )

    def _cost_since(self, totals: Totals) -> dict[str, float | None]:
        """Give what was spent since the last unit: over a rank's units it adds up to all of it."""
        now: dict[str, float | None] = {**totals.figures(), **totals.cost()}  # type: ignore[dict-item]
        before, self._booked = self._booked, now
        cost: dict[str, float | None] = {}
        for name, value in now.items():
            earlier = before.get(name, 0)
            cost[name] = None if value is None or earlier is None else value - earlier
        return cost
