"""Progress as a file, for an engine that looks into it: Argo's `$ARGO_PROGRESS_FILE`."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

# Argo looks every three seconds.
FILE_INTERVAL_S = 1.0


class ProgressFile:
    """Keeps `N/M` in a file: always whole, at most once a second, and the end of a total at once.

    Args:
        path: The file; its folder exists and can be written. One that cannot be written is told
            once on stderr, and left alone from then on.
    """

    def __init__(self, path: Path) -> None:
        """Write nothing yet."""
        self._path: Path | None = path
        self._due_at = 0.0
        self._written = ""

    def write(self, done: int, total: int | None) -> None:
        """Say that `done` of `total` are done; an unknown total says nothing."""
        if self._path is None or not total or total < 0:
            return
        now = time.monotonic()
        if now < self._due_at and done < total:
            return
        self._due_at = now + FILE_INTERVAL_S
        text = f"{min(max(0, done), total)}/{total}"
        if text != self._written:
            self._replace(self._path, text)
            self._written = text

    def _replace(self, path: Path, text: str) -> None:
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            temporary.write_text(text)
            temporary.replace(path)
        except OSError as error:
            self._path = None
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            sys.stderr.write(f"warning: progress file {path}: {error.strerror or error}\n")
            sys.stderr.flush()
