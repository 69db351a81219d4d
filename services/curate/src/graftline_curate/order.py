"""An order of rows that depends on what they say, never on where they stand."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

from graftline_curate.operations.base import TRAIN

if TYPE_CHECKING:
    import pyarrow as pa

    from graftline_curate.normal_form import Digests

Codes = np.ndarray[tuple[int], np.dtype[np.int32]]

_LABELS = ("group", "split", "task", "meta")


def row_digests(batch: pa.RecordBatch, salt: str = "") -> Digests:
    """Digest id, group, split, task and meta of every row to 128 bits, as two numbers.

    Args:
        batch: Rows of EXAMPLES.
        salt: Other salts give other, unrelated orders.
    """
    columns = [batch.column(name).to_pylist() for name in ("id", *_LABELS)]
    blake, prefix = hashlib.blake2b, f"{salt}\x1e"
    pieces = [
        blake((prefix + "\x1e".join(values)).encode(), digest_size=16).digest()
        for values in zip(*columns, strict=True)
    ]
    return np.frombuffer(b"".join(pieces), np.uint64).reshape(-1, 2)


class SplitNumbers:
    """Numbers for split names: evaluation splits by name before train, which has the largest."""

    def __init__(self) -> None:
        """Begin with none."""
        self._seen: dict[str, int] = {}

    def codes(self, splits: pa.StringArray) -> Codes:
        """Give a code for each row's split, in the order of appearance."""
        kinds = splits.dictionary_encode()
        numbers = [
            self._seen.setdefault(name, len(self._seen)) for name in kinds.dictionary.to_pylist()
        ]
        codes: Codes = np.array(numbers, np.int32)[kinds.indices.to_numpy()]
        return codes

    @property
    def names(self) -> list[str]:
        """Names by code."""
        return list(self._seen)

    def ranks(self) -> Codes:
        """Give each code's rank, which does not depend on the order of appearance."""
        ordered = sorted(self._seen, key=lambda name: (name == TRAIN, name))
        return np.array([ordered.index(name) for name in self._seen], np.int32)
