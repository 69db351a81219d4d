"""A language model's server for the steps of a run that ask one and name no endpoints."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from graftline.errors import Cancelled, ConfigError, Problem, TransientError
from graftline.llm.config import ENDPOINTS
from graftline.runner.signals import ENGINE_PID
from graftline_workflows.asking import names_no_endpoint
from graftline_workflows.engine.process import kill_group, last_cause, note_process
from graftline_workflows.home import os_error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from graftline.v1 import stage_pb2
    from graftline_workflows.home import Home

_MODULE = "graftline_llm"
_PID_NAME = "@llm"
_START_S = 120.0
_MOST_REPLICAS = 4
"""Servers of one thread each write more than one of many, whose threads wait for each other."""
_SLOTS = 2
_POLL_S = 0.05
_GRACE_S = 5.0


def wants_server(request: stage_pb2.StageRequest) -> bool:
    """Whether a step is to ask a language model, and nobody says where one is."""
    asks = names_no_endpoint(json.loads(request.runtime or "{}"))
    return asks and not os.environ.get(ENDPOINTS)


def check_servers(requests: Iterable[stage_pb2.StageRequest]) -> None:
    """Make sure that every step that asks a language model has one to ask.

    Raises:
        ConfigError: With one problem for each step that has none.
    """
    if importlib.util.find_spec(_MODULE) is not None:
        return
    text = (
        "it asks a language model, and no server is named: set its endpoints "
        "(--set llm.endpoints=[…]), or pip install graftline-llm for a small one"
    )
    problems = [Problem(request.step, text) for request in requests if wants_server(request)]
    if problems:
        raise ConfigError.of(problems, "cannot run")


class LanguageModelServer:
    """A llama.cpp server with a small real model, started when a step first wants it.

    Its files are in `home/llm`; a server that an engine left behind is ended by the next one.

    Args:
        home: The home folder.
        threads: How many threads it should use.
        go_on: Called again and again while it starts; False says not to wait any longer.
    """

    def __init__(self, home: Home, threads: int, go_on: Callable[[], bool] = lambda: True) -> None:
        """Prepare; nothing is started."""
        self._folder = home.path / "llm"
        self._pid_file = home.path / "steps" / f"{_PID_NAME}.pid"
        self._threads = threads
        self._go_on = go_on
        self._process: subprocess.Popen[bytes] | None = None

    def environment(self, request: stage_pb2.StageRequest) -> dict[str, str]:
        """Give what a step's process needs to ask the server; start it where it wants one.

        Raises:
            TransientError: It did not start; the message has its last words.
            Cancelled: `go_on` said no.
            GraftlineError: Its files cannot be written.
        """
        if not wants_server(request):
            return {}
        if self._process is None or self._process.poll() is not None:
            self._start()
        return {ENDPOINTS: json.dumps(self._endpoints())}

    def close_unless_wanted(self, requests: Iterable[stage_pb2.StageRequest]) -> None:
        """Stop it if none of these steps, which are still to come, wants it."""
        if self._process is not None and not any(wants_server(request) for request in requests):
            self.close()

    def close(self) -> None:
        """Stop it."""
        if self._process is None:
            return
        self._process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_GRACE_S)
        kill_group(self._process.pid)
        self._process.wait()
        self._process = None
        self._pid_file.unlink(missing_ok=True)

    def _start(self) -> None:
        ready, log_path = self._folder / "ready.json", self._folder / "llm.log"
        replicas = min(self._threads, _MOST_REPLICAS)
        command = [sys.executable, "-m", _MODULE, "serve", "--replicas", str(replicas)]
        command += ["--slots", str(_SLOTS), "--threads", str(self._threads // replicas)]
        command += ["--ready", str(ready), "--cache", str(self._folder)]
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            ready.unlink(missing_ok=True)
            with log_path.open("wb") as log:
                self._process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env={**os.environ, ENGINE_PID: str(os.getpid())},
                    start_new_session=True,
                )
            note_process(self._pid_file, self._process.pid, command)
        except OSError as error:
            raise os_error(error, "cannot start the language model's server") from error
        deadline = time.monotonic() + _START_S
        while not ready.exists():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.close()
                words = last_cause(log_path)
                raise TransientError(f"the language model's server did not start: {words}")
            if not self._go_on():
                self.close()
                raise Cancelled("stopped on request")
            time.sleep(_POLL_S)

    def _endpoints(self) -> list[dict[str, Any]]:
        facts = json.loads((self._folder / "ready.json").read_text())
        common = {"models": [facts["model"]], "max_concurrency": facts["slots"]}
        return [{"url": url, **common} for url in facts["urls"]]
