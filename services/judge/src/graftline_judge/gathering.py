"""All units together: near duplicates, the summary, and the step's outputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from graftline.canonical import canonical_json
from graftline.domain.rows import EXAMPLES, RowWriter, read_rows
from graftline.ports import Output, Result
from graftline_judge.pairs import meta_of, pair_of, with_judgement
from graftline_judge.prompts import FORM
from graftline_judge.sources import Sources
from graftline_judge.summary import Summary
from graftline_judge.units import sum_costs
from graftline_judge.validators.duplicates import NearDuplicates

if TYPE_CHECKING:
    from pathlib import Path

    from graftline.context import Context
    from graftline_judge.config import JudgeConfig, JudgeRuntime

_COSTS = ("input_tokens", "output_tokens", "usd")


def gather(ctx: Context[JudgeRuntime], config: JudgeConfig, count: int, rows: int) -> Result | None:
    """Make the outputs of all units' rows; nothing if other ranks have some left to do.

    The units' order is the rows', so that neither ranks nor the order of answers show.

    Args:
        ctx: The stage's context.
        config: Its settings.
        count: How many units there are.
        rows: How many rows there are.
    """
    units = ctx.scratch("all-units")
    if not ctx.gather_units(count, units):
        return None
    folders = [units / str(unit) for unit in range(count)]
    scored, metrics = ctx.output("examples"), ctx.output("metrics")
    summary, duplicates = Summary(), NearDuplicates(config.duplicates)
    no_sources = Sources(None, metrics)
    with RowWriter(scored, EXAMPLES) as writer:
        for folder in folders:
            for row in read_rows(folder):
                judgement = meta_of(row)["judgement"]
                question = pair_of(row, no_sources).question
                judgement["validators"]["duplicate"] = duplicates.check(row["id"], question)
                summary.add(row["split"], judgement)
                writer.write(with_judgement(row, judgement))
    _write_json(metrics / "summary.json", summary.as_json())
    _write_json(metrics / "judge.json", _judge(config))
    _tell(ctx, summary, rows)
    cost = sum_costs(folders)
    figures = {name.lower(): float(found) for name, found in summary.verdicts.items()}
    figures |= {n: v for n, v in sorted(cost.items()) if n not in _COSTS and v is not None}
    return Result(
        outputs={"examples": Output(scored, writer.rows), "metrics": Output(metrics)},
        rows_in=rows,
        rows_out=writer.rows,
        figures=figures,
        input_tokens=_whole(cost["input_tokens"]),
        output_tokens=_whole(cost["output_tokens"]),
        usd=cost["usd"],
    )


def _judge(config: JudgeConfig) -> dict[str, Any]:
    """Say who judged, and by which rules."""
    return {"model": config.request.model, "form": FORM.schema, **config.model_dump(mode="json")}


def _tell(ctx: Context[JudgeRuntime], summary: Summary, rows: int) -> None:
    verdicts = ", ".join(f"{count:,} {verdict}" for verdict, count in summary.verdicts.items())
    ctx.log(f"{rows:,} rows: {verdicts}")
    if summary.unjudged:
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in summary.unjudged.items())
        level = "warning" if summary.judged else "error"
        ctx.log(f"UNJUDGED: {reasons}", level)


def _write_json(path: Path, value: dict[str, Any]) -> None:
    path.write_text(canonical_json(value) + "\n", encoding="utf-8")


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)
