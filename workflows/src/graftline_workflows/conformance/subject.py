"""The stage under test, as a command."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from google.protobuf.json_format import MessageToJson, Parse, ParseError

from graftline.errors import ConfigError
from graftline.v1 import stage_pb2

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PROGRAM_PREFIX = "exec:"
_DESCRIBE_TIMEOUT_S = 120.0
_GRACE_S = 60.0


@dataclass(frozen=True)
class Outcome:
    """How a run of the command ended."""

    exit_code: int
    stderr: str

    @property
    def cause(self) -> str:
        """The last line of stderr, which has to say what was wrong."""
        lines = [line for line in self.stderr.splitlines() if line.strip()]
        return lines[-1].strip() if lines else ""


class Subject:
    """Calls a stage's command.

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
        """Split the command as a shell would."""
        self.command = command
        self._environment = {**os.environ, **environment}
        self._work = work
        self._timeout_s = timeout_s
        self._requests = 0
        self._suffix: list[str] = []
        if command.startswith(PROGRAM_PREFIX):
            self._words = [sys.executable, "-m", "graftline.runner.main"]
            self._suffix = ["--exec", command.removeprefix(PROGRAM_PREFIX)]
        else:
            self._words = shlex.split(command)

    def describe_text(self) -> str:
        """Give what `describe` prints.

        Raises:
            ConfigError: It cannot be started or fails.
        """
        try:
            done = subprocess.run(
                [*self._words, "describe", *self._suffix],
                capture_output=True,
                text=True,
                timeout=_DESCRIBE_TIMEOUT_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ConfigError(f"'{self.command} describe' cannot be run: {error}") from error
        if done.returncode:
            raise ConfigError(
                f"'{self.command} describe' ended with exit code {done.returncode}:"
                f" {Outcome(done.returncode, done.stderr).cause}"
            )
        return done.stdout

    def describe(self) -> stage_pb2.StageDescriptor:
        """Give the descriptor.

        Raises:
            ConfigError: What `describe` prints is none.
        """
        try:
            return Parse(self.describe_text(), stage_pb2.StageDescriptor())
        except ParseError as error:
            raise ConfigError(
                f"'{self.command} describe' did not print a StageDescriptor: {error}"
            ) from error

    def start(self, request: stage_pb2.StageRequest) -> subprocess.Popen[str]:
        """Start a run."""
        self._requests += 1
        path = self._work / f"request-{self._requests}.json"
        path.write_text(MessageToJson(request))
        arguments = ["run", "--request", str(path), "--work", str(self._work), *self._suffix]
        return subprocess.Popen(
            [*self._words, *arguments],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def finish(self, process: subprocess.Popen[str], timeout_s: float | None = None) -> Outcome:
        """Wait for a run; one that does not end is killed and counts as exit code -9."""
        try:
            _, stderr = process.communicate(timeout=timeout_s or self._timeout_s)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            _, stderr = process.communicate()
        return Outcome(process.returncode, stderr or "")

    def run(self, request: stage_pb2.StageRequest) -> Outcome:
        """Run to the end."""
        return self.finish(self.start(request))

    def run_and_terminate(self, request: stage_pb2.StageRequest, after_s: float) -> Outcome:
        """Run, and send SIGTERM after a while."""
        process = self.start(request)
        try:
            process.wait(after_s)
        except subprocess.TimeoutExpired:
            process.terminate()
        return self.finish(process, _GRACE_S)


def settings(schema_text: str) -> dict[str, Any]:
    """Give a descriptor's JSON Schema as a dict; an empty text is an empty schema."""
    found: dict[str, Any] = json.loads(schema_text or "{}")
    return found
