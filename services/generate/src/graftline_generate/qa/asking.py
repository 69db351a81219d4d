"""The task `qa` on one rank: what is asked about its chunks, and what becomes of the answers."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from graftline.domain.documents import CHUNKS
from graftline.domain.rows import count_rows, read_batches
from graftline.domain.spelling import letters
from graftline.domain.units import read_units, unit_count, unit_size
from graftline.errors import ConfigError, DataError
from graftline.llm.asking import OpenUnit, UnitAsker
from graftline.llm.config import LlmRuntime
from graftline.llm.request import LlmFailure
from graftline_generate.qa.definitions import Definitions, read_definitions
from graftline_generate.qa.gathering import gather
from graftline_generate.qa.pairs import chunk_reject, pair_example, pair_problem, pair_reject
from graftline_generate.qa.prompts import Prompt, Prompts
from graftline_generate.qa.units import UnitOutcome

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from graftline.context import Context
    from graftline.llm.request import Answer, LlmReply
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
        sizes = [unit_size(unit, rows) for unit in range(count)]
        units = _Units(task, prompts, given.path)
        asker = UnitAsker(ctx, sizes, todo, ctx.runtime.max_failed_share, items="chunks")
        asker.ask(task.request, ctx.runtime.llm or LlmRuntime(), units.of)
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


@dataclass(frozen=True)
class _Units:
    """Makes the units of chunks when they are wanted."""

    task: QuestionAnswers
    prompts: Prompts
    folder: Path

    def of(self, todo: Sequence[int]) -> Iterator[OpenUnit]:
        for number, chunks in read_units([self.folder], CHUNKS, todo):
            asked = {
                (at, which): prompt
                for at, chunk in enumerate(chunks)
                for which, prompt in enumerate(self.prompts.of(chunk["path"]))
            }
            requests = {
                (at, which): prompt.request(self.task, chunks[at])
                for (at, which), prompt in asked.items()
            }
            yield OpenUnit(number, requests, partial(self._write, chunks, asked))

    def _write(
        self,
        chunks: list[dict[str, Any]],
        asked: Mapping[tuple[int, int], Prompt],
        folder: Path,
        answers: Mapping[tuple[int, int], Answer],
    ) -> None:
        """Sort a unit's answers, in the chunks' order."""
        outcome = UnitOutcome(counts=Counter(chunks=len(chunks)))
        for (at, which), prompt in asked.items():
            chunk, answer = chunks[at], answers[at, which]
            outcome.counts["pairs_asked"] += prompt.count
            if isinstance(answer, LlmFailure):
                reject = chunk_reject(chunk, which, answer.reason, answer.detail, answer.raw)
                outcome.rejects.append(reject)
                outcome.counts["requests_failed"] += 1
            else:
                self._take_pairs(outcome, chunk, which, prompt, answer)
        outcome.write(folder)

    def _take_pairs(
        self,
        outcome: UnitOutcome,
        chunk: dict[str, Any],
        which: int,
        prompt: Prompt,
        answer: LlmReply,
    ) -> None:
        """Sort an answer's pairs."""
        copied, held = self.prompts.copied(prompt), letters(chunk["text"])
        pairs = answer.data["pairs"]
        for number, pair in enumerate(pairs):
            question, text = pair["question"].strip(), pair["answer"].strip()
            problem = pair_problem(question, text, copied, held)
            if problem:
                outcome.rejects.append(pair_reject(chunk, which, number, pair, problem))
            else:
                outcome.examples.append(pair_example(chunk, prompt, question, text))
        outcome.counts["pairs_given"] += len(pairs)
