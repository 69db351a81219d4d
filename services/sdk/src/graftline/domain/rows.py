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
_GROUP_BYTES = 16 << 20
_GROUP_ROWS = 8192


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
    """Stream an artifact's rows as Arrow batches of at most `batch_rows` rows."""
    for path in shard_files(folder):
        with pq.ParquetFile(path) as file:
            yield from file.iter_batches(batch_rows, columns=columns, use_threads=False)


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
        self._pending: list[pa.RecordBatch] = []
        self._pending_bytes = 0
        self._pending_rows = 0
        self._shard = 0
        self._written_bytes = 0
        self._file: pq.ParquetWriter | None = None

    def write(self, row: dict[str, Any]) -> None:
        """Add one row."""
        self._buffer.append(row)
        if len(self._buffer) >= BATCH_ROWS:
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
            self._add(pa.RecordBatch.from_pylist(rows, schema=self._schema))

    def _add(self, batch: pa.RecordBatch) -> None:
        self.rows += batch.num_rows
        self._pending.append(batch)
        self._pending_bytes += batch.nbytes
        self._pending_rows += batch.num_rows
        if self._pending_bytes >= _GROUP_BYTES or self._pending_rows >= _GROUP_ROWS:
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
