"""A folder of files as an artifact."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from graftline.canonical import digest_of, sha256_file
from graftline.errors import BugError
from graftline.ports import kind_name, kind_value
from graftline.store.failures import local_disk
from graftline.v1 import artifact_pb2

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pyarrow as pa

_HASHERS = 4


def describe_folder(
    folder: Path, kind: artifact_pb2.ArtifactKind | str, rows: int | None = None
) -> artifact_pb2.Artifact:
    """Describe a folder's files, each with its digest; the same files give the same description.

    Links to files count as the files; empty folders do not count.

    Args:
        folder: The folder.
        kind: An artifact kind or its name.
        rows: The row count; nothing where the kind has no rows.

    Raises:
        BugError: The folder is missing, or holds what is neither a file nor a folder.
        GraftlineError: A file cannot be read.
    """
    kind = kind_value(kind) if isinstance(kind, str) else kind
    with local_disk(f"describe {folder}"):
        if not folder.is_dir():
            raise BugError(f"output folder {folder} is not there")
        paths = sorted(_files(folder, ""))
        with ThreadPoolExecutor(_HASHERS) as pool:
            digests = pool.map(lambda path: sha256_file(folder / path), paths)
            blobs = [
                artifact_pb2.Blob(path=path, size=(folder / path).stat().st_size, sha256=digest)
                for path, digest in zip(paths, digests, strict=True)
            ]
        fingerprint = _schema_fingerprint(folder, paths)
    return artifact_pb2.Artifact(
        kind=kind,
        blobs=blobs,
        rows=rows,
        schema_fingerprint=fingerprint,
        digest=artifact_digest(kind, blobs),
    )


def artifact_digest(kind: artifact_pb2.ArtifactKind, blobs: list[artifact_pb2.Blob]) -> str:
    """Digest an artifact's kind and files: equal digests mean equal files."""
    files = sorted([blob.path, blob.size, blob.sha256] for blob in blobs)
    return digest_of({"kind": kind_name(kind), "blobs": files})


def is_safe_path(path: str) -> bool:
    """Whether a blob's path stays inside the folder that it is put in."""
    parts = path.split("/")
    return bool(path) and "\\" not in path and not {"", ".", ".."} & set(parts)


def _files(folder: Path, prefix: str) -> Iterator[str]:
    with os.scandir(folder / prefix if prefix else folder) as entries:
        for entry in entries:
            path = f"{prefix}{entry.name}"
            if entry.is_file():
                yield path
            elif entry.is_dir(follow_symlinks=False):
                yield from _files(folder, f"{path}/")
            else:
                raise BugError(f"{folder / path} is neither a file nor a folder")


def _schema_fingerprint(folder: Path, paths: list[str]) -> str:
    parquet = [path for path in paths if path.endswith(".parquet")]
    if not parquet:
        return ""
    import pyarrow as pa
    from pyarrow import parquet as pq

    try:
        schemas = {_spell(pq.read_schema(folder / path)) for path in parquet}
    except pa.ArrowInvalid as error:
        raise BugError(f"{folder}: a .parquet file that is not Parquet: {error}") from error
    return digest_of(sorted(schemas))


def _spell(schema: pa.Schema) -> str:
    """Names, types and nullability; metadata (writer's version, pandas' index) is left out."""
    return "\n".join(str(field.remove_metadata()) for field in schema)
