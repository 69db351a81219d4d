"""Manifests and the blobs that they name: look up, upload, commit, fetch.

Outputs first, manifest last: no manifest, no artifact.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from google.protobuf.message import DecodeError

from graftline.canonical import sha256_bytes
from graftline.errors import BugError, TransientError
from graftline.store.artifacts import artifact_digest, is_safe_path
from graftline.store.failures import CorruptBlob, local_disk
from graftline.store.names import blob_name, blobs_prefix, manifest_name
from graftline.store.transfer import PARALLEL_FILES, PART_BYTES, in_order
from graftline.v1 import manifest_pb2

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from graftline.store.objects import Store
    from graftline.v1.artifact_pb2 import Artifact, Blob
    from graftline.v1.manifest_pb2 import Manifest

    Progress = Callable[[int, int], None]
    """Called with the bytes that are through and those in all, from any thread."""

_COMMIT_ATTEMPTS = 6
_ABSENT = "absent"
_UNREADABLE = "manifest unreadable"


@dataclass(frozen=True)
class Lookup:
    """What the store holds under a key.

    Args:
        manifest: The manifest, if it can be read (a problem may still forbid its use).
        digest: sha256 of its bytes; empty without one.
        etag: Names the version that was read, for a repair; empty if there is nothing.
        problem: Empty for a hit; else `absent`, or why it has to be built again.
    """

    manifest: Manifest | None
    digest: str
    etag: str
    problem: str


@dataclass(frozen=True)
class Committed:
    """How a commit ended.

    Args:
        manifest: What now stands under the key: ours, or that of who finished first.
        digest: sha256 of its bytes.
        won: Whether it is ours.
    """

    manifest: Manifest
    digest: str
    won: bool


class Manifests:
    """The manifests of a store."""

    def __init__(self, store: Store) -> None:
        """Use a store."""
        self._store = store

    def lookup(self, key: str, inputs: Mapping[str, Manifest] | None = None) -> Lookup:
        """Find out whether a key has a complete artifact.

        It has if its manifest can be read, the inputs that it records are today's, and every
        blob is there with its size (digests are verified by `fetch`).

        Args:
            key: The step's key.
            inputs: Today's manifests of the steps that it reads, by their keys; an input that is
                not among them is not compared.

        Raises:
            GraftlineError: The store cannot be read.
        """
        # Both questions at once: a look-up takes one round trip, not two.
        with ThreadPoolExecutor(1, thread_name_prefix="graftline-store") as pool:
            listing = pool.submit(self._stored_sizes, key)
            found = self._store.get(manifest_name(key))
            sizes = listing.result()
        if found is None:
            return Lookup(None, "", "", _ABSENT)
        digest = sha256_bytes(found.data)
        manifest = _parse(found.data, key) if found.intact else None
        if manifest is None:
            return Lookup(None, digest, found.etag, _UNREADABLE)
        problem = _changed_input(manifest, inputs or {})
        if not problem and _missing_blob(manifest, sizes):
            # The listing may be older than a commit that the other answer already shows.
            problem = _missing_blob(manifest, self._stored_sizes(key))
        return Lookup(manifest, digest, found.etag, problem)

    def read(self, key: str) -> Manifest | None:
        """Give a key's manifest if there is one that can be read, whatever became of its blobs.

        Raises:
            GraftlineError: The store cannot be read.
        """
        found = self._store.get(manifest_name(key))
        return _parse(found.data, key) if found is not None and found.intact else None

    def upload(
        self, key: str, artifact: Artifact, folder: Path, progress: Progress | None = None
    ) -> None:
        """Write an artifact's files under a key, each by its digest.

        A file is written even if the store has one of that name and size: it may be corrupt.

        Raises:
            BugError: A file has changed since it was described.
            GraftlineError: One could not be written.
        """
        count = _Counter(artifact, progress)

        def put(blob: Blob) -> None:
            size = self._store.upload(folder / blob.path, blob_name(key, blob.sha256), count.add)
            if size != blob.size:
                raise BugError(
                    f"{folder / blob.path} changed while it was stored:"
                    f" {size:,} bytes, not {blob.size:,}"
                )

        unique = {blob.sha256: blob for blob in artifact.blobs}
        _each(put, unique.values())

    def commit(self, manifest: Manifest, replaces: str | None = None) -> Committed:
        """Make a step's outputs visible, unless somebody else was first.

        Args:
            manifest: Complete; its blobs are uploaded.
            replaces: The ETag of a broken manifest that was looked up, to put this in its place.

        Raises:
            BugError: A blob that it names is not in the store.
            GraftlineError: It could not be written.
        """
        missing = _missing_blob(manifest, self._stored_sizes(manifest.key))
        if missing:
            raise BugError(f"step '{manifest.step}' ({manifest.key[:12]}): {missing} at its commit")
        name = manifest_name(manifest.key)
        data = manifest.SerializeToString(deterministic=True)
        etag = replaces
        for _ in range(_COMMIT_ATTEMPTS):
            put_first = not etag and self._store.put_new(name, data)
            if put_first or (etag and self._store.replace(name, data, etag)):
                return Committed(manifest, sha256_bytes(data), True)
            theirs = self.lookup(manifest.key)
            usable = theirs.manifest is not None and not theirs.problem
            if theirs.manifest is not None and usable and _same_inputs(theirs.manifest, manifest):
                return Committed(theirs.manifest, theirs.digest, False)
            etag = theirs.etag or None
        raise TransientError(
            f"{self._store.place}: step '{manifest.step}' ({manifest.key[:12]}) could not be"
            " committed: others keep replacing its manifest with one that cannot be used",
            "run the same command again",
        )

    def fetch(
        self, key: str, artifact: Artifact, folder: Path, progress: Progress | None = None
    ) -> None:
        """Read an artifact's files into a folder, every size and digest verified.

        A blob that is corrupt (looked at twice) is removed from the store, so that the next plan
        builds its step again.

        Raises:
            CorruptBlob: A blob is missing or corrupt; the message names key and path.
            GraftlineError: One could not be read or written.
        """
        count = _Counter(artifact, progress)
        with local_disk(f"make folder {folder}"):
            for blob in artifact.blobs:
                if not is_safe_path(blob.path):
                    raise CorruptBlob(f"step {key[:12]}: '{blob.path}' is no path of an artifact")
                (folder / blob.path).parent.mkdir(parents=True, exist_ok=True)
        _each(lambda blob: self._fetch_blob(key, blob, folder, count), artifact.blobs)

    def _fetch_blob(self, key: str, blob: Blob, folder: Path, count: _Counter) -> None:
        name, target = blob_name(key, blob.sha256), folder / blob.path
        try:
            self._store.download(name, target, blob.size, blob.sha256)
        except CorruptBlob:
            try:
                self._store.download(name, target, blob.size, blob.sha256)
            except CorruptBlob as error:
                self._store.delete([name])
                raise CorruptBlob(
                    f"step {key[:12]}: stored file '{blob.path}' cannot be used: {error.cause}",
                    "run the recipe again: this step will be built again",
                ) from error
        count.add(blob.size)

    def _stored_sizes(self, key: str) -> dict[str, int]:
        """Give the sizes of a step's blobs by digest; one listing, whatever their number."""
        prefix = blobs_prefix(key)
        return {item.name[len(prefix) :]: item.size for item in self._store.list(prefix)}


class _Counter:
    """Adds up what got through, for a progress callback."""

    def __init__(self, artifact: Artifact, progress: Progress | None) -> None:
        self._total = sum(blob.size for blob in artifact.blobs)
        self._done = 0
        self._progress = progress

    def add(self, size: int) -> None:
        if self._progress is not None:
            self._done += size
            self._progress(self._done, self._total)


def _each(work: Callable[[Blob], None], blobs: Iterable[Blob]) -> None:
    """Large files one after the other (each is in parallel parts), small ones side by side."""
    ordered = list(blobs)
    for blob in ordered:
        if blob.size > PART_BYTES:
            work(blob)
    small = [blob for blob in ordered if blob.size <= PART_BYTES]
    if len(small) == 1:
        work(small[0])
        return
    for _ in in_order(work, small, PARALLEL_FILES):
        pass


def _parse(data: bytes, key: str) -> Manifest | None:
    try:
        manifest = manifest_pb2.Manifest.FromString(data)
    except DecodeError:
        return None
    if manifest.key != key:
        return None
    for output in manifest.outputs:
        artifact = output.artifact
        if artifact.digest != artifact_digest(artifact.kind, list(artifact.blobs)):
            return None
        if not all(is_safe_path(blob.path) for blob in artifact.blobs):
            return None
    return manifest


def _missing_blob(manifest: Manifest, sizes: Mapping[str, int]) -> str:
    """Say which blob is missing or of another size; nothing if all are as they should be."""
    for blob in (blob for output in manifest.outputs for blob in output.artifact.blobs):
        size = sizes.get(blob.sha256)
        if size is None:
            return f"blob '{blob.path}' missing"
        if size != blob.size:
            return f"blob '{blob.path}' has {size:,} bytes, not {blob.size:,}"
    return ""


def _changed_input(manifest: Manifest, inputs: Mapping[str, Manifest]) -> str:
    for reference in manifest.inputs:
        today = inputs.get(reference.key)
        if today is None:
            continue
        digests = {output.port: output.artifact.digest for output in today.outputs}
        if digests.get(reference.output) != reference.artifact_digest:
            return f"input '{reference.port}' changed"
    return ""


def _same_inputs(theirs: Manifest, ours: Manifest) -> bool:
    digests = {(ref.key, ref.output): ref.artifact_digest for ref in ours.inputs}
    return all(
        digests.get((ref.key, ref.output), ref.artifact_digest) == ref.artifact_digest
        for ref in theirs.inputs
    )
