"""CSV, TSV, Parquet and Arrow files as records."""

from __future__ import annotations

import csv
import io
import math
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from graftline.domain.rows import size_of
from graftline.errors import DataError
from graftline_ingest.reading.documents import not_utf8
from graftline_ingest.reading.records import Malformed, Numbered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_FREE_EXPANSION_BYTES = 256 << 20  # a small table may well say a long text in every row
_STEP_ROWS = 64
_STEP_BYTES = 1 << 30


class _Utf8Reader(io.RawIOBase):
    """Blocks of bytes as a raw stream, for the text layer that CSV needs."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        super().__init__()
        self._blocks = blocks
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        while not self._rest:
            block = next(self._blocks, None)
            if block is None:
                return 0
            self._rest = memoryview(block)
        size = min(len(buffer), len(self._rest))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size


def read_csv(
    blocks: Iterator[bytes], name: str, delimiter: str, max_row_bytes: int
) -> Iterator[Numbered]:
    """Parse a CSV file with a header line; numbers are those of each row's last line.

    Raises:
        DataError: No header, a column named twice, or another encoding.
    """
    csv.field_size_limit(min(max_row_bytes, sys.maxsize))
    text = io.TextIOWrapper(io.BufferedReader(_Utf8Reader(blocks)), encoding="utf-8", newline="")
    rows = csv.reader(text, delimiter=delimiter, strict=True)
    try:
        header = next(rows, None)
        if not header or not any(cell.strip() for cell in header):
            raise DataError(f"{name}: is empty; a header line with the columns' names is needed")
        header = [cell.strip() for cell in header]
        twice = sorted(cell for cell, count in Counter(header).items() if count > 1)
        if twice:
            raise DataError(f"{name}: columns named twice: {', '.join(map(repr, twice))}")
        width = len(header)
        while True:
            try:
                cells = next(rows)
            except StopIteration:
                return
            except csv.Error as error:
                yield rows.line_num, Malformed.of("malformed-row", str(error), "")
                continue
            if len(cells) == width:
                yield rows.line_num, dict(zip(header, cells, strict=True))
            elif cells:
                problem = f"{len(cells)} cells where the header has {width}"
                yield rows.line_num, Malformed.of("malformed-row", problem, delimiter.join(cells))
    except UnicodeDecodeError as error:
        raise not_utf8(name, error) from error


def read_parquet(
    path: Path, name: str, max_row_bytes: int, max_expansion: int
) -> Iterator[Numbered]:
    """Give a Parquet file's rows, from 1.

    Raises:
        DataError: It is no readable Parquet file, or becomes far larger than it is.
    """
    unpacking = _Unpacking(path, name, max_row_bytes, max_expansion)
    try:
        with pq.ParquetFile(path) as file:
            footer = file.metadata
            groups = [footer.row_group(number) for number in range(footer.num_row_groups)]
            columns = range(footer.num_columns)
            unpacking.bound(sum(group.column(n).num_values for group in groups for n in columns))
            step = _step(max((group.total_byte_size for group in groups), default=0))
            for batch in file.iter_batches(step, use_threads=False):
                yield from unpacking.rows(batch)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{name}: no readable Parquet file: {_first_line(error)}") from error


def read_arrow(path: Path, name: str, max_row_bytes: int, max_expansion: int) -> Iterator[Numbered]:
    """Give the rows of an Arrow IPC file or stream (as `datasets` saves them), from 1.

    Raises:
        DataError: It is neither, or becomes far larger than it is.
    """
    unpacking = _Unpacking(path, name, max_row_bytes, max_expansion)
    try:
        with pa.memory_map(str(path)) as data:
            magic = data.read(6)
            data.seek(0)
            if magic == b"ARROW1":
                file = pa.ipc.open_file(data)
                batches = map(file.get_batch, range(file.num_record_batches))
            else:
                batches = iter(pa.ipc.open_stream(data))
            for batch in batches:
                unpacking.bound(batch.num_rows * batch.num_columns)
                step = _step(batch.nbytes)
                for offset in range(0, batch.num_rows, step):
                    yield from unpacking.rows(batch.slice(offset, step))
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{name}: no readable Arrow file: {_first_line(error)}") from error


class _Unpacking:
    """Makes rows of a table's batches, within bounds: a repeated value takes no space in a file.

    Args:
        path: The file.
        name: Its name, for messages.
        max_row_bytes: Largest row.
        max_expansion: How many times its size a file may become beyond the first 256 MiB.
    """

    def __init__(self, path: Path, name: str, max_row_bytes: int, max_expansion: int) -> None:
        self._name = name
        self._max_row = max_row_bytes
        self._max_expansion = max_expansion
        self._limit = _FREE_EXPANSION_BYTES + path.stat().st_size * max_expansion
        self._given = 0
        self._number = 0

    def rows(self, batch: pa.RecordBatch) -> Iterator[Numbered]:
        """Give a batch's rows; a Malformed for one that is too large, or that Python cannot hold.

        Raises:
            DataError: They are more than the file may become.
        """
        for row in _each(batch):
            self._number += 1
            size = 0 if isinstance(row, Malformed) else size_of(row)
            self._given += size
            self.bound(self._given)
            if size > self._max_row:
                problem = f"the row is larger than {self._max_row >> 20} MiB (max_row_mb)"
                yield self._number, Malformed.of("malformed-row", problem, "")
            else:
                yield self._number, row

    def bound(self, size: int) -> None:
        """Hold what the file becomes against its size.

        Raises:
            DataError: It is too much.
        """
        if size > self._limit:
            raise DataError(
                f"{self._name}: holds more than {self._limit >> 20} MiB, over"
                f" {self._max_expansion} times its size: taken for a decompression bomb",
                "raise `max_expansion` if it is not",
            )


def _each(batch: pa.RecordBatch) -> Iterator[Any]:
    """Give a batch's rows as JSON has them, one by one where one cannot be read."""
    try:
        rows = [plain(row) for row in batch.to_pylist()]
    except (ValueError, OverflowError, RecursionError) as error:
        if batch.num_rows == 1:
            rows = [Malformed.of("malformed-row", _first_line(error), "")]
        else:
            rows = [row for at in range(batch.num_rows) for row in _each(batch.slice(at, 1))]
    yield from rows


def _step(size: int) -> int:
    """Give how many rows to read at once of so many bytes, all of which may be every row's."""
    return max(1, min(_STEP_ROWS, _STEP_BYTES // max(size, 1)))


def plain(value: Any) -> Any:
    """Give a table's value as JSON has it: NaN as null, dates in ISO 8601, else as it is."""
    simple: Callable[[Any], Any] | None = _PLAIN.get(type(value))
    if simple is not None:
        return simple(value)
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _same(value: Any) -> Any:
    return value


_PLAIN: dict[type, Callable[[Any], Any]] = {
    str: _same,
    int: _same,
    bool: _same,
    type(None): _same,
    float: lambda value: value if math.isfinite(value) else None,
    bytes: lambda value: value.decode("utf-8", "replace"),
    list: lambda value: [plain(item) for item in value],
    # Arrow maps come as lists of pairs.
    tuple: lambda value: [plain(item) for item in value],
    dict: lambda value: {str(key): plain(item) for key, item in value.items()},
}


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
