"""The listening end: a RunsService in memory, for the local engine and the index."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import grpc

from graftline.events.backlog import Backlogs, fitted
from graftline.v1 import index_service_pb2, index_service_pb2_grpc

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from graftline.v1 import stage_pb2

SERVER_OPTIONS: list[tuple[str, int]] = [
    # Without this two servers may share a port, each with half of what is said.
    ("grpc.so_reuseport", 0),
    # A peer that is gone without a word is noticed, and its stream's place is free again.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
]
_AT_ONCE = 100
_START_TIMEOUT_S = 30.0


@dataclass(frozen=True)
class Limits:
    """How many streams a hub holds at once; one too many is refused, the others go on.

    Args:
        watchers: Streams out.
        reporters: Streams in: one a running step and rank.
    """

    watchers: int = 256
    reporters: int = 4_096


class Subscription:
    """A place in a run's events (or in every run's, for an empty run id). Holds no events.

    Args:
        hub: Whose events.
        run: Which run's.
        wake: Called, from any thread, when there is something new and `take` has been called.
    """

    def __init__(self, hub: RunsHub, run: str, wake: Callable[[], None] | None = None) -> None:
        """Stand before the first event that is kept."""
        self.run = run
        self._hub = hub
        self._news = threading.Event()
        self._wake = wake or self._news.set
        self._number = 0
        self._ready: list[stage_pb2.StageEvent] = []

    def notify(self) -> None:
        """There is something new."""
        self._wake()

    def take(self) -> list[stage_pb2.StageEvent]:
        """Give the next events, at most 100; none if there is nothing new.

        Who is too slow misses what is no longer kept: old progress first, states last.
        """
        found = self._hub.after(self._number, self.run, _AT_ONCE)
        if found:
            self._number = found[-1][0]
        return [event for _, event in found]

    def get(self, timeout_s: float) -> stage_pb2.StageEvent | None:
        """Give the next event, or nothing after a time-out; not for one with its own `wake`."""
        if not self._ready:
            self._news.clear()
            self._ready = self.take()
        if not self._ready and self._news.wait(timeout_s):
            self._ready = self.take()
        return self._ready.pop(0) if self._ready else None

    def close(self) -> None:
        """Stop listening."""
        self._hub.unsubscribe(self)


class RunsHub(index_service_pb2_grpc.RunsServiceServicer):
    """Passes events from steps to watchers, and keeps the recent ones for those who come late.

    A servicer for `grpc.aio`: a stream costs memory but no thread, so that any number of watchers
    takes nothing from the reporters. What is kept is bounded (see `graftline.events.backlog`),
    whoever watches. `publish` and `subscribe` may be called from any thread.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        """Begin with no runs and no watchers."""
        self._limits = limits or Limits()
        self._lock = threading.Lock()
        self._backlogs = Backlogs()
        self._subscriptions: dict[str, set[Subscription]] = {}
        self._streams: dict[asyncio.Task[Any], str] = {}
        self._is_closing = False

    def publish(self, event: stage_pb2.StageEvent) -> None:
        """Pass one event to all who watch its run; one of over 16 KiB is cut, or dropped."""
        kept = fitted(event)
        if kept is None:
            return
        with self._lock:
            if not self._backlogs.add(kept):
                return
            listening = [
                subscription
                for run in {kept.run, ""}
                for subscription in self._subscriptions.get(run, ())
            ]
        for subscription in listening:
            subscription.notify()

    def subscribe(self, run: str = "", wake: Callable[[], None] | None = None) -> Subscription:
        """Watch a run from its recent past on; close the subscription when done."""
        subscription = Subscription(self, run, wake)
        with self._lock:
            self._subscriptions.setdefault(run, set()).add(subscription)
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        """Forget a watcher."""
        with self._lock:
            watching = self._subscriptions.get(subscription.run, set())
            watching.discard(subscription)
            if not watching:
                self._subscriptions.pop(subscription.run, None)

    def after(self, number: int, run: str, limit: int) -> list[tuple[int, stage_pb2.StageEvent]]:
        """Give a run's events after a number, each with its own; for subscriptions."""
        with self._lock:
            return self._backlogs.after(number, run, limit)

    def close(self) -> None:
        """End all streams (UNAVAILABLE: try again); call it where the server's loop runs."""
        self._is_closing = True
        for task in self._streams:
            task.cancel()

    async def Report(self, request_iterator: Any, context: Any) -> index_service_pb2.ReportResponse:
        """Take a step's stream of events."""
        await self._admit("reporters", self._limits.reporters, context)
        received = 0
        async with self._stream("reporters", context):
            async for request in request_iterator:
                self.publish(request.event)
                received += 1
        return index_service_pb2.ReportResponse(received=received)

    async def Watch(self, request: index_service_pb2.WatchRequest, context: Any) -> None:
        """Give a run's events until the watcher leaves; one that reads slowly misses some."""
        await self._admit("watchers", self._limits.watchers, context)
        loop, news = asyncio.get_running_loop(), asyncio.Event()
        async with self._stream("watchers", context):
            subscription = self.subscribe(
                request.run, lambda: None if news.is_set() else _call_in(loop, news.set)
            )
            try:
                while True:
                    news.clear()
                    events = subscription.take()
                    for event in events:
                        await context.write(index_service_pb2.WatchResponse(event=event))
                    if not events:
                        await news.wait()
            finally:
                subscription.close()

    async def _admit(self, kind: str, limit: int, context: Any) -> None:
        if self._is_closing:
            await self._refuse_more(context)
        if sum(other == kind for other in self._streams.values()) >= limit:
            await context.abort(
                grpc.StatusCode.RESOURCE_EXHAUSTED, f"there are {limit:,} {kind} already"
            )

    @asynccontextmanager
    async def _stream(self, kind: str, context: Any) -> AsyncIterator[None]:
        """Count a stream while it goes on, and end it with a word when the hub closes."""
        task = asyncio.current_task()
        assert task is not None
        self._streams[task] = kind
        try:
            # At once, so that the other side knows that somebody is there.
            await context.send_initial_metadata(())
            yield
        except asyncio.CancelledError:
            if not self._is_closing:
                raise
            await self._refuse_more(context)
        finally:
            del self._streams[task]

    async def _refuse_more(self, context: Any) -> None:
        text = "the server is stopping; call again"
        await context.abort(grpc.StatusCode.UNAVAILABLE, text)


class RunsServer:
    """A hub's server on an event loop and a thread of its own; `serve` makes it."""

    def __init__(self, hub: RunsHub, address: str) -> None:
        """Start to serve.

        Raises:
            RuntimeError: The address cannot be bound.
        """
        self._hub = hub
        self._stopped = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._grace_s: float | None = None
        started: Future[int] = Future()
        self._thread = threading.Thread(target=self._run, args=(address, started), daemon=True)
        self._thread.start()
        self.port = started.result(_START_TIMEOUT_S)

    def stop(self, grace: float | None) -> threading.Event:
        """Refuse new calls at once and end those that go on after a grace period.

        Args:
            grace: Seconds; None or 0 for none.

        Returns:
            Set when all is over.
        """
        self._grace_s = grace
        if not self._stopped.is_set():
            _call_in(self._loop, self._stop.set)
        return self._stopped

    def _run(self, address: str, started: Future[int]) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve(address, started))
        except Exception as error:
            if started.done():
                raise
            started.set_exception(error)
        finally:
            self._loop.close()
            self._stopped.set()

    async def _serve(self, address: str, started: Future[int]) -> None:
        server = grpc.aio.server(options=SERVER_OPTIONS)
        add_servicer: Any = index_service_pb2_grpc.add_RunsServiceServicer_to_server
        add_servicer(self._hub, server)
        port: int = server.add_insecure_port(address)
        await server.start()
        started.set_result(port)
        await self._stop.wait()
        self._hub.close()
        await server.stop(self._grace_s)


def serve(hub: RunsHub, address: str = "127.0.0.1:0") -> tuple[RunsServer, int]:
    """Serve a hub; give the server (stop it when done) and its port.

    Raises:
        RuntimeError: The address cannot be bound.
    """
    server = RunsServer(hub, address)
    return server, server.port


def _call_in(loop: asyncio.AbstractEventLoop, function: Callable[[], object]) -> None:
    """Call a function in a loop from any thread; a loop that is over needs no call."""
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(function)
