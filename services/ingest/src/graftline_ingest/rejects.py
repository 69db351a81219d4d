"""What could not be used: kept, counted, and told with its place."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from graftline.canonical import sha256_text

if TYPE_CHECKING:
    from graftline.domain.rows import RowWriter
    from graftline_ingest.drafts import Refused
    from graftline_ingest.reading.records import Feed, Malformed

MALFORMED = frozenset(
    {
        *("malformed-json", "malformed-row", "malformed-yaml", "malformed-value"),
        *("wrong-encoding", "line-too-long", "not-an-object"),
    }
)
"""Reasons that count against `max_malformed_share`."""


_SHOWN_LEVELS = 64


class RejectLog:
    """Writes rejects and counts them by reason.

    Args:
        writer: Where they go.
    """

    def __init__(self, writer: RowWriter) -> None:
        """Begin at zero."""
        self._writer = writer
        self.counts: Counter[str] = Counter()
        self.first = ""
        self.first_malformed = ""

    @property
    def total(self) -> int:
        """How many there are."""
        return self.counts.total()

    @property
    def malformed(self) -> int:
        """How many of them could not be read at all."""
        return sum(self.counts[reason] for reason in MALFORMED)

    def add_malformed(self, feed: Feed, number: int, item: Malformed) -> None:
        """Keep a row that could not be read."""
        detail = f"{feed.place(number, item.column)}: {item.problem}"
        self._add(item.reason, detail, item.raw, f"{feed.place(number)}:{item.raw}")

    def add_refused(self, feed: Feed, number: int, record: Any, refused: Refused) -> None:
        """Keep a record that is no example."""
        try:
            row = _spell(record)
        except RecursionError:
            row = _spell(_shallow(record, _SHOWN_LEVELS))
        detail = f"{feed.place(number)}: {refused.detail}"
        self._add(refused.reason, detail, row, f"{feed.place(number)}:{row}")

    def summary(self) -> str:
        """Give `3 malformed-json, 1 empty-text`, the most frequent first."""
        ordered = sorted(self.counts.items(), key=lambda item: (-item[1], item[0]))
        return ", ".join(f"{count:,} {reason}" for reason, count in ordered)

    def _add(self, reason: str, detail: str, row: str, identity: str) -> None:
        self.counts[reason] += 1
        # A lone surrogate (from an escape in JSON) cannot be written as UTF-8.
        detail = detail.encode("utf-8", "replace").decode()
        self.first = self.first or detail
        if reason in MALFORMED:
            self.first_malformed = self.first_malformed or detail
        self._writer.write(
            {
                "id": sha256_text(identity.encode("utf-8", "replace").decode())[:32],
                "reason": reason,
                "detail": detail,
                "split": None,
                "row": row,
            }
        )


def _spell(record: Any) -> str:
    return json.dumps(record, ensure_ascii=True, sort_keys=True, separators=(",", ":"))


def _shallow(value: Any, levels: int) -> Any:
    """Cut off what is nested more deeply than any writer follows."""
    if not isinstance(value, (dict, list)):
        return value
    if levels == 0:
        return "…"
    if isinstance(value, list):
        return [_shallow(item, levels - 1) for item in value]
    return {key: _shallow(item, levels - 1) for key, item in value.items()}
