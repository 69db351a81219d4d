"""Which rows are tokenised, and which of the train rows become validation rows."""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import TYPE_CHECKING

from graftline.domain.rows import read_batches
from graftline.errors import DataError
from graftline_format.config import TRAIN, VALIDATION

if TYPE_CHECKING:
    from pathlib import Path

    from graftline_format.config import FormatConfig

_TOO_MUCH = 1.5
_MOST_OF_ALL = 0.25


class Splitter:
    """Gives each row its split in the training set.

    Validation groups are taken in an order that the seed and the groups' names decide, until the
    share is reached. A group that would overshoot it by half is left out; if all would, the
    smallest is taken, unless that is a quarter of all train rows.

    Args:
        examples: The examples' folder; it is read once, its `split` and `group` columns only.
        config: Which splits, and how much validation.
        seed: The step's seed.

    Raises:
        DataError: A split that is asked for has no rows.
    """

    def __init__(self, examples: Path, config: FormatConfig, seed: int) -> None:
        """Count the rows of splits and groups, and choose."""
        self._wanted = frozenset(config.splits)
        self._key = str(seed).encode()[:64]
        groups: Counter[int] = Counter()
        self.rows: Counter[str] = Counter()
        for batch in read_batches(examples, ["split", "group"]):
            splits = batch.column("split").to_pylist()
            self.rows.update(splits)
            for split, group in zip(splits, batch.column("group").to_pylist(), strict=True):
                if split == TRAIN:
                    groups[self._digest(group)] += 1
        missing = sorted(self._wanted - set(self.rows))
        if missing:
            raise DataError(
                f"the examples have no rows of split {', '.join(missing)}; they have "
                + (
                    ", ".join(f"{name} ({count})" for name, count in sorted(self.rows.items()))
                    or "no rows at all"
                ),
                "name the splits to tokenise in 'splits'",
            )
        cut = TRAIN in self._wanted and VALIDATION not in self._wanted
        self._validation = _choose(groups, config.validation_share if cut else 0.0)

    @property
    def total(self) -> int:
        """Count the rows that are to be tokenised."""
        return sum(self.rows[split] for split in self._wanted)

    @property
    def left_out(self) -> dict[str, int]:
        """Count the other splits' rows."""
        return {name: self.rows[name] for name in sorted(set(self.rows) - self._wanted)}

    def split_of(self, split: str, group: str) -> str | None:
        """Name the split that a row has in the training set; None if it is not in it."""
        if split not in self._wanted:
            return None
        if split == TRAIN and self._validation and self._digest(group) in self._validation:
            return VALIDATION
        return split

    def _digest(self, group: str) -> int:
        """Stand for a group: 64 bits that order groups by seed, and hold a million in little."""
        digest = hashlib.blake2b(group.encode(), digest_size=8, key=self._key).digest()
        return int.from_bytes(digest, "big")


def _choose(groups: Counter[int], share: float) -> frozenset[int]:
    total = sum(groups.values())
    wanted = share * total
    if not wanted or len(groups) < 2:
        return frozenset()
    chosen, taken = set(), 0
    for group in sorted(groups):
        if taken >= wanted:
            break
        if taken + groups[group] <= _TOO_MUCH * wanted:
            chosen.add(group)
            taken += groups[group]
    if not chosen:
        smallest = min(groups, key=lambda group: (groups[group], group))
        if groups[smallest] < _MOST_OF_ALL * total:
            chosen.add(smallest)
    return frozenset(chosen)
