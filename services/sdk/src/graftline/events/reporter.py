"""The reporting end: events go to a RunsService if there is one, and lines to stderr always."""

from __future__ import annotations

import contextlib
import queue
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

from graftline.v1 import index_service_pb2

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graftline.events.messages import EventSource
    from graftline.v1 import stage_pb2

PROGRESS_INTERVAL_S = 0.2
_QUEUE_EVENTS = 10_000
_FLUSH_TIMEOUT_S = 2.0


class EventStream:
    """Sends events in the background; never blocks, never fails; without a listener it drops them.

    Args:
        address: `host:port` of a RunsService, or empty for none.
    """

    def __init__(self, address: str) -> None:
        """Connect lazily; a listener that is away costs nothing."""
        self._queue: queue.Queue[stage_pb2.StageEvent | None] = queue.Queue(_QUEUE_EVENTS)
        self._thread: threading.Thread | None = None
        if address:
            self._thread = threading.Thread(target=self._send, args=(address,), daemon=True)
            self._thread.start()

    def send(self, event: stage_pb2.StageEvent) -> None:
        """Hand over an event; dropped when the listener cannot keep up."""
        if self._thread is not None:
            with contextlib.suppress(queue.Full):
                self._queue.put_nowait(event)

    def close(self) -> None:
        """Give what is left a moment to leave."""
        if self._thread is not None:
            with contextlib.suppress(queue.Full):
                self._queue.put_nowait(None)
            self._thread.join(_FLUSH_TIMEOUT_S)

    def _send(self, address: str) -> None:
        import grpc

        from graftline.v1 import index_service_pb2_grpc

        with (
            contextlib.suppress(grpc.RpcError),
            grpc.insecure_channel(address) as channel,
        ):
            stub: Any = index_service_pb2_grpc.RunsServiceStub
            stub(channel).Report(self._requests())

    def _requests(self) -> Iterator[index_service_pb2.ReportRequest]:
        while (event := self._queue.get()) is not None:
            yield index_service_pb2.ReportRequest(event=event)


class StepReporter:
    """Implements `graftline.context.Reporter` for one running step.

    Progress is thinned to one event each 0.2 s; log lines also go to stderr, for the step's log.
    """

    def __init__(self, source: EventSource, stream: EventStream) -> None:
        """Report for a source into a stream."""
        self._source = source
        self._stream = stream
        self._last_progress = 0.0

    def progress(self, done: int, total: int | None, unit: str) -> None:
        """Say that `done` of `total` units are done."""
        now = time.monotonic()
        if now - self._last_progress >= PROGRESS_INTERVAL_S or done == total:
            self._last_progress = now
            self._stream.send(self._source.progress(done, total, unit))

    def log(self, text: str, level: str = "info") -> None:
        """Say one line."""
        prefix = "" if level == "info" else f"{level}: "
        sys.stderr.write(f"{prefix}{text}\n")
        sys.stderr.flush()
        self._stream.send(self._source.log(text, level))

    def metric(self, name: str, value: float, at: int) -> None:
        """Give one point of a curve."""
        self._stream.send(self._source.metric(name, value, at))

    def state(
        self, state: stage_pb2.StepState, message: str = "", exit_code: int | None = None
    ) -> None:
        """Say that the step's state has changed."""
        self._stream.send(self._source.state(state, message, exit_code))

    def relay(self, event: stage_pb2.StageEvent) -> None:
        """Pass on what a program in another language said."""
        kind = event.WhichOneof("event")
        if kind == "progress":
            total = event.progress.total if event.progress.HasField("total") else None
            self.progress(event.progress.done, total, event.progress.unit)
        elif kind == "log":
            self.log(event.log.text, event.log.level or "info")
        elif kind == "metric":
            self.metric(event.metric.name, event.metric.value, event.metric.at)
