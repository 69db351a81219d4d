"""The stage's function: every row gets a judgement, and none is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graftline.domain.rows import count_rows
from graftline.errors import DataError
from graftline_judge.asking import RankJudge
from graftline_judge.gathering import gather
from graftline_judge.sources import Sources
from graftline_judge.units import unit_count

if TYPE_CHECKING:
    from graftline.context import Context
    from graftline.ports import Inputs, Result
    from graftline_judge.config import JudgeConfig, JudgeRuntime


def run(ctx: Context[JudgeRuntime], config: JudgeConfig, inputs: Inputs) -> Result | None:
    """Score all examples; rows in = rows out. Nothing where other ranks have units left to do.

    Raises:
        ConfigError: An endpoint is set up wrongly, or the budget is spent.
        DataError: There are no rows, or the inputs hold something else.
        TransientError: The language model's servers are away, or fail too much.
    """
    folders = [given.path for given in inputs.many("examples")]
    rows = sum(count_rows(folder) for folder in folders)
    if rows == 0:
        raise DataError("there are no examples to judge")
    count = unit_count(rows)
    todo = list(ctx.units(count))
    if todo:
        chunks = inputs.maybe("chunks")
        with Sources(chunks.path if chunks else None, ctx.scratch("sources")) as sources:
            RankJudge(ctx, config, folders, sources, rows).judge(todo)
    return gather(ctx, config, count, rows)
