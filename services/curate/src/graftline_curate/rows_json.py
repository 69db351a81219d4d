"""Rows as canonical JSON, for rejects and for comparing whole examples."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np

from graftline.domain.examples import compact
from graftline_curate.strict_json import spell

if TYPE_CHECKING:
    import pyarrow as pa

    from graftline_curate.normal_form import Digests


def row_json(row: dict[str, Any]) -> str:
    """Spell a row of EXAMPLES, without the null keys of its messages."""
    return spell({**row, "messages": compact(row["messages"])})


def example_digests(batch: pa.RecordBatch) -> Digests:
    """Digest messages and tools of every row to 128 bits, as two numbers."""
    rows = batch.select(["messages", "tools"]).to_pylist()
    blake = hashlib.blake2b
    pieces = [
        blake(spell([row["messages"], row["tools"]]).encode(), digest_size=16).digest()
        for row in rows
    ]
    return np.frombuffer(b"".join(pieces), np.uint64).reshape(-1, 2)
