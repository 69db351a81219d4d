"""Local copies of artifacts, each fetched once and linked into every run that has it."""

from __future__ import annotations

import json
import os
import shutil
from typing import TYPE_CHECKING

from graftline_workflows.home import os_error

if TYPE_CHECKING:
    from pathlib import Path

    from graftline.v1.artifact_pb2 import Artifact
    from graftline_workflows.session import StoreSession

_STAMP = ".graftline.json"
_READ_ONLY = 0o444


class LocalFiles:
    """Artifacts' files under one folder, by the artifact's digest.

    A copy counts while every file has the size and modification time that it had when its digest
    was verified; one that was changed since is fetched again.

    Args:
        folder: Where they are kept.
        session: Where they come from.
    """

    def __init__(self, folder: Path, session: StoreSession) -> None:
        """Use a folder."""
        self._folder = folder
        self._session = session

    def place(self, key: str, artifact: Artifact, target: Path) -> None:
        """Put an artifact's files into a folder, by hard links where the file system has them.

        Raises:
            GraftlineError: They cannot be fetched, or not be written.
        """
        try:
            kept = self._kept(key, artifact)
            shutil.rmtree(target, ignore_errors=True)
            target.mkdir(parents=True)
            for blob in artifact.blobs:
                _link(kept / blob.path, target / blob.path)
        except OSError as error:
            raise os_error(error, f"cannot write {target}") from error

    def _kept(self, key: str, artifact: Artifact) -> Path:
        folder = self._folder / artifact.digest
        if _unchanged(folder, artifact):
            return folder
        shutil.rmtree(folder, ignore_errors=True)
        fresh = folder.with_name(f"{artifact.digest}.{os.getpid()}")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        self._session.manifests.fetch(key, artifact, fresh)
        for blob in artifact.blobs:
            (fresh / blob.path).chmod(_READ_ONLY)
        fresh.rename(folder)
        (folder / _STAMP).write_text(json.dumps(_stamp(folder, artifact)))
        return folder

    def drop_unused(self) -> int:
        """Remove the files that no run's folder shares any more; give the bytes."""
        freed = 0
        for folder in self._folder.glob("*"):
            files = [path for path in folder.rglob("*") if path.is_file() and path.name != _STAMP]
            if all(path.stat().st_nlink == 1 for path in files):
                freed += sum(path.stat().st_size for path in files)
                shutil.rmtree(folder, ignore_errors=True)
        return freed


def _stamp(folder: Path, artifact: Artifact) -> dict[str, list[int]]:
    stats = {blob.path: (folder / blob.path).stat() for blob in artifact.blobs}
    return {path: [stat.st_size, stat.st_mtime_ns] for path, stat in stats.items()}


def _unchanged(folder: Path, artifact: Artifact) -> bool:
    try:
        found: object = json.loads((folder / _STAMP).read_text())
        return found == _stamp(folder, artifact)
    except (OSError, ValueError):
        return False


def _link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
