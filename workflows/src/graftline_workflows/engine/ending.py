"""What the end of a step's process means."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from graftline.errors import EXIT_BUG, EXIT_CANCELLED, EXIT_TRANSIENT
from graftline_workflows.engine.process import last_cause

if TYPE_CHECKING:
    from pathlib import Path

_LOST = frozenset({-signal.SIGKILL, -signal.SIGTERM, 128 + signal.SIGKILL, 128 + signal.SIGTERM})
_SIGNALS_FROM = 128


def outside_cause(status: int, log: Path | None) -> str:
    """Say what failed outside of a step, so that trying again may help; empty where it was within.

    Args:
        status: Its process's exit status, negative for a signal.
        log: What it said.
    """
    if status in _LOST:
        return f"the process was ended from outside ({_name(status)})"
    if status == EXIT_CANCELLED:
        return "the process was asked to stop from outside"
    if status == EXIT_TRANSIENT:
        return _cause(log) or "something outside failed"
    return ""


def own_failure(status: int, log: Path | None) -> tuple[int, str]:
    """Give the exit code and the cause of a step that failed by itself.

    Args:
        status: Its process's exit status, negative for a signal.
        log: What it said.
    """
    cause = _cause(log)
    if status < 0:
        return EXIT_BUG, f"the process died of {_name(status)}; {cause}".rstrip("; ")
    exit_code = status if 0 < status < _SIGNALS_FROM else EXIT_BUG
    return exit_code, cause or f"exit code {status}, and no word of why"


def _cause(log: Path | None) -> str:
    return last_cause(log) if log is not None else ""


def _name(status: int) -> str:
    number = -status if status < 0 else status - _SIGNALS_FROM
    name = signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"
    return f"{name}, perhaps for want of memory" if number == signal.SIGKILL else name
