"""A stage that is a program in another language: `graftline-stage run --exec CMD`.

    CMD describe                    prints the StageDescriptor as protobuf JSON
    CMD run WORK                    does one step in the folders of `workspace.py`

The program writes `WORK/outputs/<port>/…` and `WORK/result.json` (a StageResult), may print
StageEvents to stdout, one JSON object a line, and uses the exit codes of `graftline.errors`; the
last line of stderr is the cause of a failure. SIGTERM is passed on to it.
"""

from __future__ import annotations

import json
import shlex
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

from google.protobuf.json_format import MessageToJson, Parse, ParseError
from pydantic import ConfigDict

from graftline.config import Config, Runtime
from graftline.errors import BugError, Cancelled, ConfigError, error_for_exit_code
from graftline.ports import Output, Port, Result, kind_name
from graftline.schema import check_settings
from graftline.stage import Stage
from graftline.v1 import manifest_pb2, stage_pb2

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from graftline.context import Context
    from graftline.events.reporter import StepReporter
    from graftline.ports import Inputs

_DESCRIBE_TIMEOUT_S = 60
_STOP_POLL_S = 0.2


class OpenConfig(Config):
    """Settings whose schema the program itself gives; they are checked against that."""

    model_config = ConfigDict(extra="allow", frozen=True)


class OpenRuntime(Runtime):
    """The same for runtime settings."""

    model_config = ConfigDict(extra="allow", frozen=True)


def describe(command: str) -> stage_pb2.StageDescriptor:
    """Ask a program for its descriptor.

    Raises:
        ConfigError: It cannot be started, fails, or prints something else.
    """
    try:
        done = subprocess.run(
            [*shlex.split(command), "describe"],
            capture_output=True,
            timeout=_DESCRIBE_TIMEOUT_S,
            check=True,
            text=True,
            errors="replace",
        )
        return Parse(done.stdout, stage_pb2.StageDescriptor())
    except (OSError, ValueError) as error:
        raise ConfigError(f"stage program '{command}' cannot be started: {error}") from error
    except subprocess.CalledProcessError as error:
        said = (str(error.stderr).strip().splitlines() or ["nothing was said"])[-1]
        raise ConfigError(
            f"stage program '{command} describe' ended with {error.returncode}: {said}"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise ConfigError(
            f"stage program '{command} describe' gave no answer in {_DESCRIBE_TIMEOUT_S} s"
        ) from error
    except ParseError as error:
        raise ConfigError(
            f"stage program '{command} describe' did not print a StageDescriptor: {error}"
        ) from error


def declare(command: str) -> Stage:
    """Give the stage that a program describes."""
    found = describe(command)
    return Stage(
        name=found.name,
        version=found.version,
        summary=found.summary,
        inputs=tuple(_port(port) for port in found.inputs),
        outputs=tuple(_port(port) for port in found.outputs),
        config=OpenConfig,
        runtime=OpenRuntime,
        run="graftline.runner.foreign:runner_of",
        ranks=found.ranks,
        resources="gpu" if found.resources == stage_pb2.RESOURCE_CLASS_GPU else "cpu",
        conserves_rows=found.conserves_rows,
    )


def runner_of(
    command: str, request: stage_pb2.StageRequest, folder: Path, reporter: StepReporter
) -> Callable[..., Result | None]:
    """Give the function that runs a program as a stage's work."""

    def run(ctx: Context[Any], config: Config, inputs: Inputs) -> Result:
        descriptor = describe(command)
        schema = json.loads(descriptor.config_schema or "{}")
        if problems := check_settings(schema, json.loads(request.config or "{}"), request.step):
            raise ConfigError.of(problems, f"step '{request.step}'")
        (folder / "request.json").write_text(MessageToJson(request))
        for setting, path in inputs.sources.items():
            link = folder / "sources" / setting
            if not link.exists():
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to(path)
        for port in descriptor.outputs:
            ctx.output(port.name)
        _execute(command, ctx, folder, reporter)
        return _result(folder, {port.name: port.optional for port in descriptor.outputs})

    return run


def _execute(command: str, ctx: Context[Any], folder: Path, reporter: StepReporter) -> None:
    process = subprocess.Popen(
        [*shlex.split(command), "run", str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",  # what it prints may be in any encoding
    )
    last_error: list[str] = []

    def relay_stderr() -> None:
        assert process.stderr is not None
        for line in process.stderr:
            sys.stderr.write(line)
            last_error[:] = [line.strip()] if line.strip() else last_error

    def pass_on_stop() -> None:
        while process.poll() is None:
            if ctx.stopping:
                process.send_signal(signal.SIGTERM)
                return
            done.wait(_STOP_POLL_S)

    done = threading.Event()
    threads = [threading.Thread(target=work, daemon=True) for work in (relay_stderr, pass_on_stop)]
    for thread in threads:
        thread.start()
    assert process.stdout is not None
    assert process.stderr is not None
    with process.stdout, process.stderr:
        for line in process.stdout:
            if line.strip():
                _relay(line, reporter)
        threads[0].join()
    exit_code = process.wait()
    done.set()
    for thread in threads:
        thread.join()
    if ctx.stopping:
        raise Cancelled("stopped on request")
    if exit_code:
        cause = last_error[0] if last_error else f"'{command}' ended with exit code {exit_code}"
        raise error_for_exit_code(exit_code, cause.removeprefix("error: "))


def _relay(line: str, reporter: StepReporter) -> None:
    """Pass an event on; what is none is a line of its log, numbers and lists included."""
    try:
        event = Parse(line, stage_pb2.StageEvent()) if line.lstrip().startswith("{") else None
    except ParseError:
        event = None
    if event is not None:
        reporter.relay(event)
    else:
        reporter.log(line.rstrip())


def _result(folder: Path, ports: dict[str, bool]) -> Result:
    path = folder / "result.json"
    try:
        found = Parse(path.read_text(), stage_pb2.StageResult())
    except (OSError, ParseError) as error:
        raise BugError(f"the stage program left no readable result.json: {error}") from error
    outputs = {}
    for output in found.outputs:
        if output.port not in ports:
            raise BugError(f"result.json names an output '{output.port}' that is not declared")
        rows = output.rows if output.HasField("rows") else None
        kind = kind_name(output.kind) if output.kind else ""
        outputs[output.port] = Output(folder / "outputs" / output.port, rows, kind)
    cost: manifest_pb2.Cost = found.cost
    return Result(
        outputs=outputs,
        rows_in=found.rows_in if found.HasField("rows_in") else None,
        rows_out=found.rows_out if found.HasField("rows_out") else None,
        rejected={reject.reason: reject.rows for reject in found.rejected},
        base_model=found.base_model,
        figures=dict(found.figures),
        input_tokens=cost.input_tokens if cost.HasField("input_tokens") else None,
        output_tokens=cost.output_tokens if cost.HasField("output_tokens") else None,
        gpu_seconds=cost.gpu_seconds if cost.HasField("gpu_seconds") else None,
        usd=cost.usd if cost.HasField("usd") else None,
    )


def _port(port: stage_pb2.Port) -> Port:
    return Port(
        name=port.name,
        kinds=tuple(kind_name(kind) for kind in port.kinds),
        optional=port.optional,
        repeated=port.repeated,
        help=port.help,
        manifest_only=port.manifest_only,
        files=tuple(port.files),
    )
