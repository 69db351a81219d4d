"""One spelling for one value: canonical JSON and the digests made of it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Iterable

_BLOCK_BYTES = 1 << 20


def canonical_json(value: Any) -> str:
    """Spell a JSON value in one way: sorted keys, no spaces, no NaN, non-ASCII as itself.

    Raises:
        ValueError: The value holds NaN or an infinity.
    """
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def sha256_text(text: str) -> str:
    """Digest a text's UTF-8 bytes, in lower-case hexadecimal (64 characters)."""
    return hashlib.sha256(text.encode()).hexdigest()


def sha256_bytes(data: bytes) -> str:
    """Digest bytes, in lower-case hexadecimal (64 characters)."""
    return hashlib.sha256(data).hexdigest()


def sha256_stream(stream: BinaryIO) -> str:
    """Digest a stream from where it stands to its end, in blocks of 1 MiB."""
    digest = hashlib.sha256()
    while block := stream.read(_BLOCK_BYTES):
        digest.update(block)
    return digest.hexdigest()


def sha256_file(path: Path) -> str:
    """Digest a file's bytes.

    Raises:
        OSError: It cannot be read.
    """
    with path.open("rb") as stream:
        return sha256_stream(stream)


def digest_of(value: Any) -> str:
    """Digest a JSON value by its canonical spelling."""
    return sha256_text(canonical_json(value))


def digest_of_files(files: Iterable[tuple[str, str]]) -> str:
    """Digest a set of files given as (relative path, sha256), whatever their order."""
    return digest_of(sorted([path, sha256] for path, sha256 in files))
