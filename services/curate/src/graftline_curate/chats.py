"""The messages of a batch as flat arrays, so that work on text is done in columns."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from graftline_curate.operations.base import Mask

Positions = np.ndarray[tuple[int], np.dtype[np.int64]]


class Chats:
    """A batch's messages, flat.

    Args:
        batch: Rows of EXAMPLES.
    """

    def __init__(self, batch: pa.RecordBatch) -> None:
        """Lay the batch's messages open."""
        lists = batch.column("messages")
        raw = np.asarray(lists.offsets, np.int64)
        self.rows = batch.num_rows
        self.offsets: Positions = raw - raw[0]
        self.flat = lists.flatten()

    @cached_property
    def counts(self) -> Positions:
        """Messages of each row."""
        return np.diff(self.offsets)

    @cached_property
    def roles(self) -> pa.StringArray:
        """Every message's role."""
        return self.flat.field("role")

    @cached_property
    def contents(self) -> pa.StringArray:
        """Every message's text; null where it only calls tools."""
        return self.flat.field("content")

    @cached_property
    def row_of_message(self) -> Positions:
        """The row that each message belongs to."""
        return np.repeat(np.arange(self.rows), self.counts)

    @cached_property
    def is_last(self) -> Mask:
        """Which messages are the last of their row: the answers."""
        last: Mask = np.zeros(len(self.flat), np.bool_)
        last[self.offsets[1:][self.counts > 0] - 1] = True
        return last

    @cached_property
    def answers(self) -> pa.StringArray:
        """Each row's last message's text, empty if it has none."""
        positions = np.where(self.counts > 0, self.offsets[1:] - 1, -1)
        indices = pa.array(positions, mask=positions < 0)
        return pc.fill_null(self.contents.take(indices), "")

    @cached_property
    def prompts(self) -> pa.StringArray:
        """Each row's text before the answer, without system messages unless there is only that."""
        is_system = np.asarray(pc.equal(self.roles, "system").to_numpy(zero_copy_only=False))
        wanted = ~is_system & ~self.is_last
        has_text = np.zeros(self.rows, np.bool_)
        has_text[self.row_of_message[wanted]] = True
        wanted |= ~has_text[self.row_of_message] & ~self.is_last
        return self.join(self.contents, wanted, "\n")

    def join(self, values: pa.StringArray, wanted: Mask, between: str) -> pa.StringArray:
        """Join the wanted messages' values of each row to one text."""
        ends = np.concatenate([[0], np.cumsum(wanted)])
        chosen = pc.fill_null(values.filter(pa.array(wanted)), "")
        offsets = pa.array(ends[self.offsets], pa.int32())
        return pc.binary_join(pa.ListArray.from_arrays(offsets, chosen), between)

    def with_contents(self, batch: pa.RecordBatch, contents: pa.StringArray) -> pa.RecordBatch:
        """Give the batch with other texts in its messages."""
        fields = list(self.flat.type)
        columns: list[Any] = [
            contents if field.name == "content" else self.flat.field(field.name) for field in fields
        ]
        messages = pa.ListArray.from_arrays(
            pa.array(self.offsets, pa.int32()), pa.StructArray.from_arrays(columns, fields=fields)
        )
        position = batch.schema.get_field_index("messages")
        return batch.set_column(position, batch.schema.field(position), messages)
