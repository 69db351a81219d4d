"""What an operation is: a scan if it must see every row first, then a filter or a rewriting."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Callable

TRAIN = "train"

Mask = np.ndarray[tuple[int], np.dtype[np.bool_]]


@dataclass(frozen=True)
class Drops:
    """Rows of one batch that an operation drops, in the batch's order.

    Args:
        rows: Their positions in the batch.
        reasons: A short name each.
        details: A line for people each.
    """

    rows: list[int]
    reasons: list[str]
    details: list[str]


@dataclass(frozen=True)
class Outcome:
    """What an operation makes of a batch.

    Args:
        batch: The rows that it keeps.
        drops: The others, by position in the batch that it was given.
    """

    batch: pa.RecordBatch
    drops: Drops = field(default_factory=lambda: Drops([], [], []))

    @classmethod
    def dropping(cls, batch: pa.RecordBatch, drops: Drops) -> Outcome:
        """Keep all of a batch but some rows."""
        if not drops.rows:
            return cls(batch)
        keep = np.ones(batch.num_rows, np.bool_)
        keep[drops.rows] = False
        return cls(batch.filter(pa.array(keep)), drops)


class Operation:
    """The base of all: passes every row.

    Rows arrive in the same order in the scan and in every later pass.
    """

    scans = False
    """Whether it must see all rows before it can judge one."""

    columns: tuple[str, ...] | None = None
    """The columns that `scan` needs; nothing for all."""

    rewrites = False
    """Whether `apply` is worth doing only once (it changes rows, or costs time)."""

    def begin(self) -> None:
        """Prepare for a pass over the rows from the first."""

    def scan(self, batch: pa.RecordBatch) -> None:
        """Look at rows before the first `apply`."""

    def settle(self) -> None:
        """Decide, after the scan."""

    def apply(self, batch: pa.RecordBatch) -> Outcome:
        """Judge or rewrite a batch."""
        return Outcome(batch)

    def finish(self, log: Callable[[str, str], None]) -> None:
        """Say what there is to say after the pass that counts.

        Raises:
            DataError: What was found is more than the settings allow.
        """


def in_splits(batch: pa.RecordBatch, splits: list[str]) -> Mask:
    """Mark the rows of some splits; all rows if none is named."""
    if not splits:
        return np.ones(batch.num_rows, np.bool_)
    return mark(batch.column("split"), splits)


def mark(column: pa.Array, values: list[str]) -> Mask:
    """Mark the entries that are one of some values."""
    chosen: Mask = np.isin(column.to_numpy(zero_copy_only=False), values)
    return chosen
