"""What came of a unit of chunks, kept as files."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from graftline.canonical import canonical_json
from graftline.domain.rows import EXAMPLES, REJECTS, RowWriter

if TYPE_CHECKING:
    from pathlib import Path

_COUNTS = "counts.json"


@dataclass
class UnitOutcome:
    """What came of a unit.

    Args:
        examples: Rows of EXAMPLES, duplicates among them.
        rejects: Rows of REJECTS.
        counts: Chunks, pairs and so on, by name.
    """

    examples: list[dict[str, Any]] = field(default_factory=list)
    rejects: list[dict[str, Any]] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def write(self, folder: Path) -> None:
        """Write it into an empty folder."""
        for name, rows, schema in (
            ("examples", self.examples, EXAMPLES),
            ("rejects", self.rejects, REJECTS),
        ):
            (folder / name).mkdir()
            with RowWriter(folder / name, schema) as writer:
                for row in rows:
                    writer.write(row)
        (folder / _COUNTS).write_text(canonical_json(dict(self.counts)), encoding="utf-8")


def read_counts(folder: Path) -> Counter[str]:
    """Read a unit's counts."""
    return Counter(json.loads((folder / _COUNTS).read_text(encoding="utf-8")))
