"""A step's own corner of the store: checkpoints while it runs, and the shared cache."""

from __future__ import annotations

import json
import logging
import secrets
import shutil
from datetime import timedelta
from typing import TYPE_CHECKING

from graftline.canonical import canonical_json
from graftline.store.artifacts import describe_folder, is_safe_path
from graftline.store.failures import CorruptBlob, local_disk
from graftline.store.names import (
    cache_name,
    checkpoint_blobs_prefix,
    checkpoint_name,
    checkpoints_prefix,
)
from graftline.store.objects import utc_now
from graftline.store.transfer import PARALLEL_FILES, PART_BYTES, in_order
from graftline.v1 import artifact_pb2

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from graftline.store.objects import Store, StoredObject

_LOG = logging.getLogger(__name__)
_ORPHAN_AGE = timedelta(hours=1)
_READ_ATTEMPTS = 3
_Entry = tuple[str, int, str]


class StoreVault:
    """Checkpoints of one step, and the cache; see `graftline.context.Vault`.

    Every save has a folder of its own; the small index that names it is written last, in one
    piece. A crash in between leaves the checkpoint before it.
    """

    def __init__(self, store: Store, key: str) -> None:
        """Use a store; `key` is the step's."""
        self._store = store
        self._key = key

    def save_checkpoint(self, name: str, folder: Path) -> None:
        """Keep a folder's files under a name; all of them or none become visible.

        Raises:
            GraftlineError: They could not be written; the checkpoint before stands.
        """
        artifact = describe_folder(folder, artifact_pb2.ARTIFACT_KIND_UNSPECIFIED)
        save = secrets.token_hex(8)
        prefix = f"{checkpoint_blobs_prefix(self._key, name)}{save}/"
        unique = {blob.sha256: blob.path for blob in artifact.blobs}
        files = [(blob.path, blob.size, blob.sha256) for blob in artifact.blobs]

        def put(entry: _Entry) -> None:
            path, _, sha256 = entry
            if unique[sha256] == path:
                self._store.upload(folder / path, f"{prefix}{sha256}")

        _each(put, files)
        replaced = self._store.get(checkpoint_name(self._key, name))
        before = _parse_index(replaced) if replaced is not None else None
        index = canonical_json({"save": save, "files": files})
        self._store.put(checkpoint_name(self._key, name), index.encode())
        self._sweep(name, keep=save, replaced=before[0] if before else "")

    def load_checkpoint(self, name: str, folder: Path) -> bool:
        """Put the files kept under a name into a folder, digests verified; False if none.

        A checkpoint that cannot be used is told in the log, removed, and counts as none from then
        on: what it held is done again.

        Raises:
            GraftlineError: The store cannot be read, or the folder not written.
        """
        problem = etag = ""
        for _ in range(_READ_ATTEMPTS):
            found = self._store.get(checkpoint_name(self._key, name))
            if found is None:
                return False
            etag, index = found.etag, _parse_index(found)
            if index is None:
                problem = "its index cannot be read"
                break
            try:
                self._read_files(name, *index, folder)
                return True
            except CorruptBlob as error:
                # A save of another worker may just have replaced it: look again.
                problem = error.cause
        _LOG.warning("checkpoint '%s' cannot be used: %s", name, problem)
        self._remove_index(name, etag)
        return False

    def checkpoints(self) -> set[str]:
        """Give the names under which something is kept.

        Raises:
            GraftlineError: The store cannot be read.
        """
        prefix = checkpoints_prefix(self._key)
        names = (item.name.removeprefix(prefix) for item in self._store.list(prefix))
        return {name.removesuffix(".json") for name in names}

    def cache_get(self, namespace: str, key: str) -> bytes | None:
        """Give a cached value, or nothing; a damaged one counts as nothing.

        Raises:
            GraftlineError: The store cannot be read.
        """
        found = self._store.get(cache_name(namespace, key))
        return found.data if found is not None and found.intact else None

    def cache_put(self, namespace: str, key: str, value: bytes) -> None:
        """Keep a value; the first writer of a key wins, unless what it wrote is damaged.

        Raises:
            GraftlineError: It could not be written.
        """
        name = cache_name(namespace, key)
        if self._store.put_new(name, value):
            return
        found = self._store.get(name)
        if found is not None and not found.intact:
            self._store.replace(name, value, found.etag)

    def forget(self) -> None:
        """Remove all checkpoints of the step: it is committed.

        Raises:
            GraftlineError: They could not be removed.
        """
        for prefix in (checkpoints_prefix(self._key), checkpoint_blobs_prefix(self._key)):
            self._store.delete(item.name for item in self._store.list(prefix))

    def _remove_index(self, name: str, etag: str) -> None:
        """Make an unusable checkpoint none, unless somebody has just saved another one."""
        index = checkpoint_name(self._key, name)
        found = self._store.head(index)
        if found is not None and found.etag == etag:
            self._store.delete([index])

    def _read_files(self, name: str, save: str, files: list[_Entry], folder: Path) -> None:
        prefix = f"{checkpoint_blobs_prefix(self._key, name)}{save}/"
        staging = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}")

        def get(entry: _Entry) -> None:
            path, size, sha256 = entry
            if not is_safe_path(path):
                raise CorruptBlob(f"'{path}' is no path of a checkpoint")
            target = staging / path
            target.parent.mkdir(parents=True, exist_ok=True)
            self._store.download(f"{prefix}{sha256}", target, size, sha256)

        with local_disk(f"restore checkpoint '{name}'"):
            staging.mkdir(parents=True)
            try:
                _each(get, files)
                for path, _, _ in files:
                    (folder / path).parent.mkdir(parents=True, exist_ok=True)
                    (staging / path).replace(folder / path)
            finally:
                shutil.rmtree(staging, ignore_errors=True)

    def _sweep(self, name: str, keep: str, replaced: str) -> None:
        """Remove the save that was replaced, and what crashed saves left long ago."""
        prefix = checkpoint_blobs_prefix(self._key, name)
        long_ago = utc_now() - _ORPHAN_AGE
        dead = []
        for item in self._store.list(prefix):
            save = item.name[len(prefix) :].partition("/")[0]
            if save != keep and (save == replaced or item.modified < long_ago):
                dead.append(item.name)
        self._store.delete(dead)


def _parse_index(found: StoredObject) -> tuple[str, list[_Entry]] | None:
    """Give the save that an index names and its files; nothing if it is damaged."""
    try:
        index = json.loads(found.data)
        files = [(str(path), int(size), str(sha)) for path, size, sha in index["files"]]
        return (str(index["save"]), files) if found.intact else None
    except (ValueError, KeyError, TypeError):
        return None


def _each(work: Callable[[_Entry], None], files: list[_Entry]) -> None:
    for entry in files:
        if entry[1] > PART_BYTES:
            work(entry)
    for _ in in_order(work, [e for e in files if e[1] <= PART_BYTES], PARALLEL_FILES):
        pass
