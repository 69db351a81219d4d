"""The stage's function: examples are scored, or two models' answers are compared."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from graftline.context import Context
    from graftline.ports import Inputs, Result
    from graftline_judge.config import JudgeConfig, JudgeRuntime


def run(ctx: Context[JudgeRuntime], config: JudgeConfig, inputs: Inputs) -> Result | None:
    """Judge what is asked for by `config.kind`. Nothing where other ranks have units left to do.

    Raises:
        ConfigError: The kind and the inputs do not fit, an endpoint is set up wrongly, or the
            budget is spent.
        DataError: There are no rows, or the inputs hold something else.
        TransientError: The language model's servers are away, or fail too much.
    """
    # Each kind's own needs are imported with it.
    if config.kind == "preference":
        from graftline_judge.preference.comparing import compare_answers

        return compare_answers(ctx, config, inputs)
    from graftline_judge.judging import judge_examples

    return judge_examples(ctx, config, inputs)
