"""JSON as RFC 8259 has it: no NaN, no infinity, no trailing commas, valid Unicode."""

from __future__ import annotations

from typing import Any

import msgspec

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder(order="sorted").encode


def parse(text: str) -> Any:
    """Parse strictly.

    Raises:
        ValueError: It is no JSON.
    """
    try:
        return _decode(text)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise ValueError(str(error)) from error


def spell(value: Any) -> str:
    """Spell a value with sorted keys and no spaces."""
    return _encode(value).decode()
