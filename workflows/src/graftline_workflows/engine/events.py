"""The local end of the steps' gRPC event streams."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from graftline.events.hub import RunsServer, Subscription
    from graftline.v1 import stage_pb2

_POLL_S = 0.2
_STOP_S = 2.0


class EventsServer:
    """Serves RunsService on loopback from the first step on; a run without steps needs no gRPC.

    Args:
        run: Whose events are wanted.
        heard: Called with each of them, from another thread.
    """

    def __init__(self, run: str, heard: Callable[[stage_pb2.StageEvent], None]) -> None:
        """Prepare; nothing listens yet."""
        self._run = run
        self._heard = heard
        self._server: RunsServer | None = None
        self._subscription: Subscription | None = None
        self._port = 0
        self._closed = threading.Event()

    def address(self) -> str:
        """Give `host:port`; the first call starts the server."""
        if self._server is None:
            from graftline.events.hub import RunsHub, serve

            hub = RunsHub()
            self._server, self._port = serve(hub)
            self._subscription = hub.subscribe(self._run)
            threading.Thread(target=self._listen, daemon=True).start()
        return f"127.0.0.1:{self._port}"

    def close(self) -> None:
        """Stop serving; steps that still speak are not heard."""
        self._closed.set()
        if self._server is not None:
            self._server.stop(grace=0).wait(_STOP_S)

    def _listen(self) -> None:
        while self._subscription is not None and not self._closed.is_set():
            event = self._subscription.get(_POLL_S)
            if event is not None:
                self._heard(event)
