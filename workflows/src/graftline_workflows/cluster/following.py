"""A workflow's states as they come: by a watch, or by asking again where watching is not possible.

An API server that is away for a moment is waited for: the workflow does not need us.
"""

from __future__ import annotations

import queue
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from graftline.errors import GraftlineError, TransientError
from graftline_workflows.cluster.kube import Forbidden
from graftline_workflows.cluster.views import ENDED

if TYPE_CHECKING:
    from types import TracebackType

    from graftline_workflows.cluster.kube import Cluster

_POLL_S = 2.0
_FIRST_WAIT_S = 0.5
_LONGEST_WAIT_S = 15.0
_STOP_S = 1.0


@dataclass(frozen=True)
class Away:
    """The API server cannot be asked at the moment.

    Args:
        cause: Why.
        again_s: When it will be asked again.
    """

    cause: str
    again_s: float


class Gone:
    """The workflow is not there any more."""


class Follower:
    """Use it as a context manager: inside, it reads in the background.

    Args:
        cluster: The cluster.
        name: The workflow's name.
        poll_s: Seconds between two questions where watching is not possible.
    """

    def __init__(self, cluster: Cluster, name: str, poll_s: float = _POLL_S) -> None:
        """Prepare; nothing is sent yet."""
        self._cluster = cluster
        self._name = name
        self._poll_s = poll_s
        self._may_watch = True
        self._news: queue.Queue[dict[str, Any] | Away | Gone | GraftlineError] = queue.Queue()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Follower:
        """Start reading."""
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop reading; a request that still waits for an answer is left to itself."""
        self._closed.set()
        self._thread.join(_STOP_S)

    def next(self, timeout_s: float) -> dict[str, Any] | Away | Gone | None:
        """Give what is new, or nothing after a time-out.

        Raises:
            GraftlineError: Waiting will not help.
        """
        try:
            news = self._news.get(timeout=timeout_s)
        except queue.Empty:
            return None
        if isinstance(news, GraftlineError):
            raise news
        return news

    def _run(self) -> None:
        wait_s = _FIRST_WAIT_S
        while not self._closed.is_set():
            try:
                workflow = self._cluster.workflow(self._name)
                if workflow is None:
                    self._news.put(Gone())
                    return
                wait_s = _FIRST_WAIT_S
                if self._tell(workflow):
                    return
                if self._watch(str(workflow["metadata"].get("resourceVersion", ""))):
                    return
            except TransientError as error:
                self._news.put(Away(error.cause, wait_s))
                self._closed.wait(wait_s)
                wait_s = min(2 * wait_s, _LONGEST_WAIT_S)
            except GraftlineError as error:
                self._news.put(error)
                return

    def _tell(self, workflow: dict[str, Any]) -> bool:
        """Pass a state on; whether it is the last."""
        self._news.put(workflow)
        return (workflow.get("status") or {}).get("phase") in ENDED

    def _watch(self, version: str) -> bool:
        """Pass changes on until the watch ends; whether the last state was among them."""
        began = time.monotonic()
        if self._may_watch:
            try:
                for kind, workflow in self._cluster.watch_workflow(self._name, version):
                    if kind == "DELETED" or self._closed.is_set():
                        break
                    if self._tell(workflow):
                        return True
            except Forbidden:
                self._may_watch = False
        # A watch that ends at once must not become a storm of questions.
        rest_s = self._poll_s - (time.monotonic() - began)
        self._closed.wait(max(0.0, rest_s))
        return False
