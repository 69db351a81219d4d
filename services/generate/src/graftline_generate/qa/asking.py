"""The task `qa` on one rank: its units asked about, each kept once all its chunks are answered."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from graftline.domain.documents import CHUNKS
from graftline.domain.rows import count_rows, read_batches
from graftline.domain.units import read_units, unit_count, unit_size
from graftline.errors import ConfigError, DataError
from graftline.llm.cache import VaultCache
from graftline.llm.config import LlmRuntime
from graftline.llm.request import LlmFailure
from graftline.llm.session import LlmSession
from graftline.llm.units import UnitCosts, check_failures
from graftline_generate.qa.definitions import Definitions, read_definitions
from graftline_generate.qa.gathering import gather
from graftline_generate.qa.pairs import (
    CopiedText,
    chunk_reject,
    pair_example,
    pair_problem,
    pair_reject,
)
from graftline_generate.qa.prompts import Prompt, Prompts
from graftline_generate.qa.units import UnitOutcome

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from graftline.context import Context
    from graftline.llm.request import Answer, LlmReply, LlmRequest
    from graftline.llm.totals import Totals
    from graftline.ports import Inputs, Result
    from graftline_generate.config import GenerateRuntime, QuestionAnswers


def ask_about_chunks(
    ctx: Context[GenerateRuntime], task: QuestionAnswers, inputs: Inputs
) -> Result | None:
    """Write the pairs about all chunks; nothing where other ranks have units left to do.

    Raises:
        ConfigError: There is no input, a definition cannot be understood, or an endpoint is set up
            wrongly; or the budget is spent.
        DataError: The input holds no chunks, or no pair of all was of use.
        TransientError: The servers are away, or fail too much.
    """
    given = inputs.maybe("chunks")
    if given is None:
        raise ConfigError("task 'qa' needs chunks", "connect the input 'chunks' in the recipe")
    rows = count_rows(given.path)
    if rows == 0:
        raise DataError("there are no chunks to ask questions about")
    definitions = read_definitions(task.definitions, inputs.source("definitions"))
    prompts = Prompts(task, definitions)
    _tell_unused(ctx, definitions, given.path)
    count = unit_count(rows)
    todo = list(ctx.units(count))
    if todo:
        _Rank(ctx, task, prompts, given.path, rows).do(todo)
    return gather(ctx, count, rows)


def _tell_unused(ctx: Context[GenerateRuntime], definitions: Definitions, folder: Path) -> None:
    """Say which definitions are for no document: a wrong name would pass in silence."""
    paths: set[str] = set()
    if not definitions:
        return
    for batch in read_batches(folder, ["path"]):
        paths.update(batch.column(0).unique().to_pylist())
    unused = definitions.unused(paths)
    if unused and ctx.rank == 0:
        ctx.log(f"definitions of no document: {', '.join(unused)}", "warning")


@dataclass
class _OpenUnit:
    """A unit whose answers are coming in."""

    number: int
    chunks: list[dict[str, Any]]
    asked: list[tuple[int, int, Prompt]]
    answers: dict[int, Answer] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        return len(self.answers) == len(self.asked)


class _Rank:
    """Asks about the units of one rank: requests of several units are in flight at once."""

    def __init__(
        self,
        ctx: Context[GenerateRuntime],
        task: QuestionAnswers,
        prompts: Prompts,
        folder: Path,
        rows: int,
    ) -> None:
        self._ctx = ctx
        self._task = task
        self._prompts = prompts
        self._folder = folder
        self._rows = rows
        self._copied: dict[str, CopiedText] = {}
        self._costs = UnitCosts()

    def do(self, todo: list[int]) -> None:
        """Ask about the units that nobody has done yet, and keep each."""
        ctx = self._ctx
        mine = range(ctx.rank, unit_count(self._rows), ctx.ranks)
        total = sum(unit_size(unit, self._rows) for unit in mine)
        done = total - sum(unit_size(unit, self._rows) for unit in todo)
        under_way = 0.0  # chunks of units that are not whole yet
        ctx.progress(done, total, "chunks")
        runtime = (ctx.runtime.llm or LlmRuntime()).share(ctx.ranks)
        with LlmSession(
            self._task.request,
            runtime,
            cache=VaultCache(ctx),
            log=ctx.log,
            stopping=lambda: ctx.stopping,
        ) as llm:
            for request, answer in llm.answer_all(self._requests(todo)):
                unit, number = request.tag
                unit.answers[number] = answer
                under_way += len(unit.chunks) / len(unit.asked)
                if unit.complete:
                    self._keep(unit, llm.totals)
                    under_way -= len(unit.chunks)
                    done += len(unit.chunks)
                ctx.progress(done + round(under_way), total, "chunks")
        if ctx.ranks > 1:
            ctx.log(f"rank {ctx.rank} has done its {total} of {self._rows} chunks")

    def _requests(self, todo: list[int]) -> Iterator[LlmRequest]:
        """Give the requests of all units, made when they are wanted: a few units are in memory."""
        for number, chunks in read_units([self._folder], CHUNKS, todo):
            asked = [
                (at, which, prompt)
                for at, chunk in enumerate(chunks)
                for which, prompt in enumerate(self._prompts.of(chunk["path"]))
            ]
            unit = _OpenUnit(number, chunks, asked)
            for index, (at, _, prompt) in enumerate(asked):
                yield prompt.request(self._task, chunks[at], (unit, index))

    def _keep(self, unit: _OpenUnit, totals: Totals) -> None:
        """Commit a unit whose answers are all there.

        Raises:
            TransientError: Too many of its requests failed on the way.
        """
        check_failures(unit.answers.values(), self._ctx.runtime.max_failed_share)
        outcome = UnitOutcome(counts=Counter(chunks=len(unit.chunks)))
        for index, (at, which, prompt) in enumerate(unit.asked):
            chunk, answer = unit.chunks[at], unit.answers[index]
            outcome.counts["pairs_asked"] += prompt.count
            if isinstance(answer, LlmFailure):
                reject = chunk_reject(chunk, which, answer.reason, answer.detail, answer.raw)
                outcome.rejects.append(reject)
                outcome.counts["requests_failed"] += 1
            else:
                self._take_pairs(outcome, chunk, which, prompt, answer)
        outcome.cost = self._costs.since(totals)
        folder = self._ctx.scratch(f"unit-{unit.number}")
        outcome.write(folder)
        self._ctx.commit_unit(unit.number, folder)

    def _take_pairs(
        self,
        outcome: UnitOutcome,
        chunk: dict[str, Any],
        which: int,
        prompt: Prompt,
        answer: LlmReply,
    ) -> None:
        """Sort an answer's pairs."""
        copied = self._copied.setdefault(prompt.instruction, CopiedText(prompt.instruction))
        pairs = answer.data["pairs"]
        for number, pair in enumerate(pairs):
            question, text = pair["question"].strip(), pair["answer"].strip()
            problem = pair_problem(question, text, copied, chunk["text"])
            if problem:
                outcome.rejects.append(pair_reject(chunk, which, number, pair, problem))
            else:
                outcome.examples.append(pair_example(chunk, prompt, question, text))
        outcome.counts["pairs_given"] += len(pairs)
