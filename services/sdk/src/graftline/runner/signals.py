"""A polite stop: SIGTERM, SIGINT, or an engine that is gone."""

from __future__ import annotations

import os
import signal
import threading
from typing import TYPE_CHECKING

from graftline.processes import is_alive

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

ENGINE_PID = "GRAFTLINE_ENGINE_PID"
_PARENT_POLL_S = 1.0
_GRACE_S = 60.0


class StopSignal:
    """Turns the first SIGTERM or SIGINT into a request; the second ends the process at once.

    Installed before anything slow happens, so that a signal during start-up is not lost: it is
    handed on when the step is there to be stopped.
    """

    def __init__(self) -> None:
        """Install the handlers."""
        self._asked = False
        self._stop: Callable[[], None] | None = None
        signal.signal(signal.SIGTERM, self._handle)
        signal.signal(signal.SIGINT, self._handle)

    def connect(self, stop: Callable[[], None]) -> None:
        """Call `stop` when somebody asks, or now if somebody has.

        Args:
            stop: Asks the stage to stop; must return quickly.
        """
        self._stop = stop
        if self._asked:
            stop()

    def watch_engine(self) -> None:
        """Treat a local engine's death as a SIGTERM: what it has started must not outlive it.

        It gives its pid in the environment, and may be gone before this is reached.
        """
        engine = os.environ.get(ENGINE_PID, "")
        if engine.isdecimal():
            threading.Thread(target=_watch, args=(int(engine),), daemon=True).start()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._asked:
            os._exit(128 + number)
        self._asked = True
        if self._stop is not None:
            self._stop()


def _watch(engine: int) -> None:
    """Ask when the engine or the parent is gone; after a minute, do not ask any more."""
    pause = threading.Event()
    parent = os.getppid()  # the engine, or a program that it started
    while os.getppid() == parent and is_alive(engine):
        pause.wait(_PARENT_POLL_S)
    os.kill(os.getpid(), signal.SIGTERM)
    pause.wait(_GRACE_S)
    os.kill(os.getpid(), signal.SIGKILL)
