"""The index's server: its services on one event loop, from start to a clean stop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
from typing import TYPE_CHECKING, Any

import grpc
from grpc_health.v1 import health, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from graftline.errors import ConfigError
from graftline.events.hub import SERVER_OPTIONS, Limits, RunsHub
from graftline.v1 import index_service_pb2, index_service_pb2_grpc
from graftline_index.health import StoreHealth
from graftline_index.manifests import ManifestsService
from graftline_index.reading import ManifestReader

if TYPE_CHECKING:
    from graftline.store import Store

_LOG = logging.getLogger(__name__)
_SERVICES = index_service_pb2.DESCRIPTOR.services_by_name
MANIFESTS = str(_SERVICES["ManifestsService"].full_name)
RUNS = str(_SERVICES["RunsService"].full_name)
# So long the server still answers while its health says NOT_SERVING, for those who look at that.
_NOTICE_S = 1.0


class IndexServer:
    """Serves a store's manifests and the runs' events.

    Args:
        store: The store; it may be away.
        address: `host:port`; port 0 takes a free one.
        limits: How many watchers and reporters may be connected.
    """

    def __init__(self, store: Store, address: str, limits: Limits | None = None) -> None:
        """Put it together; inside a running event loop."""
        self._address = address
        self._reader = ManifestReader(store)
        self._hub = RunsHub(limits)
        self._health = StoreHealth(store, RUNS, MANIFESTS)
        self._looking: asyncio.Task[None] | None = None
        self._server = grpc.aio.server(options=SERVER_OPTIONS)
        add_manifests: Any = index_service_pb2_grpc.add_ManifestsServiceServicer_to_server
        add_runs: Any = index_service_pb2_grpc.add_RunsServiceServicer_to_server
        add_manifests(ManifestsService(self._reader), self._server)
        add_runs(self._hub, self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health.servicer, self._server)
        named = (MANIFESTS, RUNS, health.SERVICE_NAME, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(named, self._server)

    async def start(self) -> int:
        """Listen; give the port.

        Raises:
            ConfigError: The address cannot be listened on.
        """
        try:
            port: int = self._server.add_insecure_port(self._address)
        except RuntimeError as error:
            raise ConfigError(
                f"cannot listen on {self._address}", "is it in use? name another with --address"
            ) from error
        self._looking = asyncio.create_task(self._health.watch())
        await self._server.start()
        return port

    async def stop(self, grace_s: float) -> None:
        """Say NOT_SERVING, end the streams, let questions in hand be answered, and end.

        Args:
            grace_s: How long that may take in all.
        """
        if self._looking is not None:
            self._looking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._looking
        await self._health.stop()
        notice_s = min(_NOTICE_S, grace_s / 2)
        await asyncio.sleep(notice_s)
        self._health.end_watches()
        self._hub.close()
        await self._server.stop(grace_s - notice_s)
        self._reader.close()


async def serve_until_stopped(store: Store, address: str, grace_s: float, limits: Limits) -> None:
    """Serve until SIGTERM or SIGINT, then stop cleanly; a second signal ends the process at once.

    Raises:
        ConfigError: The address cannot be listened on.
    """
    stop, loop = asyncio.Event(), asyncio.get_running_loop()

    def handle(number: int) -> None:
        if stop.is_set():
            os._exit(128 + number)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, handle, number)
    server = IndexServer(store, address, limits)
    port = await server.start()
    _LOG.info("listening on %s:%d for %s", address.rpartition(":")[0], port, store.place)
    await stop.wait()
    _LOG.info("stopping: NOT_SERVING, at most %g s for what is in hand", grace_s)
    await server.stop(grace_s)
    _LOG.info("stopped")
