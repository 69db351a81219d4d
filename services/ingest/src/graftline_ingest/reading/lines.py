"""JSON Lines: a JSON value a line, strictly parsed, each mistake with line and column."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import msgspec

from graftline_ingest.reading.records import Malformed, Numbered
from graftline_ingest.reading.text import utf8_lines

if TYPE_CHECKING:
    from collections.abc import Iterator

_BYTE = re.compile(r"^(.*) \(byte (\d+)\)$")
_BLANK = b" \t\r\n"


def read_json_lines(blocks: Iterator[bytes], max_line_bytes: int) -> Iterator[Numbered]:
    """Parse JSON Lines; blank lines are no rows.

    Args:
        blocks: The file's bytes, as UTF-8.
        max_line_bytes: Longest line that is parsed.
    """
    decode = msgspec.json.Decoder().decode
    for number, line, too_long in utf8_lines(blocks, max_line_bytes):
        if too_long:
            problem = f"the line is longer than {max_line_bytes >> 20} MiB (max_row_mb)"
            yield number, Malformed.of("line-too-long", problem, line[:8000])
            continue
        try:
            yield number, decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            if line.strip(_BLANK):
                yield number, explain(line, error)


def explain(line: bytes, error: Exception) -> Malformed:
    """Say what is wrong with a line, and in which column (characters, from 1)."""
    if isinstance(error, RecursionError):
        return Malformed.of("malformed-json", "nested too deeply", line)
    try:
        text = line.decode()
    except UnicodeDecodeError as wrong:
        column = len(line[: wrong.start].decode()) + 1
        problem = f"byte 0x{line[wrong.start]:02x} is not UTF-8 (set `encoding` if it is another)"
        return Malformed.of("wrong-encoding", problem, line, column)
    try:
        json.loads(text)
    except json.JSONDecodeError as wrong:
        return Malformed.of("malformed-json", wrong.msg, line, wrong.pos + 1)
    except RecursionError:
        return Malformed.of("malformed-json", "nested too deeply", line)
    # Python's parser takes what JSON or Unicode does not have: NaN, lone surrogates, 1e999.
    problem = str(error).removeprefix("JSON is malformed: ")
    if match := _BYTE.match(problem):
        column = len(line[: int(match.group(2))].decode("utf-8", "ignore")) + 1
        return Malformed.of("malformed-json", match.group(1), line, column)
    return Malformed.of("malformed-json", problem, line)
