"""The task `support-tickets` as a whole: all rows, in one pass."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graftline.domain.rows import EXAMPLES, RowWriter
from graftline.errors import ConfigError
from graftline.ports import Output, Result
from graftline_generate.tickets.sampling import ticket_examples
from graftline_generate.tickets.voices import VOICES

if TYPE_CHECKING:
    from graftline.context import Context
    from graftline_generate.config import GenerateRuntime, SupportTickets

_PROGRESS_ROWS = 500


def make_tickets(ctx: Context[GenerateRuntime], task: SupportTickets) -> Result:
    """Write the examples of all splits.

    Raises:
        ConfigError: No rows are asked for, or more distinct ones than there can be.
    """
    total = task.train.rows + task.eval.rows + task.ood.rows
    if not total:
        raise ConfigError("task: no rows are asked for", "set task.train.rows or task.eval.rows")
    folder = ctx.output("examples")
    with RowWriter(folder, EXAMPLES) as writer:
        for done, row in enumerate(ticket_examples(task, VOICES, ctx.random), 1):
            writer.write(row)
            if done % _PROGRESS_ROWS == 0 or done == total:
                ctx.raise_if_stopping()
                ctx.progress(done, total)
    return Result(outputs={"examples": Output(folder, writer.rows)}, rows_out=writer.rows)
