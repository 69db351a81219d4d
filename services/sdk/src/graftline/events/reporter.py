"""The reporting end: events go to a RunsService if there is one, and lines to stderr always."""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any

from graftline.events.backlog import Backlog, fitted
from graftline.events.progress_file import ProgressFile
from graftline.v1 import index_service_pb2

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from graftline.events.backlog import Numbered
    from graftline.events.messages import EventSource
    from graftline.v1 import stage_pb2

PROGRESS_INTERVAL_S = 0.2
_AT_ONCE = 64
# How long the end of a step waits for what is left to leave …
_FLUSH_TIMEOUT_S = 2.0
# … and for a listener that has not answered since it was called.
_ANSWER_TIMEOUT_S = 1.0
_FIRST_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 5.0
# A call that lasted so long was a good one: what ended it is new.
_LASTING_S = 30.0
_CHANNEL_OPTIONS = [
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.min_reconnect_backoff_ms", 5_000),
    ("grpc.max_reconnect_backoff_ms", 5_000),
    # A listener that is gone without a word (its node is lost) is noticed.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.max_pings_without_data", 0),
    # It is on this machine or in this cluster: a proxy of the environment does not lead there.
    ("grpc.enable_http_proxy", 0),
]


class EventStream:
    """Sends events in the background; never blocks, never fails, takes bounded memory.

    A listener that is away, or goes away, is called again and again, with growing pauses, until
    the stream is closed. It then hears how the step stands and what has been said since, as far as
    that is kept; what was under way when a connection broke may be lost.

    Args:
        address: `host:port` of a RunsService, or empty for none.
    """

    def __init__(self, address: str) -> None:
        """Connect in the background."""
        self._changed = threading.Condition()
        self._backlog = Backlog()
        self._ready: deque[Numbered] = deque()
        self._said = 0
        self._sent = 0
        self._in_doubt: stage_pb2.StageEvent | None = None
        self._call: Any = None
        self._called_at: float | None = None
        self._answered = False
        self._closing = False
        self._given_up = False
        self._finished = False
        self._thread: threading.Thread | None = None
        if address:
            self._thread = threading.Thread(target=self._send_to, args=(address,), daemon=True)
            self._thread.start()

    def send(self, event: stage_pb2.StageEvent) -> None:
        """Hand over an event; the oldest go when the listener cannot keep up."""
        kept = fitted(event) if self._thread is not None else None
        if kept is not None:
            with self._changed:
                self._said += 1
                self._backlog.add(self._said, kept)
                self._changed.notify_all()

    def close(self) -> None:
        """Give what is left a moment to leave; less if nobody is there to hear it."""
        if self._thread is None:
            return
        until = time.monotonic() + _FLUSH_TIMEOUT_S
        with self._changed:
            self._closing = True
            self._changed.notify_all()
            while not self._finished and (left := self._deadline(until) - time.monotonic()) > 0:
                self._changed.wait(left)
            self._given_up, call = True, self._call
        if call is not None:
            call.cancel()
        self._thread.join(_ANSWER_TIMEOUT_S)

    def _deadline(self, until: float) -> float:
        if self._answered or self._called_at is None:
            return until
        return min(until, self._called_at + _ANSWER_TIMEOUT_S)

    def _send_to(self, address: str) -> None:
        import grpc

        from graftline.v1 import index_service_pb2_grpc

        make_stub: Any = index_service_pb2_grpc.RunsServiceStub
        try:
            with grpc.insecure_channel(address, _CHANNEL_OPTIONS) as channel:
                self._call_until_closed(make_stub(channel).Report)
        finally:
            with self._changed:
                self._finished = True
                self._changed.notify_all()

    def _call_until_closed(self, report: Any) -> None:
        pause_s = _FIRST_PAUSE_S
        while not self._closing or self._sent < self._said:
            is_last, began = self._closing, time.monotonic()
            self._call_once(report)
            if is_last or self._given_up:
                return
            if time.monotonic() - began > _LASTING_S:
                pause_s = _FIRST_PAUSE_S
            with self._changed:
                self._changed.wait_for(lambda: self._closing, pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    def _call_once(self, report: Any) -> None:
        """Send until the connection breaks or the stream is closed and all is sent."""
        over = threading.Event()
        with self._changed:
            self._called_at, self._answered = time.monotonic(), False
        # What waits for a listener costs nothing: the channel calls it with growing pauses.
        call = report.future(self._requests(over), wait_for_ready=True)
        ended = threading.Event()
        call.add_done_callback(lambda _: ended.set())
        with self._changed:
            self._call, is_unwanted = call, self._given_up
        if is_unwanted:
            call.cancel()
        call.initial_metadata()
        with self._changed:
            self._answered = not ended.is_set()
            self._changed.notify_all()
        ended.wait()
        with self._changed:
            over.set()
            self._call, self._answered = None, False
            self._changed.notify_all()

    def _requests(self, over: threading.Event) -> Iterator[index_service_pb2.ReportRequest]:
        with self._changed:
            repeated = self._backlog.standing(self._sent)
            if self._in_doubt is not None and self._in_doubt not in repeated:
                repeated.append(self._in_doubt)
        for event in repeated:
            yield index_service_pb2.ReportRequest(event=event)
        while (said := self._next(over)) is not None:
            yield index_service_pb2.ReportRequest(event=said)

    def _next(self, over: threading.Event) -> stage_pb2.StageEvent | None:
        """Wait for the next event; nothing when the call is over or there will be no more.

        The library goes on asking for a call that broke: that must not swallow an event. Nor does
        it say of the last that it took whether it left; that is said again in the next call.
        """
        with self._changed:
            while not over.is_set():
                self._in_doubt = None
                if not self._ready:
                    self._ready.extend(self._backlog.after(self._sent, _AT_ONCE))
                if self._ready:
                    self._sent, self._in_doubt = self._ready.popleft()
                    return self._in_doubt
                self._sent = self._said
                if self._closing:
                    return None
                self._changed.wait()
            return None


class StepReporter:
    """Implements `graftline.context.Reporter` for one running step.

    Progress is thinned to one event each 0.2 s; log lines also go to stderr, for the step's log.

    Args:
        source: Whose events they are.
        stream: Where they go.
        progress_file: Where progress with a known total also goes (see `ProgressFile`).
    """

    def __init__(
        self, source: EventSource, stream: EventStream, progress_file: Path | None = None
    ) -> None:
        """Report for a source into a stream."""
        self._source = source
        self._stream = stream
        self._file = ProgressFile(progress_file) if progress_file is not None else None
        self._last_progress = 0.0

    def progress(self, done: int, total: int | None, unit: str) -> None:
        """Say that `done` of `total` units are done."""
        now = time.monotonic()
        if now - self._last_progress >= PROGRESS_INTERVAL_S or done == total:
            self._last_progress = now
            self._stream.send(self._source.progress(done, total, unit))
            if self._file is not None:
                self._file.write(done, total)

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
