"""What people see while a local source is sent to the store."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, TextIO

from graftline_workflows.engine.meter import Meter, duration

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

    from graftline_workflows.cluster.uploading import LocalSource

_INTERVAL_S = 5.0
_MEGABYTE = 1_000_000


class UploadLines:
    """A line when it begins, one every few seconds, one at the end.

    Args:
        out: Where to; nowhere if None.
    """

    def __init__(self, out: TextIO | None) -> None:
        """Have said nothing yet."""
        self._out = out
        self._lock = threading.Lock()
        self._meter = Meter()
        self._done = self._total = 0
        self._last = 0.0

    def begin(self, source: LocalSource, place: str) -> None:
        """Say what is sent where."""
        self._done, self._total, self._last = 0, source.size, time.monotonic()
        self._meter = Meter()
        files = f"{len(source.files):,} file{'s' if len(source.files) != 1 else ''}"
        self._write(f"source {source.uri} ({files}, {size_text(source.size)}) to {place}")

    def add(self, count: int) -> None:
        """Say how far it is, if it is time."""
        with self._lock:
            self._done += count
            now = time.monotonic()
            self._meter.add(now, self._done, self._total, "bytes")
            if now - self._last < _INTERVAL_S:
                return
            self._last = now
            left = self._meter.seconds_left
        eta = f"  ETA {duration(left)}" if left is not None else ""
        self._write(f"  {size_text(self._done)} of {size_text(self._total)}{eta}")

    def end(self, sent: int | None) -> None:
        """Say how much had to be sent; nothing if it broke off."""
        if sent is not None:
            self._write(f"  {size_text(sent)} sent" if sent else "  it is there already")

    def _write(self, line: str) -> None:
        if self._out is not None:
            self._out.write(f"{line}\n")
            self._out.flush()


class UploadBar:
    """A progress bar on a terminal.

    Args:
        console: The terminal.
    """

    def __init__(self, console: Console) -> None:
        """Show nothing yet."""
        self._console = console
        self._progress: Progress | None = None
        self._task: TaskID | None = None

    def begin(self, source: LocalSource, place: str) -> None:
        """Show the bar."""
        from rich import progress

        self._progress = progress.Progress(
            "  sending {task.description}",
            progress.BarColumn(24),
            progress.DownloadColumn(),
            progress.TransferSpeedColumn(),
            progress.TimeRemainingColumn(compact=True),
            console=self._console,
            transient=True,
        )
        self._task = self._progress.add_task(source.path.name, total=source.size)
        self._progress.start()

    def add(self, count: int) -> None:
        """Move it on."""
        if self._progress is not None and self._task is not None:
            self._progress.advance(self._task, count)

    def end(self, sent: int | None) -> None:
        """Take it away and leave a line, unless it broke off."""
        if self._progress is not None:
            self._progress.stop()
        if sent is None:
            return
        text = f"{size_text(sent)} sent" if sent else "it is there already"
        self._console.print(f"  source: {text}", highlight=False)


def size_text(size: int) -> str:
    """Give bytes for people: `312 kB`, `4.2 MB`."""
    if size < _MEGABYTE:
        return f"{max(1, round(size / 1000)) if size else 0:,} kB"
    return f"{size / _MEGABYTE:,.1f} MB"
