"""All units together: near duplicates, the summary, the calibration, and the step's outputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from graftline.canonical import canonical_json
from graftline.domain.rows import EXAMPLES, RowWriter, read_rows
from graftline.llm.asking import sum_costs
from graftline.llm.units import of_result
from graftline.ports import Output, Result
from graftline_judge.calibration.measuring import measure
from graftline_judge.calibration.units import read_shuffled
from graftline_judge.pairs import meta_of, question_of
from graftline_judge.prompts import judgement_form
from graftline_judge.summary import Summary
from graftline_judge.validators.duplicates import NearDuplicates

if TYPE_CHECKING:
    from pathlib import Path

    from graftline.context import Context
    from graftline_judge.config import JudgeConfig, JudgeRuntime


def gather(
    ctx: Context[JudgeRuntime], config: JudgeConfig, row_units: int, units: int, rows: int
) -> Result | None:
    """Make the outputs of all units' rows; nothing if other ranks have some left to do.

    The units' order is the rows', so that neither ranks nor the order of answers show.

    Args:
        ctx: The stage's context.
        config: Its settings.
        row_units: How many units hold the rows.
        units: How many there are together with those of the calibration.
        rows: How many rows there are.
    """
    kept = ctx.scratch("all-units")
    if not ctx.gather_units(units, kept):
        return None
    folders = [kept / str(unit) for unit in range(units)]
    scored, metrics = ctx.output("examples"), ctx.output("metrics")
    summary, duplicates = Summary(), NearDuplicates(config.duplicates)
    shuffled, true = read_shuffled(folders[row_units:]), dict[str, float | None]()
    with RowWriter(scored, EXAMPLES) as writer:
        for folder in folders[:row_units]:
            for row in read_rows(folder):
                meta = meta_of(row)
                judgement = meta["judgement"]
                found = duplicates.check(row["id"], question_of(row))
                judgement["validators"]["duplicate"] = found
                summary.add(row["split"], judgement)
                writer.write({**row, "meta": canonical_json(meta)})
                if row["id"] in shuffled:
                    true.setdefault(row["id"], judgement["overall"])
    calibration = None
    if config.calibration.rows:
        seed = ctx.random("calibration").getrandbits(63)
        calibration = measure([(true[id_], wrong) for id_, wrong in shuffled.items()], seed)
    write_json(metrics / "summary.json", {**summary.as_json(), "calibration": calibration})
    write_json(metrics / "judge.json", {**_judge(config), "calibration": calibration})
    _tell(ctx, summary, rows, calibration)
    spent, counts = of_result(sum_costs(folders))
    figures = {name.lower(): float(count) for name, count in summary.verdicts.items()}
    if calibration and calibration["auc"] is not None:
        figures["calibration_auc"] = calibration["auc"]
    return Result(
        outputs={"examples": Output(scored, writer.rows), "metrics": Output(metrics)},
        rows_in=rows,
        rows_out=writer.rows,
        figures={**figures, **counts},
        **spent,
    )


def _judge(config: JudgeConfig) -> dict[str, Any]:
    """Say who judged, and by which rules."""
    rules = config.model_dump(mode="json", exclude={"preference"})
    return {
        "model": config.request.model,
        "form": judgement_form(config.max_issues, config.max_remark).schema,
        **rules,
    }


def _tell(
    ctx: Context[JudgeRuntime], summary: Summary, rows: int, calibration: dict[str, Any] | None
) -> None:
    verdicts = ", ".join(f"{count:,} {verdict}" for verdict, count in summary.verdicts.items())
    ctx.log(f"{rows:,} rows: {verdicts}")
    if summary.unjudged:
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in summary.unjudged.items())
        level = "warning" if summary.judged else "error"
        ctx.log(f"UNJUDGED: {reasons}", level)
    if calibration:
        better = calibration["worth"] == "better-than-chance"
        ctx.log(calibration["text"], "info" if better else "warning")


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Write a JSON file, always in the same spelling."""
    path.write_text(canonical_json(value) + "\n", encoding="utf-8")
