"""The stage under test, however it is started."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from abc import ABC, abstractmethod
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from google.protobuf.json_format import MessageToJson, Parse, ParseError

from graftline.errors import ConfigError
from graftline.v1 import stage_pb2

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

PROGRAM_PREFIX = "exec:"
_DESCRIBE_TIMEOUT_S = 120.0
_GRACE_S = 60.0


@dataclass(frozen=True)
class Outcome:
    """How a call of the stage ended."""

    exit_code: int
    stderr: str
    stdout: str = ""

    @property
    def cause(self) -> str:
        """The last line of stderr, which has to say what was wrong."""
        lines = [line for line in self.stderr.splitlines() if line.strip()]
        return lines[-1].strip() if lines else ""


class Started:
    """A call that was started; used as a context manager, it is over when that is left.

    Args:
        command: What to start.
        environment: All of its variables.
        keep_stdout: Whether its stdout is wanted.
    """

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], *, keep_stdout: bool = False
    ) -> None:
        """Start it, in a session of its own: a Ctrl-C is for us to pass on.

        Raises:
            OSError: It cannot be started.
        """
        self._process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if keep_stdout else subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )

    def __enter__(self) -> Started:
        """Give itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Kill what is still running, whatever the reason for leaving."""
        if self._process.poll() is None:
            self.kill()
        with self._process:  # closes its pipes and waits
            pass

    def ended_within(self, timeout_s: float) -> bool:
        """Wait a while for the end."""
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return False
        return True

    def finish(self, timeout_s: float) -> Outcome:
        """Wait for the end; what does not end is killed and counts as exit code -9."""
        try:
            stdout, stderr = self._process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()
            _, stderr = self._process.communicate()
            return Outcome(-signal.SIGKILL, f"{stderr or ''}\ndid not end within {timeout_s:g} s")
        return Outcome(self._process.returncode, stderr or "", stdout or "")

    def terminate(self) -> None:
        """Send SIGTERM."""
        self._process.terminate()

    def kill(self) -> None:
        """End it and all that it started; it may just have ended by itself."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)


class Subject(ABC):
    """Calls a stage: `describe` and `run`.

    Args:
        command: What the user named.
        image: What requests name as their image.
        timeout_s: How long one run may take.
    """

    def __init__(self, command: str, image: str, timeout_s: float) -> None:
        """Keep the names; nothing is started."""
        self.command = command
        self.image = image
        self._timeout_s = timeout_s

    @abstractmethod
    def _start_describe(self) -> Started:
        """Start `describe`; its stdout is kept."""

    @abstractmethod
    def _start_run(self, request: stage_pb2.StageRequest) -> Started:
        """Start `run`."""

    def call_describe(self) -> Outcome:
        """Call `describe`, whatever comes of it.

        Raises:
            ConfigError: It cannot be started.
        """
        try:
            with self._start_describe() as started:
                return started.finish(_DESCRIBE_TIMEOUT_S)
        except OSError as error:
            raise ConfigError(
                f"'{self.command} describe' cannot be run: {error}",
                "an image is named image:REFERENCE",
            ) from error

    def describe_text(self) -> str:
        """Give what `describe` prints.

        Raises:
            ConfigError: It cannot be started or fails.
        """
        outcome = self.call_describe()
        if outcome.exit_code:
            raise ConfigError(
                f"'{self.command} describe' ended with exit code {outcome.exit_code}:"
                f" {outcome.cause}"
            )
        return outcome.stdout

    def describe(self) -> stage_pb2.StageDescriptor:
        """Give the descriptor.

        Raises:
            ConfigError: `describe` fails, or what it prints is none.
        """
        return self.parse(self.describe_text())

    def parse(self, text: str) -> stage_pb2.StageDescriptor:
        """Read what `describe` has printed.

        Raises:
            ConfigError: It is no descriptor.
        """
        try:
            return Parse(text, stage_pb2.StageDescriptor())
        except ParseError as error:
            raise ConfigError(
                f"'{self.command} describe' did not print a StageDescriptor: {error}"
            ) from error

    def run(self, request: stage_pb2.StageRequest) -> Outcome:
        """Run to the end."""
        with self._start_run(request) as started:
            return started.finish(self._timeout_s)

    def run_and_terminate(self, request: stage_pb2.StageRequest, after_s: float) -> Outcome:
        """Run, and send SIGTERM after a while."""
        with self._start_run(request) as started:
            if not started.ended_within(after_s):
                started.terminate()
            return started.finish(_GRACE_S)


class CommandSubject(Subject):
    """A stage as a command of this machine.

    Args:
        command: Such as `python -m graftline_curate`; a program without our runner is named as
            `exec:./my-stage`, and the runner is put around it.
        environment: The variables it gets besides the process's own (the store's address).
        work: Where its scratch folders go.
        timeout_s: How long one run may take.
    """

    def __init__(
        self, command: str, environment: Mapping[str, str], work: Path, timeout_s: float
    ) -> None:
        """Split the command as a shell would.

        Raises:
            ConfigError: A shell could not.
        """
        super().__init__(command, f"command:{command}", timeout_s)
        self._environment = {**os.environ, **environment}
        self._work = work
        self._requests = 0
        self._suffix: list[str] = []
        if command.startswith(PROGRAM_PREFIX):
            self._words = [sys.executable, "-m", "graftline.runner.main"]
            self._suffix = ["--exec", command.removeprefix(PROGRAM_PREFIX)]
            return
        try:
            self._words = shlex.split(command)
        except ValueError as error:
            raise ConfigError(f"'{command}' is no command: {error}") from error

    def _start_describe(self) -> Started:
        return Started([*self._words, "describe", *self._suffix], os.environ, keep_stdout=True)

    def _start_run(self, request: stage_pb2.StageRequest) -> Started:
        self._requests += 1
        path = self._work / f"request-{self._requests}.json"
        path.write_text(MessageToJson(request))
        arguments = ["run", "--request", str(path), "--work", str(self._work), *self._suffix]
        return Started([*self._words, *arguments], self._environment)


def settings(schema_text: str) -> dict[str, Any]:
    """Give a descriptor's JSON Schema as a dict; an empty text is an empty schema."""
    found: dict[str, Any] = json.loads(schema_text or "{}")
    return found
