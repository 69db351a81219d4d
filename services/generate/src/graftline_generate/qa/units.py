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

    from graftline.llm.units import Costs


@dataclass
class UnitOutcome:
    """What came of a unit.

    Args:
        examples: Rows of EXAMPLES, duplicates among them.
        rejects: Rows of REJECTS.
        counts: Chunks, pairs and so on, by name.
        cost: What was spent since the unit before it; unknown is None.
    """

    examples: list[dict[str, Any]] = field(default_factory=list)
    rejects: list[dict[str, Any]] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    cost: Costs = field(default_factory=dict)

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
        said = {"counts": dict(self.counts), "cost": self.cost}
        (folder / "unit.json").write_text(canonical_json(said), encoding="utf-8")


def read_counts(folder: Path) -> tuple[Counter[str], Costs]:
    """Read a unit's counts and its cost."""
    said = json.loads((folder / "unit.json").read_text(encoding="utf-8"))
    return Counter(said["counts"]), said["cost"]
