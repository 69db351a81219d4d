"""The entry point of every stage: `describe | run | check`.

python -m graftline_<stage> describe
python -m graftline_<stage> run --request REQUEST [--work DIR]
python -m graftline_<stage> check --config CONFIG.json
graftline-stage run --exec "./my-stage" --request REQUEST
"""

from __future__ import annotations

import argparse
import errno
import json
import os
import sys
import tempfile
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from google.protobuf.json_format import MessageToJson, Parse, ParseError

from graftline.config import parse_settings
from graftline.errors import (
    EXIT_BUG,
    EXIT_CANCELLED,
    EXIT_OK,
    EXIT_TRANSIENT,
    ConfigError,
    GraftlineError,
)
from graftline.v1 import stage_pb2

if TYPE_CHECKING:
    from collections.abc import Sequence

    from graftline.stage import Stage

EVENTS_ADDRESS = "GRAFTLINE_EVENTS"
ENGINE_IS_PARENT = "GRAFTLINE_ENGINE_IS_PARENT"
_TERMINATION_LOG = Path("/dev/termination-log")


def main(stage: Stage | None = None, arguments: Sequence[str] | None = None) -> NoReturn:
    """Serve one command and end the process with an exit code of `graftline.errors`.

    Args:
        stage: The stage, or nothing where `--exec` names a program.
        arguments: The command line, `sys.argv` if not given.
    """
    options = _parser(stage).parse_args(arguments)
    try:
        exit_code = _serve(stage, options)
    except GraftlineError as error:
        exit_code = _fail(str(error), error.exit_code)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            exit_code = _fail(f"the disk is full: {error}", EXIT_TRANSIENT)
        else:
            traceback.print_exc()
            exit_code = _fail(f"{type(error).__name__}: {error}", EXIT_BUG)
    except KeyboardInterrupt:
        exit_code = _fail("stopped on request", EXIT_CANCELLED)
    except Exception as error:
        traceback.print_exc()
        exit_code = _fail(f"{type(error).__name__}: {error}", EXIT_BUG)
    sys.exit(exit_code)


def run_program() -> NoReturn:
    """The console script `graftline-stage`, for stages that are programs."""
    main(None)


def _parser(stage: Stage | None) -> argparse.ArgumentParser:
    name = stage.name if stage else "a program's stage"
    parser = argparse.ArgumentParser(
        prog=f"graftline_{stage.name}" if stage else "graftline-stage",
        description=f"Graftline stage: {name}. {stage.summary if stage else ''}",
        epilog="Exit codes: 64 bad config, 65 bad data, 70 bug, 75 try again, 130 stopped.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    described = commands.add_parser("describe", help="print the descriptor as protobuf JSON")
    checked = commands.add_parser("check", help="check settings without running anything")
    checked.add_argument("--config", type=Path, help="a JSON file with config settings")
    checked.add_argument("--runtime", type=Path, help="a JSON file with runtime settings")
    ran = commands.add_parser("run", help="run one step")
    ran.add_argument("--request", type=Path, required=True, help="a StageRequest, JSON or binary")
    ran.add_argument("--work", type=Path, help="where scratch folders go (default: the system's)")
    for command in (described, checked, ran):
        command.add_argument(
            "--exec", dest="program", required=stage is None, help="a stage in another language"
        )
    return parser


def _serve(stage: Stage | None, options: argparse.Namespace) -> int:
    if options.program:
        from graftline.runner.foreign import declare, describe

        if options.command == "describe":
            sys.stdout.write(MessageToJson(describe(options.program)) + "\n")
            return EXIT_OK
        stage = declare(options.program)
    assert stage is not None
    if options.command == "describe":
        sys.stdout.write(MessageToJson(stage.describe()) + "\n")
        return EXIT_OK
    if options.command == "check":
        for model, path in ((stage.config, options.config), (stage.runtime, options.runtime)):
            if path is not None:
                parse_settings(model, _read_json(path), str(path))
        sys.stdout.write("ok\n")
        return EXIT_OK
    return _run(stage, options)


def _run(stage: Stage, options: argparse.Namespace) -> int:
    from graftline.runner.signals import StopSignal

    stop = StopSignal()
    if os.environ.get(ENGINE_IS_PARENT) == "1":
        stop.watch_parent()

    from graftline.events.messages import EventSource
    from graftline.events.reporter import EventStream, StepReporter
    from graftline.runner.execute import StepExecution, check_request

    request = _read_request(options.request)
    stream = EventStream(os.environ.get(EVENTS_ADDRESS, ""))
    reporter = StepReporter(EventSource(request.run, request.step, request.rank), stream)
    try:
        check_request(request, stage, own_code=not options.program)
        with tempfile.TemporaryDirectory(
            prefix=f"graftline-{request.step}-", dir=options.work
        ) as d:
            folder = Path(d)
            if options.program:
                from graftline.runner.foreign import runner_of

                function = runner_of(options.program, request, folder, reporter)
            else:
                function = stage.load_run()
            execution = StepExecution(stage, function, request, folder, reporter)
            stop.connect(execution.context.request_stop)
            execution.run()
        reporter.state(stage_pb2.STEP_STATE_SUCCEEDED, exit_code=EXIT_OK)
        return EXIT_OK
    except BaseException as error:
        exit_code = error.exit_code if isinstance(error, GraftlineError) else EXIT_BUG
        state = (
            stage_pb2.STEP_STATE_CANCELLED
            if exit_code == EXIT_CANCELLED
            else stage_pb2.STEP_STATE_FAILED
        )
        reporter.state(state, str(error), exit_code)
        raise
    finally:
        stream.close()


def _read_request(path: Path) -> stage_pb2.StageRequest:
    try:
        data = path.read_bytes()
        if data.lstrip()[:1] == b"{":
            return Parse(data, stage_pb2.StageRequest())
        return stage_pb2.StageRequest.FromString(data)
    except (OSError, ParseError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"request {path} cannot be read: {reason}") from error


def _read_json(path: Path) -> dict[str, object]:
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    if not isinstance(found, dict):
        raise ConfigError(f"{path}: a JSON object is expected, not {type(found).__name__}")
    return found


def _fail(cause: str, exit_code: int) -> int:
    sys.stderr.write(f"error: {cause}\n")
    if _TERMINATION_LOG.is_file() and os.access(_TERMINATION_LOG, os.W_OK):
        _TERMINATION_LOG.write_text(cause)
    return exit_code


if __name__ == "__main__":
    main()
