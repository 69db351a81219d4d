"""The stage's function: operations in order, drops kept as rejects, no split lost in silence."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pyarrow as pa

from graftline.domain.rows import EXAMPLES, REJECTS, RowWriter, count_rows, read_batches
from graftline.errors import DataError
from graftline.ports import Output, Result
from graftline_curate.operations.groups import GroupOperation
from graftline_curate.operations.registry import make_operation
from graftline_curate.pipeline import Pipeline, Step
from graftline_curate.rows_json import row_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from graftline.context import Context
    from graftline.ports import Inputs
    from graftline.stage import Runtime
    from graftline_curate.config import CurateConfig
    from graftline_curate.operations.base import Outcome

# A split that is not wanted is no loss.
_ON_PURPOSE = {"split-not-allowed"}


def run(ctx: Context[Runtime], config: CurateConfig, inputs: Inputs) -> Result:
    """Take all examples through the operations; rows in = examples + rejects.

    Raises:
        ConfigError: A schema is no JSON Schema.
        DataError: There are no rows, a group is in several splits, more is contaminated than is
            allowed, or a split (or everything) is gone at the end.
    """
    folders = [given.path for given in inputs.many("examples")]
    steps = [Step("split enforcement", GroupOperation(config.split_conflicts))]
    for number, settings in enumerate(config.operations, 1):
        name = f"operation {number} ({settings.op})"
        steps.append(Step(name, make_operation(settings, ctx.seed)))
    total = sum(count_rows(folder) for folder in folders)
    if total == 0:
        raise DataError("the examples to curate have no rows")

    def read(columns: Sequence[str] | None) -> Iterator[pa.RecordBatch]:
        for folder in folders:
            for batch in read_batches(folder, columns):
                yield _conforming(batch, folder.name, columns or EXAMPLES.names)

    kept, refused = ctx.output("examples"), ctx.output("rejects")
    with RowWriter(kept, EXAMPLES) as writer, RowWriter(refused, REJECTS) as rejects:
        pipeline = Pipeline(ctx, read, total, lambda batch, outcome: _keep(rejects, batch, outcome))
        for batch in pipeline.run(steps):
            writer.write_batch(batch)
    _check_splits(steps)
    return _result(ctx, steps, total, Output(kept, rows=writer.rows), Output(refused, rejects.rows))


def _keep(rejects: RowWriter, batch: pa.RecordBatch, outcome: Outcome) -> None:
    """Write dropped rows, whole, with reason and detail."""
    drops = outcome.drops
    if not drops.rows:
        return
    rows = batch.take(pa.array(drops.rows)).to_pylist()
    for row, reason, detail in zip(rows, drops.reasons, drops.details, strict=True):
        rejects.write(
            {
                "id": row["id"],
                "reason": reason,
                "detail": detail,
                "split": row["split"],
                "row": row_json(row),
            }
        )


def _conforming(batch: pa.RecordBatch, name: str, columns: Sequence[str]) -> pa.RecordBatch:
    """Give some columns of a batch exactly as the schema of EXAMPLES has them, whoever wrote it.

    Raises:
        DataError: It has other columns or types.
    """
    schema = pa.schema([EXAMPLES.field(column) for column in columns])
    if batch.schema.equals(schema):
        return batch
    try:
        arrays = [batch.column(field.name).cast(field.type) for field in schema]
        return pa.RecordBatch.from_arrays(arrays, schema=schema)
    except (KeyError, pa.ArrowException) as error:
        raise DataError(f"input '{name}' does not hold examples: {error}") from error


def _check_splits(steps: list[Step]) -> None:
    """Refuse to go on with a split, or everything, gone.

    Raises:
        DataError: It names the operation that took the last row, and what each took by reason.
    """
    gone = [
        (split, step)
        for step in steps
        for split, rows in sorted(step.rows_in.items())
        if rows and not step.rows_out[split] and set(step.reasons.get(split, ())) != _ON_PURPOSE
    ]
    if not gone:
        return
    parts = []
    for split, last in gone:
        taken = [
            f"{step.name} removed {sum(step.reasons[split].values()):,}"
            f" ({_by_count(step.reasons[split])})"
            for step in steps
            if step.reasons.get(split)
        ]
        begun = steps[0].rows_in[split]
        parts.append(
            f"split '{split}' has no rows left of {begun:,} after {last.name}: {'; '.join(taken)}"
        )
    raise DataError(" | ".join(parts), "loosen that operation, or mend the rows")


def _result(
    ctx: Context[Runtime], steps: list[Step], total: int, kept: Output, refused: Output
) -> Result:
    rejected: Counter[str] = Counter()
    for step in steps:
        taken: Counter[str] = sum(step.reasons.values(), Counter())
        rejected += taken
        if taken:
            ctx.log(f"{step.name} removed {taken.total():,} rows: {_by_count(taken)}")
    left = steps[-1].rows_out
    splits = ", ".join(f"{name} {rows:,}" for name, rows in sorted(left.items()))
    ctx.log(f"{kept.rows:,} of {total:,} rows are left: {splits}")
    return Result(
        outputs={"examples": kept, "rejects": refused},
        rows_in=total,
        rows_out=kept.rows,
        rejected=dict(sorted(rejected.items())),
        figures={f"rows_{name}": float(rows) for name, rows in sorted(left.items())},
    )


def _by_count(counts: Counter[str]) -> str:
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{count:,} {reason}" for reason, count in ordered)
