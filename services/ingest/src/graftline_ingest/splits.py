"""Which split and which group a row belongs to."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from graftline_ingest.drafts import Refused, field_of

if TYPE_CHECKING:
    from graftline_ingest.config import SplitSettings

_KNOWN = {
    "train": "train",
    "training": "train",
    "val": "eval",
    "valid": "eval",
    "validate": "eval",
    "validation": "eval",
    "dev": "eval",
    "test": "eval",
    "eval": "eval",
    "evaluation": "eval",
    "ood": "ood",
    "oos": "ood",
    "oos_train": "ood",
    "oos_val": "ood",
    "oos_test": "ood",
}
TRAIN = "train"


class SplitRule:
    """Gives every row its split.

    Args:
        settings: The user's settings.
        seed: The step's seed, for the fractions.
    """

    def __init__(self, settings: SplitSettings, seed: int) -> None:
        """Prepare the names and the fractions."""
        self._settings = settings
        self._names = {**_KNOWN, **{key.lower(): name for key, name in settings.names.items()}}
        self._seed = seed
        self._cuts: list[tuple[float, str]] = []
        total = 0.0
        for name in sorted(settings.fractions):
            total += settings.fractions[name]
            self._cuts.append((total, name))

    def of_folder(self, name: str) -> str:
        """Give the split that a folder is called after, as the data spells it; empty if none."""
        return name if name.lower() in self._names else ""

    def share(self, group: str) -> float:
        """Give a group's place in [0, 1): a digest of it and the seed, whatever its neighbours."""
        digest = hashlib.sha256(f"{self._seed}:split:{group}".encode()).digest()
        return int.from_bytes(digest[:8], "big") / 2**64

    def named(self, record: Any, said: str) -> str:
        """Give the split that the data names, or `default`.

        Args:
            record: The record, for the split field.
            said: What the file, the Hub or the layout says of the split; empty if nothing.

        Raises:
            Refused: The split field is missing, or the config leaves rows of this split out.
        """
        field = self._settings.field
        if field:
            try:
                said = str(field_of(record, field) or "")
            except KeyError:
                raise Refused("missing-field", f"no field '{field}' for the split") from None
        if not said:
            return self._settings.default
        split = self._names.get(said.strip().lower(), said.strip())
        if not split:
            raise Refused("split-left-out", f"split '{said}' is left out by split.names")
        return split

    def cut(self, split: str, group: str) -> str:
        """Take a group from train into another split, as the fractions ask."""
        if split != TRAIN or not self._cuts:
            return split
        share = self.share(group)
        return next((name for end, name in self._cuts if share < end), TRAIN)
