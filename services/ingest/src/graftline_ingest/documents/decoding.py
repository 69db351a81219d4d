"""Bytes to text: marks, UTF-8, a declared or detected encoding; and what is no text at all."""

from __future__ import annotations

import codecs
import re

from graftline_ingest.drafts import Refused

# The marks of UTF-32 begin with those of UTF-16: the longer first.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_CONTROLS = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_SAMPLE = 1 << 16
_MOST_CONTROLS = 0.01


def decode(data: bytes, encoding: str, declared: str = "") -> tuple[str, str]:
    """Decode a whole file; a byte order mark is dropped, everything else is kept as it is.

    Args:
        data: The file.
        encoding: `auto` or a name. Auto: the mark's, else the declared one, else UTF-8, else what
            `charset-normalizer` finds.
        declared: What the file itself says of its encoding.

    Returns:
        The text and the encoding's name.

    Raises:
        Refused: It is no text (binary), or not of that encoding (wrong-encoding).
    """
    text, name = _decode(data, encoding, declared)
    controls = len(_CONTROLS.findall(text, 0, _SAMPLE))
    if "\0" in text or controls > _MOST_CONTROLS * min(len(text), _SAMPLE):
        raise Refused("binary", "is no text: it holds NUL or many control characters")
    return text, name


def _decode(data: bytes, encoding: str, declared: str) -> tuple[str, str]:
    mark, marked = next(((m, e) for m, e in _MARKS if data.startswith(m)), (b"", ""))
    if encoding != "auto":
        # `utf-16` and `utf-32` are with a mark, or of this machine's order without one.
        chosen = marked if marked.startswith(encoding) else encoding
        return _strictly(data[len(mark) if marked == chosen else 0 :], chosen)
    if marked:
        return _strictly(data[len(mark) :], marked)
    for candidate in (declared, "utf-8"):
        try:
            if candidate:
                return data.decode(candidate), candidate
        except (UnicodeError, LookupError):
            continue
    if b"\0" in data:
        raise Refused("binary", "is no text: it holds NUL bytes and no mark of UTF-16")
    return _detect(data)


def _detect(data: bytes) -> tuple[str, str]:
    from charset_normalizer import from_bytes

    best = from_bytes(data[: 4 * _SAMPLE]).best()
    if best is None:
        raise Refused("binary", "is no text of any known encoding")
    return _strictly(data, best.encoding)


def _strictly(data: bytes, encoding: str) -> tuple[str, str]:
    try:
        return data.decode(encoding), encoding
    except UnicodeError as error:
        raise Refused("wrong-encoding", f"is not {encoding}: {error}") from None
