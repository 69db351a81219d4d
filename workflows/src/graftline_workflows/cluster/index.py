"""Live progress from the index, where it can be reached: finer than what Argo's nodes tell."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from graftline.v1 import index_service_pb2
from graftline_workflows.engine.meter import Meter

if TYPE_CHECKING:
    from types import TracebackType

    from graftline.v1 import stage_pb2

_AGAIN_S = 5.0
_STOP_S = 1.0
_LOSS = "loss"


class IndexProgress:
    """Use it as a context manager: inside, it listens. An index that is away costs nothing.

    Args:
        address: `host:port`, or empty for none.
        run: Whose events are wanted.
    """

    def __init__(self, address: str, run: str) -> None:
        """Prepare; nothing is opened yet."""
        self._address = address
        self._run = run
        self._lock = threading.Lock()
        self._meters: dict[str, Meter] = {}
        self._ranks: dict[str, dict[int, stage_pb2.Progress]] = {}
        self._metrics: dict[str, tuple[str, float]] = {}
        self._channel: Any = None
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self.problem = ""

    def __enter__(self) -> IndexProgress:
        """Start listening."""
        if self._address:
            import grpc

            self._channel = grpc.insecure_channel(self._address)
            self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop listening."""
        self._closed.set()
        if self._channel is not None:
            self._channel.close()
            self._thread.join(_STOP_S)

    def meter(self, step: str) -> Meter | None:
        """Give a step's progress over all its ranks, or nothing if it told none."""
        with self._lock:
            return self._meters.get(step)

    def metric(self, step: str) -> tuple[str, float] | None:
        """Give the name and value of the metric that a step told last; its loss before others."""
        with self._lock:
            return self._metrics.get(step)

    def _listen(self) -> None:
        import grpc

        from graftline.v1 import index_service_pb2_grpc

        stub: Any = index_service_pb2_grpc.RunsServiceStub
        request = index_service_pb2.WatchRequest(run=self._run)
        while not self._closed.is_set():
            try:
                for answer in stub(self._channel).Watch(request):
                    self.problem = ""
                    self._take(answer.event)
            except grpc.RpcError as error:
                code: Any = getattr(error, "code", lambda: None)()
                reason = getattr(code, "name", "UNKNOWN")
                self.problem = f"the index at {self._address} does not answer ({reason})"
            except ValueError:  # the channel was closed
                return
            self._closed.wait(_AGAIN_S)

    def _take(self, event: stage_pb2.StageEvent) -> None:
        with self._lock:
            if event.HasField("progress"):
                ranks = self._ranks.setdefault(event.step, {})
                ranks[event.rank] = event.progress
                told = list(ranks.values())
                known = all(item.HasField("total") for item in told)
                self._meters.setdefault(event.step, Meter()).add(
                    time.monotonic(),
                    sum(item.done for item in told),
                    sum(item.total for item in told) if known else None,
                    event.progress.unit,
                )
            elif event.HasField("metric"):
                shown = self._metrics.get(event.step)
                if event.metric.name == _LOSS or shown is None or shown[0] != _LOSS:
                    self._metrics[event.step] = (event.metric.name, event.metric.value)
