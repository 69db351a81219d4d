"""Lets containers reach the conformance store, and nothing else of this machine."""

from __future__ import annotations

import socket
import socketserver
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from graftline.errors import ConfigError

if TYPE_CHECKING:
    from types import TracebackType

# Not in Python's `socket`; see ip(7).
_IP_FREEBIND = 15
_CHUNK = 256 * 1024


class StoreRelay(socketserver.ThreadingTCPServer):
    """Passes connections to one address on to a port of loopback while it is entered.

    The store itself stays on loopback: of its many ports, only the one that asks for a signature
    is reached through here.

    Args:
        host: The address to listen on. It may not exist yet: podman makes a network's bridge
            when its first container starts.
        target: The port on loopback.
    """

    daemon_threads = True
    allow_reuse_address = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, host: str, target: int) -> None:
        """Listen on a port that is free.

        Raises:
            ConfigError: This machine cannot listen on that address.
        """
        self.target = target
        self.connections = 0
        try:
            super().__init__((host, 0), _Connection)
        except OSError as error:
            raise ConfigError(
                f"this machine cannot listen on {host}, where containers look for the store:"
                f" {error}",
                "containers have to run on this very machine, not in a virtual one",
            ) from error

    @property
    def endpoint(self) -> str:
        """The store's URL for containers."""
        host, port = self.socket.getsockname()[:2]
        return f"http://{host}:{port}"

    def server_bind(self) -> None:
        """Bind also to an address that does not exist yet, where the system can."""
        with suppress(OSError):
            self.socket.setsockopt(socket.IPPROTO_IP, _IP_FREEBIND, 1)
        super().server_bind()

    def process_request(self, request: object, client_address: object) -> None:
        """Count a connection, then serve it in a thread of its own."""
        self.connections += 1
        super().process_request(request, client_address)  # type: ignore[arg-type]

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: a container that is killed breaks its connections."""

    def __enter__(self) -> StoreRelay:
        """Begin to serve."""
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        trace: TracebackType | None = None,
    ) -> None:
        """Stop listening."""
        self.shutdown()
        self.server_close()


class _Connection(socketserver.BaseRequestHandler):
    server: StoreRelay

    def handle(self) -> None:
        with socket.create_connection(("127.0.0.1", self.server.target)) as store:
            for end in (self.request, store):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            back = threading.Thread(target=_pass_on, args=(store, self.request), daemon=True)
            back.start()
            _pass_on(self.request, store)
            back.join()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    """Copy one direction, its end too."""
    buffer = memoryview(bytearray(_CHUNK))
    with suppress(OSError):
        while count := source.recv_into(buffer):
            target.sendall(buffer[:count])
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)
