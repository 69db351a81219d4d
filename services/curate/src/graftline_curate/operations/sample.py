"""`sample`: so many rows of a split, chosen by seed and row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from graftline_curate.operations.base import Drops, Operation, Outcome
from graftline_curate.order import SplitNumbers, row_digests

if TYPE_CHECKING:
    import pyarrow as pa

    from graftline_curate.config import Sample


class SampleOperation(Operation):
    """Keeps the rows of a split that come first in an order made of seed and row."""

    scans = True

    def __init__(self, settings: Sample, seed: int) -> None:
        """Keep the settings."""
        self._settings = settings
        self._salt = f"{seed}:sample"
        self._splits = SplitNumbers()
        self._orders: list[Any] = []
        self._codes: list[Any] = []
        self._keep: Any = np.zeros(0, np.bool_)
        self._position = 0

    def begin(self) -> None:
        """Start from the first row."""
        self._position = 0

    def scan(self, batch: pa.RecordBatch) -> None:
        """Keep each row's place in the order: 20 bytes."""
        self._orders.append(row_digests(batch, self._salt))
        self._codes.append(self._splits.codes(batch.column("split")))

    def settle(self) -> None:
        """Choose who stays."""
        if not self._orders:
            return
        orders, codes = np.concatenate(self._orders), np.concatenate(self._codes)
        self._orders, self._codes = [], []
        self._keep = np.ones(len(codes), np.bool_)
        for code, name in enumerate(self._splits.names):
            limit = self._settings.limits.get(name)
            members = np.flatnonzero(codes == code)
            if limit is not None and len(members) > limit:
                place = np.lexsort((orders[members, 1], orders[members, 0]))
                self._keep[members[place[limit:]]] = False

    def apply(self, batch: pa.RecordBatch) -> Outcome:
        """Drop the rows above the limits."""
        begin = self._position
        self._position += batch.num_rows
        rows = np.flatnonzero(~self._keep[begin : self._position]).tolist()
        splits = batch.column("split")
        limits = self._settings.limits
        details = [f"above the limit of {limits[splits[row].as_py()]:,} rows" for row in rows]
        return Outcome.dropping(batch, Drops(rows, ["not-sampled"] * len(rows), details))
