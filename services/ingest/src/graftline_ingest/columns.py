"""Examples gathered column by column: several times faster than from dicts of rows."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa

from graftline.domain.rows import EXAMPLES, MESSAGE, SPAN, TOOL_CALL, Filling, size_of

if TYPE_CHECKING:
    from graftline.domain.rows import RowWriter


class Example(NamedTuple):
    """A row of EXAMPLES; keys that a message lacks become null."""

    identity: str
    group: str
    split: str
    task: str
    messages: list[dict[str, Any]]
    tools: str | None
    meta: str
    parents: list[str]
    source: dict[str, Any] | None


class ExampleColumns:
    """Collects rows of EXAMPLES and writes them batch by batch.

    Args:
        writer: Where the batches go.
    """

    def __init__(self, writer: RowWriter) -> None:
        """Begin empty."""
        self._writer = writer
        self._filling = Filling()
        self._clear()

    def add(self, example: Example) -> None:
        """Add one row."""
        identity, group, split, task, messages, tools, meta, parents, source = example
        self._scalars.append((identity, group, split, task, tools, meta))
        self._parents.append(parents)
        self._sources.append(source)
        self._counts.append(len(messages))
        self._messages += messages
        size = len(group) + len(meta) + (len(tools) if tools else 0)
        for message in messages:
            # As `size_of` has it, without walking through what is text alone.
            text = message["content"] if len(message) == 2 else None
            size += size_of(message) if text is None else len(text)
        if self._filling.add(size):
            self.flush()

    def flush(self) -> None:
        """Write what has been collected."""
        if not self._scalars:
            return
        ids, groups, splits, tasks, tools, metas = zip(*self._scalars, strict=True)
        arrays = {
            "id": pa.array(ids, pa.string()),
            "parents": pa.array(self._parents, pa.list_(pa.string())),
            "source": pa.array(self._sources, SPAN),
            "group": pa.array(groups, pa.string()),
            "split": pa.array(splits, pa.string()),
            "task": pa.array(tasks, pa.string()),
            "messages": pa.ListArray.from_arrays(
                pa.array([0, *accumulate(self._counts)], pa.int32()), self._message_array()
            ),
            "tools": pa.array(tools, pa.string()),
            "meta": pa.array(metas, pa.string()),
        }
        self._writer.write_batch(
            pa.RecordBatch.from_arrays([arrays[name] for name in EXAMPLES.names], schema=EXAMPLES)
        )
        self._clear()

    def _message_array(self) -> pa.StructArray:
        messages = self._messages
        columns = [
            pa.array([message["role"] for message in messages], pa.string()),
            pa.array([message["content"] for message in messages], pa.string()),
        ]
        if all(len(message) == 2 for message in messages):
            kinds = (pa.string(), pa.string(), pa.list_(TOOL_CALL))
            columns += [pa.nulls(len(messages), kind) for kind in kinds]
        else:
            columns += [
                pa.array([message.get("name") for message in messages], pa.string()),
                pa.array([message.get("tool_call_id") for message in messages], pa.string()),
                pa.array([message.get("tool_calls") for message in messages], pa.list_(TOOL_CALL)),
            ]
        return pa.StructArray.from_arrays(columns, fields=list(MESSAGE))

    def _clear(self) -> None:
        self._scalars: list[tuple[str, str, str, str, str | None, str]] = []
        self._parents: list[list[str]] = []
        self._sources: list[dict[str, Any] | None] = []
        self._counts: list[int] = []
        self._messages: list[dict[str, Any]] = []
        self._filling.clear()
