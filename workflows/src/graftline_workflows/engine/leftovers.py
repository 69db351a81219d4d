"""Processes of steps whose engine was killed.

The runner stops by itself when its parent is gone, but it may take a while to reach the end of a
unit; the next run must not compete with it for the cores.
"""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path

from graftline_workflows.engine.process import kill_group

_GONE_S = 5.0
_PROC = Path("/proc")


def end_leftovers(folder: Path) -> int:
    """Kill the step processes noted in a folder that still run; give their number.

    A noted pid counts only while its command line is the noted one: pids are used again.
    """
    ended = 0
    for path in sorted(folder.glob("*.pid")):
        try:
            noted = json.loads(path.read_text())
            pid, mark = int(noted["pid"]), str(noted["command"][-1])
        except (OSError, ValueError, KeyError, TypeError, IndexError):
            path.unlink(missing_ok=True)
            continue
        if mark in _command_line(pid):
            ended += 1
            kill_group(pid)
            deadline = time.monotonic() + _GONE_S
            while mark in _command_line(pid) and time.monotonic() < deadline:
                time.sleep(0.05)
        path.unlink(missing_ok=True)
    return ended


def _command_line(pid: int) -> str:
    """Give a living process's command line; a dead one, or a zombie, has none."""
    if _PROC.joinpath("self").exists():
        try:
            return _PROC.joinpath(str(pid), "cmdline").read_bytes().decode(errors="replace")
        except OSError:
            return ""
    command = ["ps", "-ww", "-o", "args=", "-p", str(pid)]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout
