"""Make the rows of the task that was asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graftline.errors import ConfigError
from graftline_generate.config import QuestionAnswers

if TYPE_CHECKING:
    from graftline.context import Context
    from graftline.ports import Inputs, Result
    from graftline_generate.config import GenerateConfig, GenerateRuntime


def run(ctx: Context[GenerateRuntime], config: GenerateConfig, inputs: Inputs) -> Result | None:
    """Write the examples of `config.task`; nothing where another rank does or goes on.

    Raises:
        ConfigError: The task and what the step is given do not fit, or the task's own settings.
        DataError: The task's input cannot be used, or nothing came of it.
        TransientError: The language model's servers are away.
    """
    task = config.task
    if isinstance(task, QuestionAnswers):
        # Each task's own needs are imported with it.
        from graftline_generate.qa.asking import ask_about_chunks

        return ask_about_chunks(ctx, task, inputs)
    if inputs.maybe("chunks") or config.definitions:
        given = "the input 'chunks'" if inputs.maybe("chunks") else "the setting 'definitions'"
        raise ConfigError(
            f"task '{task.kind}' does not read {given}", "leave it out, or set task.kind to qa"
        )
    from graftline_generate.tickets.making import make_tickets

    # A rank that is not the first has nothing to do: the rows of a split depend on one another.
    return make_tickets(ctx, task) if ctx.rank == 0 else None
