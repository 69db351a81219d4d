"""The paragraphs that evaluation rows stand on."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from graftline.domain.rows import read_rows
from graftline.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from graftline.ports import Input

_COLUMNS = ("id", "path", "source", "text")


@dataclass(frozen=True)
class Paragraph:
    """Characters [start, end) of a document; unknown is None, or empty."""

    path: str
    start: int | None
    end: int | None
    text: str

    @property
    def where(self) -> str:
        """Its place, for people."""
        parts = [self.path] if self.path else []
        if self.start is not None and self.end is not None:
            parts.append(f"characters {self.start:,} to {self.end:,}")
        return ", ".join(parts)


def read_chunks(chunks: Input | None, ids: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Give the chunks with these ids; all others are only passed over.

    Raises:
        DataError: The input holds no chunks.
    """
    wanted = set(ids)
    if chunks is None or not wanted:
        return {}
    try:
        rows = read_rows(chunks.path, _COLUMNS)
        return {row["id"]: row for row in rows if row["id"] in wanted}
    except (OSError, KeyError, ValueError) as error:
        raise DataError(f"chunks of step '{chunks.step}' cannot be read: {error}") from error


def paragraph_of(row: Mapping[str, Any], chunks: Mapping[str, Any]) -> Paragraph | None:
    """Give the paragraph of a row: the one that it holds itself, else its chunks'."""
    meta = json.loads(row.get("meta") or "{}")
    source = row.get("source") or {}
    if meta.get("source_text"):
        path = str(meta.get("source_file") or "")
        return Paragraph(path, source.get("start"), source.get("end"), meta["source_text"])
    found = [chunks[parent] for parent in row.get("parents") or () if parent in chunks]
    if not found:
        return None
    text = "\n\n".join(chunk["text"] for chunk in found)
    span = found[0]["source"]
    return Paragraph(found[0]["path"], span["start"], found[-1]["source"]["end"], text)
