"""Bytes to UTF-8: byte order marks, other encodings, and what fits none."""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING, BinaryIO

from graftline.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator

BLOCK_BYTES = 1 << 20

# The marks of UTF-32 begin with those of UTF-16: the longer first.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def utf8_blocks(stream: BinaryIO, encoding: str, name: str) -> Iterator[bytes]:
    """Give a stream's bytes as UTF-8, about a MiB at a time, without a byte order mark.

    UTF-8 itself is passed on unchecked: whoever parses it says which line is wrong.

    Args:
        stream: The bytes.
        encoding: `auto` or a name; auto is UTF-8 unless a mark says otherwise.
        name: The file's name, for the message.

    Raises:
        DataError: The bytes are not of that encoding.
    """
    first = stream.read(BLOCK_BYTES)
    mark, marked = next(((m, e) for m, e in _MARKS if first.startswith(m)), (b"", ""))
    chosen = (marked or "utf-8") if encoding == "auto" else encoding
    if chosen == "utf-8":
        yield first[len(mark) :] if marked == "utf-8" else first
        while block := stream.read(BLOCK_BYTES):
            yield block
        return
    decoder = codecs.getincrementaldecoder(chosen)()
    try:
        yield decoder.decode(first).encode()
        while block := stream.read(BLOCK_BYTES):
            yield decoder.decode(block).encode()
        yield decoder.decode(b"", final=True).encode()
    except UnicodeError as error:
        raise DataError(
            f"{name}: is not {chosen}: {error}", "set `encoding` to the file's own"
        ) from error


def utf8_lines(blocks: Iterator[bytes], max_line_bytes: int) -> Iterator[tuple[int, bytes, bool]]:
    """Cut blocks into lines at newlines.

    Args:
        blocks: UTF-8 bytes.
        max_line_bytes: What is longer is cut there and marked; its rest is skipped.

    Yields:
        Line number from 1, bytes without the newline, whether it was too long.
    """
    number = 0
    rest = b""
    skipping = False
    for block in blocks:
        lines = block.split(b"\n")
        last = len(lines) - 1
        for index, line in enumerate(lines):
            if index < last:
                number += 1
                if skipping:
                    skipping = False
                    continue
                whole = rest + line if rest else line
                rest = b""
                yield number, whole[:max_line_bytes], len(whole) > max_line_bytes
            elif not skipping:
                rest += line
        if len(rest) > max_line_bytes:
            yield number + 1, rest[:max_line_bytes], True
            rest, skipping = b"", True
    if rest:
        yield number + 1, rest, False
