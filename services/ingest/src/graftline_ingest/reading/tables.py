"""CSV, TSV, Parquet and Arrow files as records."""

from __future__ import annotations

import csv
import io
import math
import sys
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from graftline.errors import DataError
from graftline_ingest.reading.documents import not_utf8
from graftline_ingest.reading.records import Malformed, Numbered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_BATCH_ROWS = 2048


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
        twice = sorted({cell for cell in header if header.count(cell) > 1})
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


def read_parquet(path: Path, name: str) -> Iterator[Numbered]:
    """Give a Parquet file's rows, from 1.

    Raises:
        DataError: It is no readable Parquet file.
    """
    try:
        with pq.ParquetFile(path) as file:
            yield from _rows(file.iter_batches(_BATCH_ROWS, use_threads=False))
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{name}: no readable Parquet file: {_first_line(error)}") from error


def read_arrow(path: Path, name: str) -> Iterator[Numbered]:
    """Give the rows of an Arrow IPC file or stream (as `datasets` saves them), from 1.

    Raises:
        DataError: It is neither.
    """
    try:
        with pa.memory_map(str(path)) as data:
            magic = data.read(6)
            data.seek(0)
            if magic == b"ARROW1":
                file = pa.ipc.open_file(data)
                yield from _rows(file.get_batch(i) for i in range(file.num_record_batches))
            else:
                yield from _rows(iter(pa.ipc.open_stream(data)))
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{name}: no readable Arrow file: {_first_line(error)}") from error


def _rows(batches: Iterator[pa.RecordBatch]) -> Iterator[Numbered]:
    number = 0
    for batch in batches:
        for offset in range(0, batch.num_rows, _BATCH_ROWS):
            for row in batch.slice(offset, _BATCH_ROWS).to_pylist():
                number += 1
                yield number, plain(row)


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
