"""The kind `preference`: all rows of two evaluations, in units, and what came of them."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from graftline.canonical import canonical_json
from graftline.domain.units import UNIT_ROWS, unit_count, unit_size
from graftline.errors import ConfigError
from graftline.llm.asking import OpenUnit, UnitAsker, sum_costs
from graftline.llm.units import of_result
from graftline.ports import Output, Result
from graftline_judge.gathering import write_json
from graftline_judge.preference.answers import read_contests
from graftline_judge.preference.outcomes import CONFIDENCE, outcome_of, sentence, summarise
from graftline_judge.preference.prompts import FORM, SIDES, choice_request
from graftline_judge.sources import Sources

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from graftline.context import Context
    from graftline.llm.request import Answer
    from graftline.ports import Inputs
    from graftline_judge.config import JudgeConfig, JudgeRuntime
    from graftline_judge.preference.answers import Contest
    from graftline_judge.preference.prompts import Side

_FILE = "outcomes.json"

ROWS = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("split", pa.string(), nullable=False),
        pa.field("question", pa.string(), nullable=False),
        pa.field("reference", pa.string(), nullable=False),
        pa.field("baseline", pa.string(), nullable=False),
        pa.field("adapted", pa.string(), nullable=False),
        # adapted, baseline, tie, inconsistent or unjudged.
        pa.field("outcome", pa.string(), nullable=False),
        # What was chosen when that side's answer stood first: baseline, adapted, tie; null if
        # nobody was asked, or nothing usable was said.
        pa.field("baseline_first", pa.string()),
        pa.field("adapted_first", pa.string()),
        # What the row counts for the adapted model: 0, 0.5 or 1; null if unjudged.
        pa.field("score", pa.float64()),
        # Why it is unjudged, or `identical`; empty otherwise.
        pa.field("reason", pa.string(), nullable=False),
        pa.field("detail", pa.string(), nullable=False),
    ]
)


def compare_answers(
    ctx: Context[JudgeRuntime], config: JudgeConfig, inputs: Inputs
) -> Result | None:
    """Compare two evaluations row by row. Nothing where other ranks have units left to do.

    Raises:
        ConfigError: The inputs are not two evaluations, an endpoint is set up wrongly, or the
            budget is spent.
        DataError: The evaluations are not of the same rows.
        TransientError: The language model's servers are away, or fail too much.
    """
    answers = inputs.many("answers")
    if len(answers) != 2:
        raise ConfigError(
            f"kind 'preference' compares two evaluations, and has {len(answers)}",
            "connect the input 'answers': [baseline, adapted]",
        )
    if inputs.many("examples"):
        raise ConfigError("kind 'preference' does not read the input 'examples'", "leave it out")
    chunks = inputs.maybe("chunks")
    with Sources(chunks.path if chunks else None, ctx.scratch("sources")) as sources:
        folders = [given.path for given in answers]
        contests = read_contests(folders, config.preference.baseline_variant, sources)
    count = unit_count(len(contests))
    sizes = [unit_size(unit, len(contests)) for unit in range(count)]
    todo = list(ctx.units(count))
    if todo:
        asker = UnitAsker(ctx, sizes, todo, ctx.runtime.max_failed_share)
        asker.ask(config.request, ctx.runtime.llm, partial(_units, config, contests))
    return _gather(ctx, config, contests, count)


def _units(
    config: JudgeConfig, contests: Sequence[Contest], todo: Sequence[int]
) -> Iterator[OpenUnit]:
    for number in todo:
        rows = contests[number * UNIT_ROWS : (number + 1) * UNIT_ROWS]
        requests = {
            (at, side): choice_request(config, row, side)
            for at, row in enumerate(rows)
            if not row.same
            for side in SIDES
        }
        yield OpenUnit(number, requests, partial(_write_unit, len(rows)))


def _write_unit(rows: int, folder: Path, answers: Mapping[tuple[int, Side], Answer]) -> None:
    outcomes = [
        outcome_of({side: answers[at, side] for side in SIDES if (at, side) in answers})
        for at in range(rows)
    ]
    (folder / _FILE).write_text(canonical_json(outcomes), encoding="utf-8")


def _gather(
    ctx: Context[JudgeRuntime], config: JudgeConfig, contests: Sequence[Contest], count: int
) -> Result | None:
    """Make the outputs of all units; nothing if other ranks have some left to do."""
    kept = ctx.scratch("all-units")
    if not ctx.gather_units(count, kept):
        return None
    folders = [kept / str(unit) for unit in range(count)]
    outcomes: list[dict[str, Any]] = []
    for folder in folders:
        outcomes += json.loads((folder / _FILE).read_text("utf-8"))
    rows = [
        {
            **{name: getattr(contest, name) for name in ROWS.names[:6]},
            **outcome,
        }
        for contest, outcome in zip(contests, outcomes, strict=True)
    ]
    metrics = ctx.output("metrics")
    pq.write_table(
        pa.Table.from_pylist(rows, schema=ROWS), metrics / "rows.parquet", compression="zstd"
    )
    found = summarise(rows)
    text = sentence(found)
    write_json(metrics / "preference.json", {**found, **_setting(config), "text": text} | _by(rows))
    write_json(metrics / "judge.json", _judge(config))
    ctx.log(text)
    if found["unjudged"]:
        reasons = ", ".join(f"{n:,} {reason}" for reason, n in found["unjudged_reasons"].items())
        ctx.log(f"unjudged: {reasons}", "warning")
    spent, counts = of_result(sum_costs(folders))
    figures = {
        name: float(found[name])
        for name in ("adapted", "baseline", "ties", "inconsistent", "unjudged", "win_rate")
        if found[name] is not None
    }
    return Result(
        outputs={"metrics": Output(metrics)},
        rows_in=len(contests),
        rows_out=len(rows),
        figures={**figures, **counts},
        **spent,
    )


def _by(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    splits = sorted({row["split"] for row in rows})
    found = {name: summarise(row for row in rows if row["split"] == name) for name in splits}
    return {"by_split": found}


def _setting(config: JudgeConfig) -> dict[str, Any]:
    return {
        "model": config.request.model,
        "baseline_variant": config.preference.baseline_variant,
        "confidence": CONFIDENCE,
    }


def _judge(config: JudgeConfig) -> dict[str, Any]:
    """Say who judged, and by which rules."""
    rules = config.model_dump(mode="json", include={"kind", "request", "preference"})
    return {"model": config.request.model, "form": FORM.schema, **rules}
