"""The texts of chunks by their ids: on disk, so that no corpus must fit into memory."""

from __future__ import annotations

import contextlib
import sqlite3
from typing import TYPE_CHECKING, Self

from graftline.domain.rows import read_batches
from graftline.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from types import TracebackType


class Sources:
    """Finds chunks' texts; use it as a context manager.

    Args:
        chunks: A `chunks` artifact, or nothing.
        scratch: A folder for the table, which is made only if there are chunks.

    Raises:
        DataError: The artifact holds no chunks.
    """

    def __init__(self, chunks: Path | None, scratch: Path) -> None:
        """Make the table."""
        self._table: sqlite3.Connection | None = None
        if chunks is None:
            return
        file = scratch / "chunks.sqlite"
        file.unlink(missing_ok=True)
        self._table = sqlite3.connect(file, isolation_level=None)
        self._table.execute("PRAGMA journal_mode = OFF")
        self._table.execute("PRAGMA synchronous = OFF")
        self._table.execute("CREATE TABLE chunk (id TEXT PRIMARY KEY, text TEXT) WITHOUT ROWID")
        self._table.execute("BEGIN")
        try:
            for batch in read_batches(chunks, ["id", "text"], batch_rows=1024):
                rows = zip(*(column.to_pylist() for column in batch.columns), strict=True)
                self._table.executemany("INSERT OR IGNORE INTO chunk VALUES (?, ?)", rows)
        except sqlite3.Error as error:
            raise DataError(f"input 'chunks' cannot be read: {error}") from error
        self._table.execute("COMMIT")

    def text_of(self, ids: Sequence[str]) -> str:
        """Give the texts of the chunks among these ids, in their order; empty if none is one."""
        texts = []
        if self._table is not None:
            for id_ in ids:
                found = self._table.execute("SELECT text FROM chunk WHERE id = ?", (id_,))
                texts += [row[0] for row in found]
        return "\n\n".join(texts)

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the table."""
        with contextlib.suppress(sqlite3.Error):
            if self._table is not None:
                self._table.close()
