"""One step's process: its command, its environment, its log and its end."""

from __future__ import annotations

import importlib.util
import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from google.protobuf.json_format import MessageToJson

from graftline.errors import EXIT_CONFIG, ConfigError, Problem
from graftline.runner.signals import ENGINE_PID
from graftline_workflows.home import os_error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from graftline.v1 import stage_pb2

EXEC_PREFIX = "exec:"
_THREAD_VARIABLES = (
    "GRAFTLINE_THREADS",
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "RAYON_NUM_THREADS",
)
_TAIL_BYTES = 64 * 1024
_CAUSE_LINES = 25


def stage_module(stage: str) -> str:
    """Give the Python package of a stage."""
    return f"graftline_{stage.replace('-', '_')}"


def stage_command(request: stage_pb2.StageRequest) -> list[str]:
    """Give the program of a request's stage, without the runner's own arguments."""
    if request.image.startswith(EXEC_PREFIX):
        program = request.image.removeprefix(EXEC_PREFIX)
        return [sys.executable, "-m", "graftline.runner.main", "run", "--exec", program]
    return [sys.executable, "-m", stage_module(request.stage), "run"]


def check_stages(requests: Iterable[stage_pb2.StageRequest]) -> None:
    """Make sure that every step can be started here.

    Raises:
        ConfigError: With one problem for each step that cannot.
    """
    problems = []
    for request in requests:
        if request.image.startswith(EXEC_PREFIX):
            continue
        if request.image:
            text = f"the local engine cannot run the image '{request.image}'; give exec:COMMAND"
            problems.append(Problem(request.step, text))
        elif importlib.util.find_spec(stage_module(request.stage)) is None:
            text = (
                f"stage '{request.stage}' is not installed: pip install graftline-{request.stage}"
            )
            problems.append(Problem(request.step, text))
    if problems:
        raise ConfigError.of(problems, "cannot run")


def check_rules(requests: Iterable[stage_pb2.StageRequest]) -> None:
    """Ask stages about rules that their JSON Schemas cannot say ("one of a and b").

    Half a second each, so it is meant for steps whose settings the user changed: better than to
    learn of a mistake when the steps before are built.

    Raises:
        ConfigError: With what the first stage says that has something to say.
    """
    for request in requests:
        with tempfile.TemporaryDirectory(prefix="graftline-check-") as folder:
            files = []
            for name, text in (("config", request.config), ("runtime", request.runtime)):
                path = Path(folder) / f"step '{request.step}' {name}"
                path.write_text(text, encoding="utf-8")
                files += [f"--{name}", path.name]
            done = subprocess.run(
                [sys.executable, "-m", stage_module(request.stage), "check", *files],
                cwd=folder,
                capture_output=True,
                text=True,
                check=False,
            )
        if done.returncode == EXIT_CONFIG:
            raise ConfigError(done.stderr.partition("error: ")[2].strip() or done.stderr.strip())


@dataclass(frozen=True)
class Launch:
    """What a step's process is started with.

    Args:
        request: The step.
        work: Its work folder.
        log: Its log file; a further attempt is added below the first.
        environment: Variables beside this process's own (the store's address and credentials).
        events: `host:port` of the RunsService.
        threads: How many threads it should use.
    """

    request: stage_pb2.StageRequest
    work: Path
    log: Path
    environment: Mapping[str, str]
    events: str
    threads: int


class StepProcess:
    """A started step, in a process group of its own."""

    def __init__(self, launch: Launch, ended: Callable[[int], None]) -> None:
        """Start it; `ended` is called with its exit status from another thread.

        Raises:
            GraftlineError: Its files cannot be written or its program cannot be started.
        """
        try:
            request_path = launch.work / "step.json"
            request_path.write_text(MessageToJson(launch.request))
            self.command = [
                *stage_command(launch.request),
                *("--request", str(request_path), "--work", str(launch.work)),
            ]
            with launch.log.open("ab") as log:
                log.write(f"$ {shlex.join(self.command)}\n".encode())
                log.flush()
                self._process = subprocess.Popen(
                    self.command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env=_environment(launch),
                    start_new_session=True,
                )
        except OSError as error:
            raise os_error(error, f"cannot start step '{launch.request.step}'") from error
        self.pid = self._process.pid
        threading.Thread(target=self._wait, args=(ended,), daemon=True).start()

    def terminate(self) -> None:
        """Ask it to stop; the runner passes this on to a program in another language."""
        self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it and all that it started."""
        kill_group(self.pid)

    def _wait(self, ended: Callable[[int], None]) -> None:
        status = self._process.wait()
        kill_group(self.pid)
        ended(status)


def kill_group(group: int) -> None:
    """Kill what is left of a process group."""
    try:
        os.killpg(group, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


def last_cause(log: Path) -> str:
    """Give the cause from the end of a log: from the last `error:` line on, else the last line."""
    try:
        with log.open("rb") as stream:
            stream.seek(0, os.SEEK_END)
            stream.seek(max(0, stream.tell() - _TAIL_BYTES))
            lines = stream.read().decode(errors="replace").rstrip().splitlines()
    except OSError:
        return ""
    for index in range(len(lines) - 1, -1, -1):
        if lines[index].startswith("$ "):
            break
        if lines[index].startswith("error: "):
            block = lines[index : index + _CAUSE_LINES]
            return "\n".join(block).removeprefix("error: ")
    last = lines[-1] if lines else ""
    return "" if last.startswith("$ ") else last.strip()


def _environment(launch: Launch) -> dict[str, str]:
    threads = {name: str(launch.threads) for name in _THREAD_VARIABLES}
    return {
        **os.environ,
        **threads,
        **launch.environment,
        "GRAFTLINE_EVENTS": launch.events,
        ENGINE_PID: str(os.getpid()),
        "PYTHONUNBUFFERED": "1",
        "TOKENIZERS_PARALLELISM": "true" if launch.threads > 1 else "false",
    }


def note_process(path: Path, pid: int, command: list[str]) -> None:
    """Note a process for `leftovers`, should this engine be killed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"pid": pid, "command": command}))
