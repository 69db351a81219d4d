"""Runs operations in order over more rows than fit into memory.

An operation that must see all rows first costs one pass before the pass that applies it. Between
passes rows wait in a scratch file, if something rewrote them; else the input is read again.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pyarrow as pa

from graftline.domain.rows import EXAMPLES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from graftline.context import Context
    from graftline.stage import Runtime
    from graftline_curate.operations.base import Operation, Outcome


@dataclass
class Step:
    """An operation, its name for messages, and what it did in the pass that counts."""

    name: str
    operation: Operation
    rows_in: Counter[str] = field(default_factory=Counter)
    rows_out: Counter[str] = field(default_factory=Counter)
    reasons: dict[str, Counter[str]] = field(default_factory=dict)

    def count(self, batch: pa.RecordBatch, outcome: Outcome) -> None:
        """Count a batch's rows by split, and drops by split and reason."""
        splits = batch.column("split")
        _count(self.rows_in, splits)
        _count(self.rows_out, outcome.batch.column("split"))
        for row, reason in zip(outcome.drops.rows, outcome.drops.reasons, strict=True):
            self.reasons.setdefault(splits[row].as_py(), Counter())[reason] += 1


class Pipeline:
    """Takes rows through steps.

    Args:
        ctx: For progress, stop requests and scratch space.
        source: Gives the rows from the first, some columns or all; called several times.
        total: How many rows there are.
        drop: Told every batch of which rows are dropped, and the outcome.
    """

    def __init__(
        self,
        ctx: Context[Runtime],
        source: Callable[[Sequence[str] | None], Iterator[pa.RecordBatch]],
        total: int,
        drop: Callable[[pa.RecordBatch, Outcome], None],
    ) -> None:
        """Keep all that."""
        self._ctx = ctx
        self._source = source
        self._total = total
        self._drop = drop
        self._spools = 0

    def run(self, steps: list[Step]) -> Iterator[pa.RecordBatch]:
        """Give the rows that pass all steps, in their order."""
        pending: list[Step] = []
        for step in steps:
            if step.operation.scans:
                if any(waiting.operation.rewrites for waiting in pending):
                    self._spool(pending, step.operation)
                    pending = []
                else:
                    self._look(pending, step.operation)
                step.operation.settle()
            pending.append(step)
        yield from self._passed(pending, counts=True)
        self._finish(pending)

    def _look(self, pending: list[Step], operation: Operation) -> None:
        """Show all rows to an operation, reading only what it needs where nothing comes before."""
        if not pending and operation.columns is not None:
            for batch in self._source(operation.columns):
                self._ctx.raise_if_stopping()
                operation.scan(batch)
            return
        for batch in self._passed(pending, counts=False):
            operation.scan(batch)

    def _spool(self, pending: list[Step], operation: Operation) -> None:
        """Write rewritten rows down while the next operation looks at them."""
        self._spools += 1
        path = self._ctx.scratch("spool") / f"{self._spools}.arrows"
        options = pa.ipc.IpcWriteOptions(compression="lz4")
        with (
            pa.OSFile(str(path), "wb") as file,
            pa.ipc.new_stream(file, EXAMPLES, options=options) as writer,
        ):
            for batch in self._passed(pending, counts=True):
                operation.scan(batch)
                writer.write_batch(batch)
        self._finish(pending)
        if isinstance(self._source, _Spooled):
            self._source.path.unlink()
        self._source = _Spooled(path)

    def _passed(self, pending: list[Step], *, counts: bool) -> Iterator[pa.RecordBatch]:
        for step in pending:
            step.operation.begin()
        done = 0
        for batch in self._source(None):
            self._ctx.raise_if_stopping()
            done += batch.num_rows
            self._ctx.progress(done, self._total)
            for step in pending:
                outcome = step.operation.apply(batch)
                if counts:
                    step.count(batch, outcome)
                    self._drop(batch, outcome)
                batch = outcome.batch
            if batch.num_rows:
                yield batch

    def _finish(self, pending: list[Step]) -> None:
        for step in pending:
            step.operation.finish(self._ctx.log)


@dataclass(frozen=True)
class _Spooled:
    path: Path

    def __call__(self, columns: Sequence[str] | None) -> Iterator[pa.RecordBatch]:
        # Not memory-mapped: mapped pages would count as this process's memory.
        with pa.OSFile(str(self.path), "rb") as file, pa.ipc.open_stream(file) as reader:
            for batch in reader:
                yield batch if columns is None else batch.select(columns)


def _count(counter: Counter[str], splits: pa.StringArray) -> None:
    for entry in splits.value_counts().to_pylist():
        counter[entry["values"]] += entry["counts"]
