"""`normalise`: one spelling of text; a row that changes is a new row with a parent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from graftline.domain.examples import example_id
from graftline_curate.chats import Chats
from graftline_curate.operations.base import Operation, Outcome
from graftline_curate.strict_json import parse

if TYPE_CHECKING:
    from collections.abc import Callable

    from graftline_curate.config import Normalise

# Zero-width space, word joiner, byte order mark; C0 controls but tab, LF and CR; DEL.
_INVISIBLE = r"[\x{200b}\x{2060}\x{feff}\x00-\x08\x0b\x0c\x0e-\x1f\x7f]"


class NormaliseOperation(Operation):
    """Rewrites texts in columns; ids are made again for the rows that changed."""

    rewrites = True

    def __init__(self, settings: Normalise) -> None:
        """Keep the settings."""
        self._settings = settings
        self._changed = 0

    def begin(self) -> None:
        """Count from zero."""
        self._changed = 0

    def apply(self, batch: pa.RecordBatch) -> Outcome:
        """Rewrite a batch."""
        chats = Chats(batch)
        before = chats.contents
        after = self._spell(before)
        differs = pc.fill_null(pc.not_equal(before, after), False)
        if self._settings.of == "user":
            differs = pc.and_(differs, pc.equal(chats.roles, "user"))
        if not pc.any(differs).as_py():
            return Outcome(batch)
        changed_messages = np.asarray(differs.to_numpy(zero_copy_only=False))
        rows = np.unique(chats.row_of_message[changed_messages])
        self._changed += len(rows)
        batch = chats.with_contents(batch, pc.if_else(differs, after, before))
        return Outcome(_renamed(batch, rows))

    def finish(self, log: Callable[[str, str], None]) -> None:
        """Say how many rows changed."""
        log(f"normalise: {self._changed:,} rows changed", "info")

    def _spell(self, texts: pa.StringArray) -> pa.StringArray:
        settings = self._settings
        if settings.unicode != "none":
            texts = _normalised(texts, settings.unicode)
        if settings.line_ends:
            texts = pc.replace_substring(texts, "\r\n", "\n")
            texts = pc.replace_substring(texts, "\r", "\n")
        if settings.invisible:
            texts = pc.replace_substring_regex(texts, _INVISIBLE, "")
        return pc.utf8_trim_whitespace(texts) if settings.trim else texts


def _normalised(texts: pa.StringArray, form: str) -> pa.StringArray:
    """Normalise what is not plain ASCII; the rest is so already."""
    other: Any = pc.fill_null(pc.invert(pc.string_is_ascii(texts)), False)
    if not pc.any(other).as_py():
        return texts
    return pc.replace_with_mask(texts, other, pc.utf8_normalize(texts.filter(other), form=form))


def _renamed(batch: pa.RecordBatch, rows: Any) -> pa.RecordBatch:
    """Give changed rows the id of their new text, and their old id as a parent."""
    ids = batch.column("id").to_pylist()
    parents = batch.column("parents").to_pylist()
    changed = batch.take(pa.array(rows)).select(["messages", "tools"]).to_pylist()
    for row, content in zip(rows.tolist(), changed, strict=True):
        tools = parse(content["tools"]) if content["tools"] else None
        parents[row] = [*parents[row], ids[row]]
        ids[row] = example_id(content["messages"], tools)
    for name, values in (("id", ids), ("parents", parents)):
        position = batch.schema.get_field_index(name)
        field = batch.schema.field(position)
        batch = batch.set_column(position, field, pa.array(values, field.type))
    return batch
