"""`dedupe`: one of equal rows stays, whichever order they come in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from graftline_curate.chats import Chats
from graftline_curate.normal_form import normal_form
from graftline_curate.operations.base import Drops, Operation, Outcome
from graftline_curate.order import SplitNumbers, row_digests
from graftline_curate.rows_json import example_digests

if TYPE_CHECKING:
    from graftline_curate.config import Dedupe


class DedupeOperation(Operation):
    """Sorts rows by (what must be equal, split, row) and keeps the first of each run.

    Takes about 200 bytes a row while it decides.
    """

    scans = True

    def __init__(self, settings: Dedupe) -> None:
        """Keep the settings."""
        self._settings = settings
        self._splits = SplitNumbers()
        self._keys: list[Any] = []
        self._orders: list[Any] = []
        self._codes: list[Any] = []
        self._keep: Any = np.zeros(0, np.bool_)
        self._winner: Any = np.zeros(0, np.int64)
        self._winner_codes: Any = np.zeros(0, np.int32)
        self._id_batches: list[pa.StringArray] = []
        self._ids = pa.chunked_array([], pa.string())
        self._position = 0

    def begin(self) -> None:
        """Start from the first row."""
        self._position = 0

    def scan(self, batch: pa.RecordBatch) -> None:
        """Keep what a row is compared, ordered and named by: about 70 bytes."""
        if self._settings.by == "prompt":
            self._keys.append(normal_form(Chats(batch).prompts, "text").digests())
        else:
            self._keys.append(example_digests(batch))
        self._orders.append(row_digests(batch))
        self._codes.append(self._splits.codes(batch.column("split")))
        self._id_batches.append(batch.column("id"))

    def settle(self) -> None:
        """Choose who stays."""
        if not self._keys:
            return
        keys, orders = np.concatenate(self._keys), np.concatenate(self._orders)
        codes = np.concatenate(self._codes)
        self._keys, self._orders, self._codes = [], [], []
        ranks = self._splits.ranks()[codes]
        order = np.lexsort((orders[:, 1], orders[:, 0], ranks, keys[:, 1], keys[:, 0]))
        sorted_keys = keys[order]
        first = np.ones(len(order), np.bool_)
        first[1:] = (sorted_keys[1:] != sorted_keys[:-1]).any(axis=1)
        if not self._settings.across_splits:
            sorted_ranks = ranks[order]
            first[1:] |= sorted_ranks[1:] != sorted_ranks[:-1]
        self._keep = np.zeros(len(order), np.bool_)
        self._keep[order[first]] = True
        winners = order[first][np.cumsum(first) - 1]
        self._winner = np.empty(len(order), np.int64)
        self._winner[order] = winners
        self._winner_codes = codes
        self._ids = pa.chunked_array(self._id_batches, pa.string())
        self._id_batches = []

    def apply(self, batch: pa.RecordBatch) -> Outcome:
        """Drop the copies."""
        begin = self._position
        self._position += batch.num_rows
        rows = np.flatnonzero(~self._keep[begin : self._position]).tolist()
        names = self._splits.names
        what = "prompt" if self._settings.by == "prompt" else "example"
        winners = self._winner[begin : self._position][rows]
        ids = self._ids.take(pa.array(winners)).to_pylist() if rows else []
        details = [
            f"the same {what} as {name} in split '{names[code]}'"
            for name, code in zip(ids, self._winner_codes[winners].tolist(), strict=True)
        ]
        return Outcome.dropping(batch, Drops(rows, ["duplicate"] * len(rows), details))
