"""An S3 server of one's own, for a machine without one.

    home/s3/data              what the server keeps
    home/s3/identities.json   its generated credentials (0600)
    home/s3/server.json       the ports it was last started on
    home/s3/weed.log          what it said since it was last started
    home/s3/lease             locked (shared) by every process that uses the server
    home/s3/turn              locked while somebody starts or stops it

Any number of processes share one server: the first starts it, the last stops it. A process that
is killed loses its lease with its life; a server that it leaves behind is used by the next one.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from graftline.errors import ConfigError, GraftlineError, StoreUnavailable
from graftline.store import server
from graftline.store.failures import StoreRefused, local_disk, translated
from graftline.store.names import PROBE
from graftline.store.objects import Store
from graftline.store.server import Credentials, Ports

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from types import TracebackType

BUCKET = "graftline"
_REGION = "us-east-1"
_TURN_TIMEOUT_S = 60.0
_START_ATTEMPTS = 3
_CANARY = f"{PROBE}server"
_VOLUMES_TIMEOUT_S = 20.0
_VOLUMES_POLL_S = 0.05
_COMPACT_ATTEMPTS = 5
_COMPACT_WAIT_S = 1.0


class EmbeddedStore:
    """Use it as a context manager: inside, the server runs.

    Args:
        home: The folder of everything that the embedded parts write; the server's is `s3` in it.
    """

    def __init__(self, home: Path) -> None:
        """Prepare; nothing is started or written."""
        self._folder = Path(home).absolute() / "s3"
        self._data = self._folder / "data"
        self._state = self._folder / "server.json"
        self._identities = self._folder / "identities.json"
        self._lease: int | None = None
        self._ports: Ports | None = None
        self._credentials: Credentials | None = None

    def __enter__(self) -> EmbeddedStore:
        """Join the running server, or start one.

        Raises:
            StoreUnavailable: It did not start; the message has its last words.
            ConfigError: It is not installed, or the folder cannot be used.
        """
        with self._usable_folder():
            self._folder.mkdir(parents=True, exist_ok=True)
            with _Turn(self._folder / "turn"):
                self._credentials = server.load_credentials(self._identities)
                lease = os.open(self._folder / "lease", os.O_RDWR | os.O_CREAT, 0o600)
                fcntl.flock(lease, fcntl.LOCK_SH)
                try:
                    self._join_or_start()
                except BaseException:
                    os.close(lease)
                    raise
                self._lease = lease
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave; the last one out stops the server."""
        if self._lease is None:
            return
        lease, self._lease = self._lease, None
        try:
            with _Turn(self._folder / "turn"), suppress(BlockingIOError):
                fcntl.flock(lease, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._stop()
        finally:
            os.close(lease)

    @property
    def uri(self) -> str:
        """The store's address."""
        return f"s3://{BUCKET}"

    @property
    def environment(self) -> dict[str, str]:
        """The `AWS_*` settings with which any process opens this store.

        Raises:
            StoreUnavailable: The server is not running.
        """
        if self._ports is None or self._credentials is None:
            raise StoreUnavailable("the embedded store is not open")
        endpoint = f"http://{server.HOST}:{self._ports.s3}"
        return {
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_ENDPOINT_URL_S3": endpoint,
            "AWS_ACCESS_KEY_ID": self._credentials.access_key,
            "AWS_SECRET_ACCESS_KEY": self._credentials.secret_key,
            # Empty counts as unset: a token of the user's own would be sent with our keys.
            "AWS_SESSION_TOKEN": "",
            "AWS_REGION": _REGION,
        }

    @property
    def process_ids(self) -> list[int]:
        """The server's process (one, while it lives)."""
        return server.find_processes(self._data)

    def open(self, prefix: str = "") -> Store:
        """Open the store, or a prefix in it, with the server's own credentials.

        Raises:
            StoreUnavailable: The server is not running.
        """
        return Store.open(f"{self.uri}/{prefix}" if prefix else self.uri, self.environment)

    def ensure_running(self) -> bool:
        """Start the server again, on the same ports if it can be, if it died; True if it had.

        Raises:
            StoreUnavailable: It did not start.
        """
        if self._ports is not None and server.is_healthy(self._ports.s3):
            return False
        with self._usable_folder(), _Turn(self._folder / "turn"):
            return self._join_or_start()

    def compact(self) -> int:
        """Give the room of removed objects back to the disk (after a `gc`); some seconds.

        Returns:
            The bytes that the data folder shrank by.

        Raises:
            StoreUnavailable: The server is not running.
        """
        if self._ports is None:
            raise StoreUnavailable("the embedded store is not open")
        before = self._size()
        for _ in range(_COMPACT_ATTEMPTS):
            # The server removes in the background: what it has not got to yet is not vacuumed.
            time.sleep(_COMPACT_WAIT_S)
            server.vacuum(self._ports.http["master"])
            if self._size() < before:
                break
        return max(0, before - self._size())

    def _size(self) -> int:
        return sum(path.stat().st_size for path in self._data.glob("*.dat"))

    def _join_or_start(self) -> bool:
        """True if it had to be started."""
        before = self._read_state()
        pids = server.find_processes(self._data)
        if before is not None and pids and self._answers(before):
            self._ports = before
            return False
        if pids:
            server.stop(pids, before or Ports.choose())
        self._start(before)
        return True

    def _start(self, before: Ports | None) -> None:
        """Take the ports of last time if they are free: whoever still uses them goes on."""
        ports = before if before is not None and server.are_free(before.all) else Ports.choose()
        for attempt in range(1, _START_ATTEMPTS + 1):
            temporary = self._state.with_suffix(".new")
            temporary.write_text(json.dumps({"http": ports.http, "grpc": ports.grpc}))
            temporary.replace(self._state)
            pid = server.start(self._folder, self._data, self._identities, ports)
            self._ports = ports
            # Loading the S3 library takes half a second: the server comes up meanwhile.
            self.open()
            try:
                if server.wait_until_healthy(pid, ports.s3):
                    self._serve()
                    return
            except BaseException:
                server.stop([pid], ports)
                self._ports = None
                raise
            server.stop([pid], ports)
            taken = not server.are_free(ports.all)
            ports = Ports.choose()
            if not taken or attempt == _START_ATTEMPTS:
                break
        self._ports = None
        log = self._folder / "weed.log"
        raise StoreUnavailable(
            f"the embedded S3 server did not start: {server.last_words(log) or 'no answer'}",
            f"its log is {log}; is the disk full?",
        )

    def _serve(self) -> None:
        """Make the bucket if it is new, and wait until what is in it can be read.

        The gateway says that it is healthy as soon as it listens; the volumes may be announced to
        it seconds later, and reading fails until then.

        Raises:
            GraftlineError: It does not let us in, or cannot read or write.
        """
        store = self.open()
        until = time.monotonic() + _VOLUMES_TIMEOUT_S
        while True:
            try:
                if store.get(_CANARY) is None:
                    store.put(_CANARY, b"sings" * 100)
                return
            except ConfigError:
                with translated("make its bucket", store.place):
                    store.client.create_bucket(Bucket=BUCKET)
            except StoreRefused:
                if time.monotonic() > until:
                    raise
                time.sleep(_VOLUMES_POLL_S)

    def _answers(self, ports: Ports) -> bool:
        """Whether the server that was left there is healthy and lets us in."""
        if not server.is_healthy(ports.s3):
            return False
        self._ports = ports
        try:
            self._serve()
        except GraftlineError:
            self._ports = None
            return False
        return True

    def _stop(self) -> None:
        if self._ports is not None:
            server.stop(server.find_processes(self._data), self._ports)
        self._ports = None

    def _read_state(self) -> Ports | None:
        try:
            state = json.loads(self._state.read_text())
            return Ports(dict(state["http"]), dict(state["grpc"]))
        except (OSError, ValueError, LookupError, TypeError):
            return None

    def _usable_folder(self) -> AbstractContextManager[None]:
        return local_disk(f"use the embedded store in {self._folder}")


class _Turn:
    """An exclusive lock on a file, waited for, held while it is entered."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = -1

    def __enter__(self) -> _Turn:
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        until = time.monotonic() + _TURN_TIMEOUT_S
        while True:
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return self
            except OSError as error:
                if error.errno == errno.ENOLCK:
                    os.close(self._descriptor)
                    raise ConfigError(
                        f"{self._path.parent} is on a file system without locks",
                        "name a local folder with --home or GRAFTLINE_HOME",
                    ) from error
                if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                    raise
            if time.monotonic() > until:
                os.close(self._descriptor)
                raise StoreUnavailable(
                    f"another process has been starting or stopping the embedded store in"
                    f" {self._path.parent} for {_TURN_TIMEOUT_S:.0f} s",
                    "look for a process that hangs",
                )
            time.sleep(0.01)

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)
