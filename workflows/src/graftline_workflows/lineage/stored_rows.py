"""Rows of an artifact in the store: footers and the columns asked for are read, nothing else.

No file is read whole, so digests are not verified here: `graftline verify` does that.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from graftline.errors import DataError
from graftline.store.failures import translated
from graftline.store.names import blob_name

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from graftline.store import Store
    from graftline_workflows.lineage.steps import Place

ID = "id"
_BATCH_ROWS = 4096


class StoredRows:
    """The rows of one artifact that have an id. Memory: a row group's columns at a time.

    Args:
        store: The store.
        place: The artifact; its files that are no Parquet, or have no ids, count as none.
    """

    def __init__(self, store: Store, place: Place) -> None:
        """Read nothing yet."""
        self._store = store
        self._place = place

    def stream(self, columns: Sequence[str]) -> Iterator[dict[str, Any]]:
        """Give all rows in order; of the columns, those that there are."""
        for file in self._files():
            there = [name for name in columns if name in file.schema_arrow.names]
            for group in range(file.num_row_groups):
                for batch in file.iter_batches(
                    _BATCH_ROWS, row_groups=[group], columns=there, use_threads=False
                ):
                    yield from batch.to_pylist()

    def find(self, ids: Collection[str], columns: Sequence[str]) -> Iterator[dict[str, Any]]:
        """Give the rows with one of these ids; of the columns, those that there are.

        Ids are looked up first; only row groups that hold one are read further.
        """
        if not ids:
            return
        wanted = pa.array(sorted(ids), pa.string())
        for file in self._files():
            there = [name for name in columns if name in file.schema_arrow.names]
            for group in range(file.num_row_groups):
                if not _may_hold(file, group, ids):
                    continue
                known = file.read_row_group(group, [ID], use_threads=False).column(ID)
                at = pc.indices_nonzero(pc.is_in(known.cast(pa.string()), value_set=wanted))
                if len(at):
                    rows = file.read_row_group(group, there, use_threads=False)
                    yield from rows.take(at).to_pylist()

    def _files(self) -> Iterator[pq.ParquetFile]:
        key = self._place.manifest.key
        for blob in self._place.artifact.blobs:
            if not blob.path.endswith(".parquet"):
                continue
            stored = _StoredFile(self._store, blob_name(key, blob.sha256), blob.size)
            try:
                with pq.ParquetFile(stored) as file:
                    if ID in file.schema_arrow.names:
                        yield file
            except pa.ArrowException as error:
                raise DataError(
                    f"step '{self._place.manifest.step}' ({key[:12]}): '{blob.path}' cannot be"
                    f" read: {error}",
                    "graftline verify says what is damaged",
                ) from error


def _may_hold(file: pq.ParquetFile, group: int, ids: Collection[str]) -> bool:
    """Whether a row group can hold one of the ids, by the footer's least and greatest."""
    meta = file.metadata.row_group(group)
    for number in range(meta.num_columns):
        column = meta.column(number)
        if column.path_in_schema == ID:
            known = column.statistics
            if known is None or not known.has_min_max:
                return True
            return any(known.min <= item <= known.max for item in ids)
    return True


class _StoredFile(io.RawIOBase):
    """An object of the store as a file that is read in pieces."""

    def __init__(self, store: Store, name: str, size: int) -> None:
        self._store = store
        self._name = name
        self._size = size
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, start + offset)
        return self._at

    def readinto(self, buffer: Any) -> int:
        count = min(len(buffer), self._size - self._at)
        if count <= 0:
            return 0
        with translated(f"read {self._name}", self._store.place):
            answer = self._store.client.get_object(
                Bucket=self._store.bucket,
                Key=self._store.full_name(self._name),
                Range=f"bytes={self._at}-{self._at + count - 1}",
            )
            data: bytes = answer["Body"].read()
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)
