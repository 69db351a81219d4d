"""The one folder for everything that the embedded parts write.

home/s3/                       the embedded store's data
home/lock                      held while a run goes on: pid and run id
home/steps/<step>.pid          the processes of the run going on
home/work/<run>/<step>/        a running step's own folder; gone when it ends
home/runs/<run>/<step>.log     what the step said
home/runs/<run>/report/, bundle/
home/files/<digest>/           the files behind these, linked into each run that uses them
home/web/<address>/            sources fetched from the web
home/digests.json              digests of local sources, by path, size and time
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import secrets
import shutil
from contextlib import contextmanager
from pathlib import Path
from time import gmtime, strftime
from typing import TYPE_CHECKING, Any

from graftline.errors import ConfigError, GraftlineError, TransientError

if TYPE_CHECKING:
    from collections.abc import Iterator


def new_run_id() -> str:
    """Give a name for a run that sorts by time: `20250131-120059-3fa9`."""
    return f"{strftime('%Y%m%d-%H%M%S', gmtime())}-{secrets.token_hex(2)}"


def os_error(error: OSError, what: str) -> GraftlineError:
    """Turn an operating system's refusal into one line that says what to do."""
    reason = error.strerror or str(error)
    where = f" ({error.filename})" if error.filename else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return TransientError(f"{what}: the disk is full{where}", "make room, then run it again")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        hint = "name a folder that you may write to"
        return ConfigError(f"{what}: {reason.lower()}{where}", hint)
    return TransientError(f"{what}: {reason.lower()}{where}")


class Home:
    """Paths in the home folder, and its lock."""

    def __init__(self, path: Path) -> None:
        """Name a folder; it is made when it is first written to."""
        self.path = path.absolute()

    def prepare(self) -> None:
        """Make the folder.

        Raises:
            ConfigError: It cannot be made or written to.
            TransientError: The disk is full.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            probe = self.path / f".write-{os.getpid()}"
            probe.write_bytes(b"graftline")
            probe.unlink()
        except OSError as error:
            raise os_error(error, f"cannot write to the home folder {self.path}") from error

    def run_folder(self, run: str) -> Path:
        """The folder of a run, made if it is missing."""
        folder = self.path / "runs" / run
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def log_path(self, run: str, step: str) -> Path:
        """Where a step's log is, or would be."""
        return self.path / "runs" / run / f"{step}.log"

    def work_folder(self, run: str, step: str) -> Path:
        """A fresh folder for a step to work in."""
        folder = self.path / "work" / run / step
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder

    def drop_work(self, run: str = "", step: str = "") -> None:
        """Remove a step's folder, a run's, or (named nothing) those of all runs."""
        shutil.rmtree(self.path / "work" / run / step, ignore_errors=True)

    @contextmanager
    def lock(self, run: str) -> Iterator[str]:
        """Hold the home for one run; give the id of a run that ended without letting go, or "".

        If this one ends by an error, the next is given the same id: nobody may have seen to it.

        Raises:
            TransientError: Another run holds it.
        """
        with (self.path / "lock").open("a+") as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise self._locked(_lock_text(stream)) from error
            interrupted = str(_lock_text(stream).get("run", ""))
            _write_lock(stream.fileno(), {"pid": os.getpid(), "run": run})
            left = {"run": interrupted} if interrupted else {}
            try:
                yield interrupted
                left = {}
            finally:
                _write_lock(stream.fileno(), left)

    def running(self) -> str:
        """Give the id of the run that holds the home now, or ""."""
        try:
            with (self.path / "lock").open() as stream:
                try:
                    fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
                except OSError:
                    return str(_lock_text(stream).get("run", ""))
        except OSError:
            return ""
        return ""

    def _locked(self, holder: dict[str, Any]) -> TransientError:
        who = f"run {holder.get('run', '?')}, process {holder.get('pid', '?')}"
        return TransientError(
            f"another run is going on in {self.path} ({who})",
            "wait for it to end, or use another folder with --home",
        )


def _lock_text(stream: Any) -> dict[str, Any]:
    stream.seek(0)
    try:
        found = json.loads(stream.read() or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _write_lock(descriptor: int, value: dict[str, Any]) -> None:
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, json.dumps(value).encode(), 0)
