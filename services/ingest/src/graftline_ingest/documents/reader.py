"""The side of the parsing process that asks: starts it, hears it, starts another if it dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from queue import SimpleQueue
from typing import TYPE_CHECKING, Self

import msgspec

from graftline.errors import BugError
from graftline_ingest.documents.parsed import Answer, Parsed, Task
from graftline_ingest.documents.worker import ALARMS, read_message, write_message
from graftline_ingest.drafts import Refused

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from graftline_ingest.config import IngestConfig


class Reader:
    """Parses files in a process of its own, one after the other.

    Args:
        config: Bounds and encoding.
        log: Where the process says why it does not start.
    """

    def __init__(self, config: IngestConfig, log: Path) -> None:
        """Start nothing yet."""
        self._config = config
        self._errors = log
        self._process: subprocess.Popen[bytes] | None = None
        self._decoder = msgspec.msgpack.Decoder(Answer)

    def close(self) -> None:
        """End the process, whatever it is at."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.poll() is None:
            process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with suppress(BrokenPipeError):
                    stream.close()

    def read(self, path: Path, media_type: str) -> Parsed:
        """Parse a file.

        Raises:
            Refused: It cannot be made a document, or its parser took too long, too much or died.
            BugError: The parser's own code failed.
        """
        bounds = self._config.documents
        task = Task(
            path=str(path),
            media_type=media_type,
            encoding=self._config.encoding,
            max_text_bytes=bounds.max_text_mb << 20,
            max_pages=bounds.max_pages,
            max_expansion=self._config.max_expansion,
        )
        process = self._started()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            write_message(process.stdin, msgspec.msgpack.encode(task))
            data = read_message(process.stdout)
        except BrokenPipeError:
            data = None
        if data is None:
            raise self._death(process)
        answer = self._decoder.decode(data)
        if answer.bug:
            raise BugError(f"parsing {path.name} ({media_type}) failed:\n{answer.bug}")
        if answer.parsed is None:
            raise Refused(answer.reason, answer.detail)
        return answer.parsed

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            bounds = self._config.documents
            module = "graftline_ingest.documents.worker"
            limits = (str(bounds.max_seconds), str(bounds.max_memory_mb))
            with self._errors.open("wb") as errors:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", module, *limits],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    # No credentials for what parses strangers' files.
                    env={"PYTHONPATH": os.pathsep.join(sys.path), "PYTHONHASHSEED": "0"},
                )
            assert self._process.stdout is not None
            if read_message(self._process.stdout) is None:
                said = self._errors.read_text("utf-8", "replace")[-2000:]
                self.close()
                raise BugError(f"the parsing process does not start: {said}")
        return self._process

    def _death(self, process: subprocess.Popen[bytes]) -> Refused:
        code = process.wait()
        self.close()
        if -code in ALARMS:
            seconds = self._config.documents.max_seconds
            return Refused("timeout", f"takes more than {seconds} s to parse (max_seconds)")
        if code == -signal.SIGKILL:
            return Refused("too-large", "its parser was killed, most likely for its memory")
        return Refused("damaged", f"its parser died of it (exit code {code})")


class Readers:
    """Several readers at once.

    Args:
        config: Bounds and encoding.
        scratch: A folder for what the processes leave.
        count: How many.
    """

    def __init__(self, config: IngestConfig, scratch: Path, count: int) -> None:
        """Start nothing yet."""
        self._all = [Reader(config, scratch / f"parser-{number}.log") for number in range(count)]
        self._idle: SimpleQueue[Reader] = SimpleQueue()
        for reader in self._all:
            self._idle.put(reader)
        self._threads = ThreadPoolExecutor(count, thread_name_prefix="parser")

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End all processes; what was not read is not read any more."""
        self._threads.shutdown(wait=kind is None, cancel_futures=True)
        for reader in self._all:
            reader.close()

    def read(self, path: Path, media_type: str) -> Future[Parsed]:
        """Have a file parsed as `Reader.read` does, when its turn comes."""
        return self._threads.submit(self._read, path, media_type)

    def _read(self, path: Path, media_type: str) -> Parsed:
        reader = self._idle.get()
        try:
            return reader.read(path, media_type)
        finally:
            self._idle.put(reader)
