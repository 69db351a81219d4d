"""The training set's rows, kept on disk and read by number."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from graftline.domain.rows import read_batches
from graftline.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa

Array = np.ndarray[Any, np.dtype[Any]]

TRAIN = "train"
TOO_LONG = "longer than max_length"
NOTHING_LEARNED = "no token to learn"


@dataclass(frozen=True)
class Row:
    """One example as tokens.

    Args:
        ids: int32, [tokens].
        learned: bool, [tokens]: which tokens are to be predicted; the first never is.
    """

    ids: np.ndarray[Any, np.dtype[np.int32]]
    learned: np.ndarray[Any, np.dtype[np.bool_]]

    @property
    def prompt_tokens(self) -> int:
        """How many tokens come before the first one that is learned."""
        places = np.flatnonzero(self.learned[1:])
        return int(places[0]) + 1 if len(places) else len(self.ids)

    @property
    def targets(self) -> int:
        """How many tokens are to be predicted."""
        return int(np.count_nonzero(self.learned[1:]))


class RowTable:
    """The rows of one split; tokens lie in two flat files, so memory stays small.

    Args:
        folder: Where the files are.
        lengths: Tokens of each row.
    """

    def __init__(self, folder: Path, lengths: list[int]) -> None:
        """Open the files."""
        self._ends = np.cumsum(np.asarray(lengths, dtype=np.int64))
        # An empty file cannot be mapped.
        self._ids = _map(folder / "ids", np.dtype(np.int32), sum(lengths))
        self._learned = _map(folder / "learned", np.dtype(np.bool_), sum(lengths))

    def __len__(self) -> int:
        return len(self._ends)

    @property
    def tokens(self) -> int:
        """Tokens of all rows."""
        return int(self._ends[-1]) if len(self) else 0

    @property
    def longest(self) -> int:
        """Tokens of the longest row."""
        return int(np.diff(self._ends, prepend=0).max(initial=0))

    def length(self, index: int) -> int:
        """Count one row's tokens."""
        return int(self._ends[index] - (self._ends[index - 1] if index else 0))

    def __getitem__(self, index: int) -> Row:
        end = int(self._ends[index])
        start = end - self.length(index)
        return Row(np.array(self._ids[start:end]), np.array(self._learned[start:end]))


@dataclass(frozen=True)
class TrainingSet:
    """What a training set holds for this step.

    Args:
        train: Rows to learn from.
        held_out: Rows of the evaluation split.
        rejected: Training rows left out, by reason.
        highest_id: The largest token id anywhere.
    """

    train: RowTable
    held_out: RowTable
    rejected: dict[str, int]
    highest_id: int


def read_training_set(folder: Path, scratch: Path, max_length: int, eval_split: str) -> TrainingSet:
    """Read an artifact of `rows.TRAINING_ROWS` into tables.

    Raises:
        DataError: No row can be trained on, or a row is malformed.
    """
    seen: dict[str, int] = {}
    with ExitStack() as stack:
        sinks = {TRAIN: stack.enter_context(_Sink(scratch / "train"))}
        if eval_split not in ("", TRAIN):
            sinks[eval_split] = stack.enter_context(_Sink(scratch / "held-out"))
        for batch in read_batches(folder, ["split", "input_ids", "loss_mask"]):
            rows = _Rows.of(batch)
            splits = batch.column("split").to_pylist()
            for split, count in Counter(splits).items():
                seen[split] = seen.get(split, 0) + count
                if split in sinks:
                    chosen = np.fromiter((item == split for item in splits), np.bool_)
                    sinks[split].add(rows, chosen, max_length)
    train = sinks[TRAIN].table()
    if not len(train):
        raise _no_rows(seen, sinks[TRAIN], max_length)
    held_out = sinks.get(eval_split) if eval_split != TRAIN else None
    return TrainingSet(
        train,
        held_out.table() if held_out else RowTable(scratch, []),
        {reason: count for reason, count in sinks[TRAIN].rejected.items() if count},
        max(sink.highest_id for sink in sinks.values()),
    )


@dataclass(frozen=True)
class _Rows:
    """A batch as flat arrays, with each row's tokens and how many of them are to be predicted."""

    ids: Array
    learned: Array
    lengths: Array
    targets: Array

    @classmethod
    def of(cls, batch: pa.RecordBatch) -> Self:
        ids, learned = batch.column("input_ids"), batch.column("loss_mask")
        lengths = np.diff(ids.offsets.to_numpy())
        if not np.array_equal(lengths, np.diff(learned.offsets.to_numpy())):
            raise DataError("a training row's loss_mask is not as long as its input_ids")
        flat = ids.flatten().to_numpy(zero_copy_only=False).astype(np.int32)
        mask = learned.flatten().to_numpy(zero_copy_only=False).astype(np.bool_)
        if flat.size and int(flat.min()) < 0:
            raise DataError(f"a training row holds the negative token id {int(flat.min())}")
        counts = np.concatenate([[0], np.cumsum(mask)])
        ends = np.cumsum(lengths)
        # A row's first token has nothing that could predict it.
        firsts = np.minimum(ends - lengths + 1, ends)
        return cls(flat, mask, lengths, counts[ends] - counts[firsts])


class _Sink:
    """Appends the rows of one split to its files."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._ids = (folder / "ids").open("wb")
        self._learned = (folder / "learned").open("wb")
        self._lengths: list[int] = []
        self.rejected = {TOO_LONG: 0, NOTHING_LEARNED: 0}
        self.highest_id = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._ids.close()
        self._learned.close()

    def add(self, rows: _Rows, chosen: Array, max_length: int) -> None:
        fits, learns = chosen & (rows.lengths <= max_length), rows.targets > 0
        self.rejected[TOO_LONG] += int(np.count_nonzero(chosen & ~fits))
        self.rejected[NOTHING_LEARNED] += int(np.count_nonzero(fits & ~learns))
        kept = np.repeat(fits & learns, rows.lengths)
        self.highest_id = max(self.highest_id, int(rows.ids[kept].max(initial=-1)))
        self._lengths.extend(rows.lengths[fits & learns].tolist())
        rows.ids[kept].tofile(self._ids)
        rows.learned[kept].tofile(self._learned)

    def table(self) -> RowTable:
        return RowTable(self._folder, self._lengths)


def _map(path: Path, dtype: np.dtype[Any], count: int) -> np.ndarray[Any, Any]:
    return np.memmap(path, dtype=dtype, mode="r") if count else np.zeros(0, dtype=dtype)


def _no_rows(seen: dict[str, int], sink: _Sink, max_length: int) -> DataError:
    if not seen.get(TRAIN):
        others = ", ".join(f"{count} of '{split}'" for split, count in sorted(seen.items()))
        return DataError(
            f"the training set holds no row of split '{TRAIN}' (it holds {others or 'no rows'})",
            "look at the split in the steps before",
        )
    too_long, nothing = sink.rejected[TOO_LONG], sink.rejected[NOTHING_LEARNED]
    if too_long:
        return DataError(
            f"no training row is left: {too_long} of {seen[TRAIN]} have more than max_length = "
            f"{max_length} tokens" + (f", {nothing} have nothing to learn" if nothing else ""),
            "raise max_length, or shorten the examples",
        )
    return DataError(
        f"none of the {seen[TRAIN]} training rows has a token to learn: their loss masks are empty",
        "look at the format step's loss settings",
    )
