"""Whether the store answers, asked now and then, told to gRPC's health service.

graftline.v1.RunsService        SERVING until the server stops: it needs no store
graftline.v1.ManifestsService   SERVING while the store answers
"" (the whole)                  the same
"""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import TYPE_CHECKING, Any

from grpc_health.v1 import health, health_pb2

from graftline.errors import GraftlineError, StoreUnavailable
from graftline.store.failures import translated
from graftline.store.names import STEPS

if TYPE_CHECKING:
    from graftline.store import Store

_LOG = logging.getLogger(__name__)
_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING

WELL_INTERVAL_S = 10.0
ILL_INTERVAL_S = 2.0
_ANSWER_TIMEOUT_S = 5.0


class _EndingHealth(health.aio.HealthServicer):  # type: ignore[misc,name-defined]  # its stubs lack it
    """Ends its watchers' streams when told to: if the server cancels them, it prints tracebacks."""

    def __init__(self) -> None:
        super().__init__()
        self._ended = asyncio.Event()

    async def Watch(self, request: health_pb2.HealthCheckRequest, context: Any) -> None:
        """Tell a service's health until the watcher, or the server, leaves."""
        telling = asyncio.ensure_future(super().Watch(request, context))
        ending = asyncio.ensure_future(self._ended.wait())
        try:
            await asyncio.wait({telling, ending}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            telling.cancel()
            ending.cancel()
            await asyncio.gather(telling, ending, return_exceptions=True)

    def end(self) -> None:
        """End all streams, now and later."""
        self._ended.set()


class StoreHealth:
    """Looks at a store every ten seconds (every two while it is away).

    Args:
        store: The store.
        runs: The name of the service that needs no store.
        manifests: The name of the service that does.
    """

    def __init__(self, store: Store, runs: str, manifests: str) -> None:
        """Begin with the store not looked at, so NOT_SERVING."""
        self.servicer = _EndingHealth()
        self._store = store
        self._runs = runs
        self._by_store = ("", manifests)
        self._is_well: bool | None = None
        self._look: asyncio.Future[None] | None = None

    async def watch(self) -> None:
        """Look until cancelled."""
        for name in self._by_store:
            await self.servicer.set(name, _NOT_SERVING)
        await self.servicer.set(self._runs, _SERVING)
        while True:
            problem = await self._find_problem()
            is_well = not problem
            for name in self._by_store:
                await self.servicer.set(name, _SERVING if is_well else _NOT_SERVING)
            if is_well and self._is_well is not True:
                _LOG.info("%s answers: SERVING", self._store.place)
            if not is_well and self._is_well is not False:
                _LOG.warning("NOT_SERVING until the store answers: %s", problem)
            self._is_well = is_well
            await asyncio.sleep(WELL_INTERVAL_S if is_well else ILL_INTERVAL_S)

    async def stop(self) -> None:
        """Say NOT_SERVING of everything, for good."""
        await self.servicer.enter_graceful_shutdown()

    def end_watches(self) -> None:
        """End the streams of those who watch."""
        self.servicer.end()

    async def _find_problem(self) -> str:
        """Give what is wrong; a look that hangs is not repeated before it ends."""
        if self._look is None:
            self._look = _in_thread(self._store)
        done, _ = await asyncio.wait({self._look}, timeout=_ANSWER_TIMEOUT_S)
        if not done:
            return f"{self._store.place} has not answered for {_ANSWER_TIMEOUT_S:.0f} s"
        look, self._look = self._look, None
        error = look.exception()
        return str(error) if error is not None else ""


def look_at(store: Store) -> None:
    """Ask for one name: it shows that the bucket is there and lets us list.

    Raises:
        GraftlineError: It does not.
    """
    with translated("look at it", store.place):
        store.client.list_objects_v2(
            Bucket=store.bucket, Prefix=store.full_name(STEPS), Delimiter="/", MaxKeys=1
        )


def _in_thread(store: Store) -> asyncio.Future[None]:
    """Look from a thread that nobody has to wait for, unlike those of a pool."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[None] = loop.create_future()

    def finish(error: GraftlineError | None) -> None:
        if not answer.done():
            answer.set_exception(error) if error is not None else answer.set_result(None)

    def look() -> None:
        problem: GraftlineError | None = None
        try:
            look_at(store)
        except GraftlineError as error:
            problem = error
        except Exception as error:
            _LOG.exception("looking at the store")
            problem = StoreUnavailable(f"{store.place}: {type(error).__name__}")
        if not loop.is_closed():
            loop.call_soon_threadsafe(finish, problem)

    threading.Thread(target=look, name="graftline-health", daemon=True).start()
    return answer
