"""The listening end: a RunsService in memory, for the local engine and the index."""

from __future__ import annotations

import queue
import threading
from concurrent import futures
from typing import TYPE_CHECKING, Any

import grpc

from graftline.v1 import index_service_pb2, index_service_pb2_grpc

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graftline.v1 import stage_pb2

_KEPT_EVENTS = 2_000
_SUBSCRIBER_EVENTS = 10_000
_POLL_S = 0.5
_WORKERS = 32


class Subscription:
    """A stream of one run's events (or of every run's, for an empty run id)."""

    def __init__(self, hub: RunsHub, run: str) -> None:
        """Belong to a hub."""
        self.run = run
        self._hub = hub
        self._queue: queue.Queue[stage_pb2.StageEvent] = queue.Queue(_SUBSCRIBER_EVENTS)

    def offer(self, event: stage_pb2.StageEvent) -> None:
        """Hand over an event; a subscriber that does not read loses the newest."""
        if not self.run or event.run == self.run:
            try:
                self._queue.put_nowait(event)
            except queue.Full:
                return

    def get(self, timeout_s: float) -> stage_pb2.StageEvent | None:
        """Give the next event, or nothing after a time-out."""
        try:
            return self._queue.get(timeout=timeout_s)
        except queue.Empty:
            return None

    def close(self) -> None:
        """Stop listening."""
        self._hub.unsubscribe(self)


class RunsHub(index_service_pb2_grpc.RunsServiceServicer):
    """Passes events from steps to watchers; keeps the last 2,000 of each run for late ones."""

    def __init__(self) -> None:
        """Begin with no runs and no watchers."""
        self._lock = threading.Lock()
        self._subscriptions: list[Subscription] = []
        self._recent: dict[str, list[stage_pb2.StageEvent]] = {}

    def publish(self, event: stage_pb2.StageEvent) -> None:
        """Pass one event to all who watch its run."""
        with self._lock:
            recent = self._recent.setdefault(event.run, [])
            recent.append(event)
            if len(recent) > _KEPT_EVENTS:
                del recent[: _KEPT_EVENTS // 2]
            subscriptions = list(self._subscriptions)
        for subscription in subscriptions:
            subscription.offer(event)

    def subscribe(self, run: str = "") -> Subscription:
        """Watch a run from its recent past on; close the subscription when done."""
        subscription = Subscription(self, run)
        with self._lock:
            runs = [run] if run else list(self._recent)
            for name in runs:
                for event in self._recent.get(name, []):
                    subscription.offer(event)
            self._subscriptions.append(subscription)
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        """Forget a watcher."""
        with self._lock:
            if subscription in self._subscriptions:
                self._subscriptions.remove(subscription)

    def Report(
        self, request_iterator: Iterator[index_service_pb2.ReportRequest], context: Any
    ) -> index_service_pb2.ReportResponse:
        """Take a step's stream of events."""
        received = 0
        for request in request_iterator:
            self.publish(request.event)
            received += 1
        return index_service_pb2.ReportResponse(received=received)

    def Watch(
        self, request: index_service_pb2.WatchRequest, context: Any
    ) -> Iterator[index_service_pb2.WatchResponse]:
        """Give a run's events until the watcher leaves."""
        subscription = self.subscribe(request.run)
        try:
            while context.is_active():
                event = subscription.get(_POLL_S)
                if event is not None:
                    yield index_service_pb2.WatchResponse(event=event)
        finally:
            subscription.close()


def serve(hub: RunsHub, address: str = "127.0.0.1:0") -> tuple[grpc.Server, int]:
    """Serve a hub; give the server (stop it when done) and its port.

    Raises:
        RuntimeError: The address cannot be bound.
    """
    server = grpc.server(futures.ThreadPoolExecutor(_WORKERS))
    add_servicer: Any = index_service_pb2_grpc.add_RunsServiceServicer_to_server
    add_servicer(hub, server)
    port = server.add_insecure_port(address)
    server.start()
    return server, port
