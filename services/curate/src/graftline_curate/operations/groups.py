"""Split enforcement, before all else: a group is never in train and in an evaluation split."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pyarrow as pa

from graftline.errors import DataError
from graftline_curate.operations.base import Drops, Operation, Outcome
from graftline_curate.order import SplitNumbers

if TYPE_CHECKING:
    from collections.abc import Callable

_SHOWN = 5


class GroupOperation(Operation):
    """Finds groups in several splits, and fails, moves or drops their later rows.

    Of a group's splits the first evaluation split by name wins; train comes last.

    Args:
        on_conflict: What to do with them.
    """

    scans = True
    columns = ("group", "split")

    def __init__(self, on_conflict: Literal["error", "move", "drop"]) -> None:
        """Begin with none."""
        self._on_conflict = on_conflict
        self._splits = SplitNumbers()
        self._digests: list[Any] = []
        self._codes: list[Any] = []
        self._names: dict[bytes, str] = {}
        self._wins: Any = np.zeros(0, np.int32)
        self._all_codes: Any = np.zeros(0, np.int32)
        self._position = 0
        self.groups = 0

    def begin(self) -> None:
        """Start from the first row."""
        self._position = 0

    def scan(self, batch: pa.RecordBatch) -> None:
        """Keep each row's group, as a digest, and split: 20 bytes."""
        blake = hashlib.blake2b
        pieces = [
            blake(group.encode(), digest_size=16).digest()
            for group in batch.column("group").to_pylist()
        ]
        self._digests.append(np.frombuffer(b"".join(pieces), np.uint64).reshape(-1, 2))
        self._codes.append(self._splits.codes(batch.column("split")))

    def settle(self) -> None:
        """Find the split that each group belongs to."""
        if not self._digests:
            return
        digests, codes = np.concatenate(self._digests), np.concatenate(self._codes)
        self._digests, self._codes = [], []
        ranks = self._splits.ranks()
        order = np.lexsort((ranks[codes], digests[:, 1], digests[:, 0]))
        ordered = digests[order]
        first = np.ones(len(order), np.bool_)
        first[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
        winners = codes[order][first][np.cumsum(first) - 1]
        self._wins = np.empty(len(order), np.int32)
        self._wins[order] = winners
        self._all_codes = codes
        starts = np.flatnonzero(first)
        self.groups = int(
            np.add.reduceat(self._wins[order] != codes[order], starts).astype(bool).sum()
        )

    def apply(self, batch: pa.RecordBatch) -> Outcome:
        """Move or drop the rows that lose.

        Raises:
            DataError: There are such rows, and the settings say that this is an error.
        """
        begin = self._position
        self._position += batch.num_rows
        wins = self._wins[begin : self._position]
        lost = np.flatnonzero(wins != self._all_codes[begin : self._position])
        if not len(lost):
            return Outcome(batch)
        names = self._splits.names
        if self._on_conflict == "error":
            self._fail(batch, lost.tolist())
        if self._on_conflict == "move":
            splits = batch.column("split").to_pylist()
            for row in lost.tolist():
                splits[row] = names[wins[row]]
            position = batch.schema.get_field_index("split")
            field = batch.schema.field(position)
            return Outcome(batch.set_column(position, field, pa.array(splits, field.type)))
        groups = batch.column("group")
        details = [
            f"group '{groups[row].as_py()}' is also in split '{names[wins[row]]}'"
            for row in lost.tolist()
        ]
        reasons = ["group-in-evaluation"] * len(details)
        return Outcome.dropping(batch, Drops(lost.tolist(), reasons, details))

    def finish(self, log: Callable[[str, str], None]) -> None:
        """Say how many groups were in conflict."""
        if self.groups:
            done = "moved to the evaluation split" if self._on_conflict == "move" else "dropped"
            log(f"{self.groups:,} groups were in several splits; train rows {done}", "warning")

    def _fail(self, batch: pa.RecordBatch, rows: list[int]) -> None:
        names, groups, splits = self._splits.names, batch.column("group"), batch.column("split")
        wins = self._wins[self._position - batch.num_rows : self._position]
        found: dict[str, str] = {}
        for row in rows:
            group, split = groups[row].as_py(), splits[row].as_py()
            found.setdefault(group, f"'{group}' ({names[wins[row]]} and {split})")
        shown = ", ".join(list(found.values())[:_SHOWN])
        more = f" and {self.groups - _SHOWN:,} more" if self.groups > _SHOWN else ""
        raise DataError(
            f"{self.groups:,} groups are in more than one split: {shown}{more}",
            "mend the splits where the rows are made, or set split_conflicts to move or drop",
        )
