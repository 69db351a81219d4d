"""JSON files: an array of rows, read piece by piece; or one object, read whole."""

from __future__ import annotations

import codecs
import json
from itertools import chain
from typing import TYPE_CHECKING, Any, NoReturn

from graftline.errors import DataError
from graftline_ingest.reading.lines import read_json_lines

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graftline_ingest.reading.records import Numbered

_BLANK = " \t\r\n"
_MIN_AHEAD = 1 << 16
# A literal or an escape that the window cuts in two is shorter than this.
_LONGEST_TOKEN = 32


def read_document(
    blocks: Iterator[bytes], name: str, *, max_row_bytes: int, max_document_bytes: int
) -> Iterator[Numbered]:
    """Give the items of a top-level array, or the one top-level object.

    A file whose first line is a whole object followed by more is read as JSON Lines.

    Args:
        blocks: The file's bytes, as UTF-8.
        name: The file's name, for messages.
        max_row_bytes: Largest item of an array.
        max_document_bytes: Largest file that is one object.

    Raises:
        DataError: The file is no JSON, or too large for what it is. What follows a mistake in an
            array cannot be told, so that one mistake makes the file unusable.
    """
    first = next(blocks, b"")
    while not first.strip() and (more := next(blocks, b"")):
        first += more
    start = first.lstrip()[:1]
    if not start:
        raise DataError(f"{name}: is empty")
    everything = chain([first], blocks)
    if start == b"[":
        yield from _ArrayReader(everything, name, max_row_bytes).items()
    elif start == b"{" and _first_line_is_whole(first):
        yield from read_json_lines(everything, max_row_bytes)
    else:
        yield 1, parse_whole(everything, name, max_document_bytes)


def parse_whole(blocks: Iterator[bytes], name: str, max_bytes: int, encoding: str = "utf-8") -> Any:
    """Parse one JSON value that is the whole file.

    Raises:
        DataError: It is too large, not of the encoding, or no JSON.
    """
    data = bytearray()
    for block in blocks:
        data += block
        if len(data) > max_bytes:
            raise DataError(
                f"{name}: one JSON object of more than {max_bytes >> 20} MiB",
                "convert it to JSON Lines, or raise `max_document_mb`",
            )
    try:
        return json.loads(data.decode(encoding), parse_constant=_refuse_constant)
    except UnicodeDecodeError as error:
        raise not_utf8(name, error) from error
    except json.JSONDecodeError as error:
        raise DataError(
            f"{name}, line {error.lineno}, column {error.colno}: no JSON: {error.msg}"
        ) from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{name}: no JSON: {error}") from error


def not_utf8(name: str, error: UnicodeDecodeError) -> DataError:
    """Make the error for a text file in another encoding."""
    return DataError(
        f"{name}: byte {error.start} (0x{error.object[error.start]:02x}) is not UTF-8",
        "set `encoding` to the file's own",
    )


def _first_line_is_whole(first: bytes) -> bool:
    line, newline, rest = first.lstrip().partition(b"\n")
    if not newline or not rest.strip():
        return False
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON value")


class _ArrayReader:
    """Parses the items of one array from a window of text that is moved along the file."""

    def __init__(self, blocks: Iterator[bytes], name: str, max_item_bytes: int) -> None:
        self._blocks = blocks
        self._name = name
        self._max = max_item_bytes
        self._decode = codecs.getincrementaldecoder("utf-8")().decode
        self._parse = json.JSONDecoder(parse_constant=_refuse_constant).raw_decode
        self._text = ""
        self._at = 0
        self._ended = False
        self._lines_before = 0
        self._last_line_before = 0  # characters of the line that the window begins in

    def items(self) -> Iterator[Numbered]:
        """Give (number from 1, item)."""
        self._expect("[", "an array")
        if self._peek() == "]":
            self._at += 1
            return self._finish()
        number = 0
        while True:
            number += 1
            yield number, self._item()
            following = self._peek()
            self._at += 1
            if following == "]":
                return self._finish()
            if following != ",":
                self._at -= 1
                self._fail("expected ',' or ']'")

    def _item(self) -> Any:
        self._peek()
        while True:
            try:
                value, end = self._parse(self._text, self._at)
            except (ValueError, RecursionError) as error:
                if self._is_certain(error):
                    self._explain(error)
                self._compact()
                self._read_more()
                continue
            # A number at the window's end may go on.
            if end == len(self._text) and not self._ended:
                self._read_more()
                continue
            self._at = end
            return value

    def _is_certain(self, error: Exception) -> bool:
        """Whether more text could not mend an item: what is merely cut off fails at the end."""
        if self._ended or len(self._text) - self._at > self._max:
            return True
        if not isinstance(error, json.JSONDecodeError):
            return True
        cut_off = error.msg.startswith("Unterminated string")
        return not cut_off and error.pos < len(self._text) - _LONGEST_TOKEN

    def _explain(self, error: Exception) -> NoReturn:
        if isinstance(error, json.JSONDecodeError):
            if not self._ended and error.msg.startswith("Unterminated string"):
                self._fail(f"an item longer than {self._max >> 20} MiB (max_row_mb)")
            self._at = error.pos
            self._fail(error.msg)
        self._fail(str(error))

    def _peek(self) -> str:
        while True:
            text, at = self._text, self._at
            while at < len(text) and text[at] in _BLANK:
                at += 1
            self._at = at
            if at < len(text):
                if at > _MIN_AHEAD and len(text) - at < _MIN_AHEAD and not self._ended:
                    self._compact()
                    self._read_more()
                    continue
                return text[at]
            if self._ended:
                self._fail("the file ends inside the array")
            self._compact()
            self._read_more()

    def _expect(self, character: str, what: str) -> None:
        if self._peek() != character:
            self._fail(f"expected {what}")
        self._at += 1

    def _finish(self) -> None:
        while not self._ended or self._text[self._at :].strip(_BLANK):
            rest = self._text[self._at :].lstrip(_BLANK)
            if rest:
                self._at = len(self._text) - len(rest)
                self._fail("something follows the array")
            self._compact()
            self._read_more()

    def _read_more(self) -> None:
        """Take at least as much again, so that a large item costs no quadratic time."""
        wanted = max(len(self._text), _MIN_AHEAD)
        pieces = [self._text]
        got = 0
        while got < wanted and not self._ended:
            block = next(self._blocks, b"")
            try:
                piece = self._decode(block, not block)
            except UnicodeDecodeError as error:
                raise not_utf8(self._name, error) from error
            self._ended = not block
            got += len(piece)
            pieces.append(piece)
        self._text = "".join(pieces)

    def _compact(self) -> None:
        gone = self._text[: self._at]
        newlines = gone.count("\n")
        if newlines:
            self._lines_before += newlines
            self._last_line_before = len(gone) - gone.rindex("\n") - 1
        else:
            self._last_line_before += len(gone)
        self._text, self._at = self._text[self._at :], 0

    def _fail(self, problem: str) -> NoReturn:
        self._compact()
        line, column = self._lines_before + 1, self._last_line_before + 1
        raise DataError(f"{self._name}, line {line}, column {column}: no JSON: {problem}")
