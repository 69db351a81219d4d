"""A walk through a source: its files in order, and the files in its archives."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graftline.sources import source_files
from graftline_ingest.documents.archives import Archives
from graftline_ingest.documents.found import Found, Item, Unreadable, is_wanted, matches, printable
from graftline_ingest.documents.kinds import archive_kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from graftline_ingest.config import IngestConfig


class Walk:
    """Finds what may be documents; hidden files are left out.

    Args:
        root: The source: a file or a folder.
        config: What is wanted, and bounds.
        scratch: A folder for members of archives.
        progress: Told of each file of the source that is done with: its bytes.
    """

    def __init__(
        self, root: Path, config: IngestConfig, scratch: Path, progress: Callable[[int], None]
    ) -> None:
        """List the source.

        Raises:
            DataError: It has no files.
        """
        self._root = root.resolve()
        self._config = config
        self._archives = Archives(config, scratch)
        self._progress = progress
        self._files = [
            (name, path)
            for name, path in source_files(root)
            if root.is_file()
            or (archive_kind(name) or is_wanted(name, config.include))
            and not matches(name, config.exclude)
        ]
        self.names = [printable(name) for name, _ in self._files]
        self.total_bytes = sum(path.stat().st_size for _, path in self._files)

    def items(self) -> Iterator[Item]:
        """Give the files in the order of their names, those of an archive in its own order."""
        for name, path in self._files:
            yield from self._items(name, path)
            self._progress(path.stat().st_size)

    def _items(self, name: str, path: Path) -> Iterator[Item]:
        size = path.stat().st_size
        if name != printable(name):
            detail = "its name has control characters or is of unknown encoding"
            yield Unreadable(printable(name), size, "unsafe-path", detail)
        elif not path.resolve().is_relative_to(self._root):
            yield Unreadable(name, size, "unsafe-path", "a link that leads out of the source")
        elif archive_kind(name):
            yield from self._archives.open(name, path)
        else:
            yield Found(name, path, size)
