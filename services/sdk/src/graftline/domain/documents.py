"""Documents and the chunks that are cut from them: their rows, ids, blocks and headings.

All positions are characters of the document's `text`, ends exclusive, so that
`chunk["text"] == document["text"][start:end]` holds for every chunk's `source`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from graftline.canonical import canonical_json, sha256_text
from graftline.domain.blocks import BLOCK_KINDS, Block, blocks_problem, heading_text
from graftline.domain.rows import SPAN, read_batches

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

__all__ = [
    "BLOCK",
    "BLOCK_KINDS",
    "CHUNKS",
    "DOCUMENTS",
    "Block",
    "blocks_problem",
    "chunk_id",
    "document_batch",
    "document_id",
    "document_row",
    "heading_text",
    "read_documents",
]

BLOCK = pa.struct(
    [("kind", pa.string()), ("level", pa.int32()), ("start", pa.int64()), ("end", pa.int64())]
)
"""A `graftline.domain.blocks.Block`."""

DOCUMENTS = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        # What a split never cuts through: the document itself.
        pa.field("group", pa.string(), nullable=False),
        pa.field("split", pa.string(), nullable=False),
        # Relative to the source; an archive stands in it as a folder.
        pa.field("path", pa.string(), nullable=False),
        pa.field("media_type", pa.string(), nullable=False),
        pa.field("title", pa.string(), nullable=False),
        # Of Markdown and plain text the file's own characters (of Markdown, those behind its front
        # matter); else what was extracted, in Markdown's spelling.
        pa.field("text", pa.string(), nullable=False),
        pa.field("blocks", pa.list_(BLOCK), nullable=False),
        # Of the original file's bytes.
        pa.field("sha256", pa.string(), nullable=False),
        # Whatever else is known (bytes, pages, author), as canonical JSON.
        pa.field("meta", pa.string(), nullable=False),
    ]
)

CHUNKS = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        # The document's id.
        pa.field("parents", pa.list_(pa.string()), nullable=False),
        pa.field("source", SPAN, nullable=False),
        pa.field("group", pa.string(), nullable=False),
        pa.field("split", pa.string(), nullable=False),
        # Which chunk of its document, from 0, and how many the document has.
        pa.field("index", pa.int32(), nullable=False),
        pa.field("count", pa.int32(), nullable=False),
        pa.field("text", pa.string(), nullable=False),
        # By the model's tokenizer; null without one.
        pa.field("tokens", pa.int32()),
        # The headings that its first line stands under, outermost first; if that line is a heading,
        # it is the last of them.
        pa.field("headings", pa.list_(pa.string()), nullable=False),
        pa.field("path", pa.string(), nullable=False),
        pa.field("media_type", pa.string(), nullable=False),
        pa.field("meta", pa.string(), nullable=False),
    ]
)


def document_id(text: str) -> str:
    """Digest what a document says: 32 hexadecimal characters, whatever its name or format."""
    return sha256_text(text)[:32]


def chunk_id(document: str, start: int, end: int) -> str:
    """Digest which characters of which document a chunk holds: 32 hexadecimal characters."""
    return sha256_text(f"{document}:{start}:{end}")[:32]


def document_row(
    *,
    text: str,
    blocks: Sequence[Block],
    split: str,
    path: str,
    media_type: str,
    sha256: str,
    title: str = "",
    meta: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Make a row of `DOCUMENTS`; id and group depend on the text alone."""
    identity = document_id(text)
    return {
        "id": identity,
        "group": identity,
        "split": split,
        "path": path,
        "media_type": media_type,
        "title": title,
        "text": text,
        "blocks": [block._asdict() for block in blocks],
        "sha256": sha256,
        "meta": canonical_json(dict(meta or {})),
    }


def document_batch(row: Mapping[str, Any]) -> pa.RecordBatch:
    """Make an Arrow batch of one document, for `RowWriter.write_batch`.

    Documents can be large: `RowWriter.write` would hold thousands of them.
    """
    return pa.RecordBatch.from_pylist([dict(row)], schema=DOCUMENTS)


def read_documents(folder: Path, columns: Sequence[str] | None = None) -> Iterator[dict[str, Any]]:
    """Stream documents one at a time: memory is that of the largest, not of many."""
    for batch in read_batches(folder, columns, batch_rows=1):
        yield from batch.to_pylist()
