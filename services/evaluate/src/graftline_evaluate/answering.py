"""Answers to all rows of a variant, unit by unit, each kept as soon as it is there."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from graftline.canonical import digest_of
from graftline_evaluate.decoding import Answer, make_decoder
from graftline_evaluate.kept import keep, restore

if TYPE_CHECKING:
    from graftline.context import Context
    from graftline_evaluate.config import EvaluateConfig, EvaluateRuntime
    from graftline_evaluate.prompts import Prompts


@dataclass
class Work:
    """What was done in this process, for the figures.

    Args:
        total: Rows to answer and texts to read for their probability, all variants together.
        done: Those that are done so far, restored ones included.
        decoded_tokens: Tokens written here.
        read_tokens: Prompt tokens read here; a shared prefix counts once.
        seconds: Time that decoding took here.
        forced_tokens: Tokens read here for their probability; a shared prefix does not count.
        forcing_seconds: Time that this took here.
    """

    total: int
    done: int = 0
    decoded_tokens: int = 0
    read_tokens: int = 0
    seconds: float = 0.0
    forced_tokens: int = 0
    forcing_seconds: float = 0.0


def answer_all(
    ctx: Context[EvaluateRuntime],
    config: EvaluateConfig,
    model: Any,
    variant: str,
    prompts: Prompts,
    stop: frozenset[int],
    work: Work,
) -> list[Answer]:
    """Answer every prompt of a variant.

    Rows are sorted by length and cut into units of `batch_rows`: a fixed function of the prompts.
    Each unit is decoded by itself and kept as a checkpoint, so that a restart gives the same
    answers as an undisturbed run.

    Raises:
        Cancelled: Somebody asked to stop; finished units are kept.
    """
    order = sorted(range(len(prompts.rests)), key=lambda row: (len(prompts.rests[row]), row))
    size = config.decoding.batch_rows
    answers: list[Answer | None] = [None] * len(order)
    decoder: Any = None
    for start in range(0, len(order), size):
        rows = order[start : start + size]
        asked = [prompts.rests[row] for row in rows]
        name = f"{variant}-{start // size:05d}"
        # What was asked is part of a unit: answers to other prompts are not taken for these.
        digest = digest_of([prompts.prefix, asked, sorted(stop)])
        kept = restore(ctx, name, digest)
        found = None if kept is None else [Answer(tuple(told), ended) for told, ended in kept]
        if found is None:
            began = time.perf_counter()
            if decoder is None:
                decoder = make_decoder(
                    model,
                    stop_tokens=stop,
                    max_new_tokens=config.decoding.max_new_tokens,
                    prefix=prompts.prefix,
                )
                work.read_tokens += decoder.prefix_tokens
            found = decoder.decode(asked, lambda ended: _look_up(ctx, work, ended))
            keep(ctx, name, digest, [[list(a.tokens), a.finished] for a in found])
            work.seconds += time.perf_counter() - began
            work.decoded_tokens += sum(len(answer.tokens) + answer.finished for answer in found)
            work.read_tokens += sum(map(len, asked))
        work.done += len(rows)
        ctx.progress(work.done, work.total, "rows")
        for row, answer in zip(rows, found, strict=True):
            answers[row] = answer
    return [answer for answer in answers if answer is not None]


def _look_up(ctx: Context[EvaluateRuntime], work: Work, ended: int) -> None:
    ctx.raise_if_stopping()
    ctx.progress(work.done + ended, work.total, "rows")
