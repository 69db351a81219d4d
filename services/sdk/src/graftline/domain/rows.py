"""Typed Parquet between stages: one schema a kind, streams in and out, bounded memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

from graftline.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from types import TracebackType

TOOL_CALL = pa.struct(
    [
        ("id", pa.string()),
        ("type", pa.string()),
        ("function", pa.struct([("name", pa.string()), ("arguments", pa.string())])),
    ]
)

MESSAGE = pa.struct(
    [
        ("role", pa.string()),
        ("content", pa.string()),
        ("name", pa.string()),
        ("tool_call_id", pa.string()),
        ("tool_calls", pa.list_(TOOL_CALL)),
    ]
)
"""An OpenAI chat message; what a message does not have is null."""

SPAN = pa.struct([("document", pa.string()), ("start", pa.int64()), ("end", pa.int64())])
"""Characters [start, end) of a source document."""

EXAMPLES = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("parents", pa.list_(pa.string()), nullable=False),
        pa.field("source", SPAN),
        # The document, session or template that it comes from; a group is never split.
        pa.field("group", pa.string(), nullable=False),
        # "train", "eval", or the name of another evaluation set ("ood").
        pa.field("split", pa.string(), nullable=False),
        pa.field("task", pa.string(), nullable=False),
        pa.field("messages", pa.list_(MESSAGE), nullable=False),
        # JSON Schemas of the tools that the messages may call, as canonical JSON; null without.
        pa.field("tools", pa.string()),
        # Whatever else is known of the row (noise, labels), as canonical JSON; "{}" if nothing.
        pa.field("meta", pa.string(), nullable=False),
    ]
)

REJECTS = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        # A short name that counts are made by: "duplicate", "malformed-json".
        pa.field("reason", pa.string(), nullable=False),
        # One line for people: file, line, column, value.
        pa.field("detail", pa.string(), nullable=False),
        pa.field("split", pa.string()),
        # The row, as canonical JSON, or its raw text.
        pa.field("row", pa.string(), nullable=False),
    ]
)

TRAINING_ROWS = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("split", pa.string(), nullable=False),
        pa.field("input_ids", pa.list_(pa.int32()), nullable=False),
        # True where the token is to be learned, one for each input id.
        pa.field("loss_mask", pa.list_(pa.bool_()), nullable=False),
    ]
)

SHARD_BYTES = 128 << 20
BATCH_ROWS = 4096
BATCH_BYTES = 16 << 20
_GROUP_ROWS = 8192


class Filling:
    """Says when gathered rows are to be passed on: after so many of them, or so much text.

    Args:
        rows: Most rows.
        size: Size (as `size_of` has it) from which on they are enough.
    """

    def __init__(self, rows: int = BATCH_ROWS, size: int = BATCH_BYTES) -> None:
        """Begin empty."""
        self._most_rows = rows
        self._enough = size
        self._rows = 0
        self._size = 0

    def add(self, size: int) -> bool:
        """Count a row, and say whether they are enough."""
        self._rows += 1
        self._size += size
        return self._rows >= self._most_rows or self._size >= self._enough

    def clear(self) -> None:
        """Begin again: they have been passed on."""
        self._rows = self._size = 0


def size_of(value: Any) -> int:
    """Estimate what a value takes in a row: a text its characters, anything else 8 bytes."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, dict):
        return sum(map(size_of, value.values()))
    if isinstance(value, (list, tuple)):
        return sum(map(size_of, value))
    return 8


def shard_files(folder: Path) -> list[Path]:
    """Give an artifact's Parquet files in order.

    Raises:
        DataError: There are none.
    """
    files = sorted(folder.glob("*.parquet"))
    if not files:
        raise DataError(f"{folder.name}: no Parquet files")
    return files


def read_batches(
    folder: Path, columns: Sequence[str] | None = None, batch_rows: int = BATCH_ROWS
) -> Iterator[pa.RecordBatch]:
    """Stream an artifact's rows as Arrow batches of at most `batch_rows` rows, fewer of large."""
    for path in shard_files(folder):
        with pq.ParquetFile(path) as file:
            rows = _rows_at_once(file.metadata, batch_rows)
            yield from file.iter_batches(rows, columns=columns, use_threads=False)


def _rows_at_once(file: pq.FileMetaData, wanted: int) -> int:
    """Give how many of a file's rows take about `BATCH_BYTES`, at most as many as are wanted."""
    groups = [file.row_group(number) for number in range(file.num_row_groups)]
    fitting = [BATCH_BYTES * group.num_rows // max(group.total_byte_size, 1) for group in groups]
    # A value that occurs again and again takes no space there; but `RowWriter` ends a group before
    # it holds much more, so that no batch need be longer than a group.
    whole = [group.num_rows for group in groups[:-1]]
    rows: int = min([wanted, *fitting, *whole])
    return max(rows, 1)


def read_rows(folder: Path, columns: Sequence[str] | None = None) -> Iterator[dict[str, Any]]:
    """Stream an artifact's rows as dicts."""
    for batch in read_batches(folder, columns):
        yield from batch.to_pylist()


def count_rows(folder: Path) -> int:
    """Count an artifact's rows from the files' footers."""
    return sum(pq.read_metadata(path).num_rows for path in shard_files(folder))


class RowWriter:
    """Writes rows of one schema into zstd Parquet shards; the same rows give the same bytes.

    At least one file is written, even for no rows, so that the schema is never lost.

    Args:
        folder: Where the shards `part-00000.parquet`, … go.
        schema: The rows' schema.
        shard_bytes: Uncompressed Arrow bytes after which a new shard begins.
    """

    def __init__(self, folder: Path, schema: pa.Schema, shard_bytes: int = SHARD_BYTES) -> None:
        """Prepare to write; files appear with the first rows."""
        self.rows = 0
        self._folder = folder
        self._schema = schema
        self._shard_bytes = shard_bytes
        self._buffer: list[dict[str, Any]] = []
        self._filling = Filling()
        self._pending: list[pa.RecordBatch] = []
        self._pending_bytes = 0
        self._pending_rows = 0
        self._shard = 0
        self._written_bytes = 0
        self._file: pq.ParquetWriter | None = None

    def write(self, row: dict[str, Any]) -> None:
        """Add one row."""
        self._buffer.append(row)
        if self._filling.add(size_of(row)):
            self._flush_buffer()

    def write_batch(self, batch: pa.RecordBatch) -> None:
        """Add an Arrow batch of the same schema."""
        self._flush_buffer()
        self._add(batch)

    def close(self) -> int:
        """Finish the files and give the row count."""
        self._flush_buffer()
        self._flush_group()
        if self._file is None and self._shard == 0:
            self._open()
        self._close_shard()
        return self.rows

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Finish the files."""
        self.close()

    def _flush_buffer(self) -> None:
        if self._buffer:
            rows, self._buffer = self._buffer, []
            self._filling.clear()
            self._add(pa.RecordBatch.from_pylist(rows, schema=self._schema))

    def _add(self, batch: pa.RecordBatch) -> None:
        self.rows += batch.num_rows
        self._pending.append(batch)
        self._pending_bytes += batch.nbytes
        self._pending_rows += batch.num_rows
        if self._pending_bytes >= BATCH_BYTES or self._pending_rows >= _GROUP_ROWS:
            self._flush_group()

    def _flush_group(self) -> None:
        if not self._pending:
            return
        table = pa.Table.from_batches(self._pending, schema=self._schema)
        self._pending, self._pending_rows = [], 0
        self._open().write_table(table, row_group_size=table.num_rows)
        self._written_bytes += self._pending_bytes
        self._pending_bytes = 0
        if self._written_bytes >= self._shard_bytes:
            self._close_shard()

    def _open(self) -> pq.ParquetWriter:
        if self._file is None:
            path = self._folder / f"part-{self._shard:05d}.parquet"
            self._file = pq.ParquetWriter(path, self._schema, compression="zstd")
        return self._file

    def _close_shard(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
            self._shard += 1
            self._written_bytes = 0
