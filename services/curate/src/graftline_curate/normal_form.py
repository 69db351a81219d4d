"""Texts in the form in which they are compared, as bytes with spans, computed in columns."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

Bytes = np.ndarray[tuple[int], np.dtype[np.uint8]]
Digests = np.ndarray[tuple[int, int], np.dtype[np.uint64]]
Form = Literal["text", "words"]

_SPACE = 32
_INVISIBLE = "[\u200b\u200c\u200d\u2060\ufeff\u00ad]"
# RE2's \s knows ASCII only.
_NOT_IN_FORM = {"text": r"[\pZ\s\x{85}]", "words": r"[^\pL\pN\pM]"}


def _byte_table(form: Form) -> Bytes:
    """Map every byte to its lower case, or to a space where the form has none."""
    table = np.arange(256, dtype=np.uint8)
    for byte in range(128):
        character = chr(byte)
        separates = not character.isalnum() if form == "words" else character.isspace()
        table[byte] = _SPACE if separates else ord(character.lower())
    return table


_TABLES: dict[Form, Bytes] = {"text": _byte_table("text"), "words": _byte_table("words")}


@dataclass(frozen=True)
class Spans:
    """Texts as spans of one buffer: text i is `data[starts[i]:ends[i]]`."""

    data: Bytes
    starts: np.ndarray[tuple[int], np.dtype[np.int64]]
    ends: np.ndarray[tuple[int], np.dtype[np.int64]]

    def digests(self, strip: bytes = b"") -> Digests:
        """Digest every text with BLAKE2b to 128 bits, as two numbers.

        Args:
            strip: Bytes to leave out at each text's end.
        """
        view = self.data.tobytes()
        blake = hashlib.blake2b
        pieces = [
            blake(view[start:end].rstrip(strip) if strip else view[start:end], digest_size=16)
            for start, end in zip(self.starts.tolist(), self.ends.tolist(), strict=True)
        ]
        joined = b"".join([piece.digest() for piece in pieces])
        return np.frombuffer(joined, np.uint64).reshape(-1, 2)

    def text(self, index: int) -> str:
        """Give one text."""
        return self.data[self.starts[index] : self.ends[index]].tobytes().decode()


def normal_form(texts: pa.StringArray, form: Form) -> Spans:
    """Bring texts into a form for comparing.

    `text`: NFKC, lower case, one space where there is white space, none at the ends, nothing
    invisible. `words`: besides that, every character that is no letter, number or mark is white
    space.

    Args:
        texts: Without nulls.
        form: Which form.
    """
    data, offsets = _buffers(_unicode(texts, form))
    mapped = _TABLES[form][data]
    is_space = mapped == _SPACE
    # The first of several spaces stays, unless a text begins with it.
    after_space = np.empty_like(is_space)
    after_space[1:] = is_space[:-1]
    starts = offsets[:-1]
    after_space[starts[starts < len(after_space)]] = True
    keep = ~(is_space & after_space)
    if keep.all():
        kept, bounds = mapped, offsets
    else:
        kept = mapped[keep]
        bounds = np.concatenate([[0], np.cumsum(keep, dtype=np.int64)])[offsets]
    starts, ends = bounds[:-1], bounds[1:].copy()
    filled = ends > starts
    ends[filled] -= kept[ends[filled] - 1] == _SPACE
    return Spans(kept, starts, ends)


def _unicode(texts: pa.StringArray, form: Form) -> pa.StringArray:
    """Treat the texts that are not plain ASCII; the others need only the byte table."""
    other: Any = pc.invert(pc.string_is_ascii(texts))
    if not pc.any(other).as_py():
        return texts
    chosen = pc.utf8_lower(pc.utf8_normalize(texts.filter(other), form="NFKC"))
    chosen = pc.replace_substring_regex(chosen, _INVISIBLE, "")
    chosen = pc.replace_substring_regex(chosen, _NOT_IN_FORM[form], " ")
    return pc.replace_with_mask(texts, other, chosen)


def _buffers(texts: pa.StringArray) -> tuple[Bytes, np.ndarray[Any, np.dtype[np.int64]]]:
    if len(texts) == 0:
        return np.zeros(0, np.uint8), np.zeros(1, np.int64)
    _, offset_buffer, data_buffer = texts.buffers()
    raw = np.frombuffer(offset_buffer, np.int32)[texts.offset : texts.offset + len(texts) + 1]
    offsets = raw.astype(np.int64)
    data = np.frombuffer(data_buffer, np.uint8) if data_buffer else np.zeros(0, np.uint8)
    return data[offsets[0] : offsets[-1]], offsets - offsets[0]
