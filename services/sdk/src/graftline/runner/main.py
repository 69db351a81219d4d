"""The entry point of every stage: `describe | run | check`.

python -m graftline_<stage> describe
python -m graftline_<stage> run --request REQUEST [--work DIR]
python -m graftline_<stage> run --run RUN --step STEP [--rank R --ranks N] [--attempt A]
python -m graftline_<stage> check --config CONFIG.json
graftline-stage run --exec "./my-stage" --request REQUEST

In an image, `graftline-stage` serves the stage that the image is for: `$GRAFTLINE_STAGE` names its
Python package, or `$GRAFTLINE_EXEC` a program in another language.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import importlib
import json
import os
import sys
import tempfile
import traceback
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from google.protobuf.json_format import MessageToJson, Parse, ParseError

from graftline.config import parse_settings
from graftline.errors import (
    EXIT_BUG,
    EXIT_CANCELLED,
    EXIT_CONFIG,
    EXIT_OK,
    EXIT_TRANSIENT,
    ConfigError,
    GraftlineError,
)
from graftline.v1 import stage_pb2

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from graftline.ports import Result
    from graftline.stage import Stage

EVENTS_ADDRESS = "GRAFTLINE_EVENTS"
PROGRESS_FILE = "ARGO_PROGRESS_FILE"
STAGE_PACKAGE = "GRAFTLINE_STAGE"
STAGE_PROGRAM = "GRAFTLINE_EXEC"
STORE = "GRAFTLINE_STORE"
IMAGE = "GRAFTLINE_IMAGE"
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
    except KeyboardInterrupt:
        exit_code = _fail("stopped on request", EXIT_CANCELLED)
    except Exception as error:
        exit_code = _exit_code_of(error)
        if exit_code == EXIT_TRANSIENT:
            _fail(f"the disk is full: {error}", exit_code)
        else:
            traceback.print_exc()
            _fail(f"{type(error).__name__}: {error}", exit_code)
    sys.exit(exit_code)


def _exit_code_of(error: BaseException) -> int:
    """Give the exit code that an error stands for, ours or another's."""
    if isinstance(error, GraftlineError):
        return error.exit_code
    is_full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    return EXIT_TRANSIENT if is_full else EXIT_BUG


def run_image() -> NoReturn:
    """The console script `graftline-stage`: serve the stage that this image is for."""
    package = os.environ.get(STAGE_PACKAGE, "")
    given = any(word.partition("=")[0] in ("--exec", "-h", "--help") for word in sys.argv)
    if not (package or given or os.environ.get(STAGE_PROGRAM)):
        cause = f"no stage is named: set {STAGE_PACKAGE}=PACKAGE or {STAGE_PROGRAM}=COMMAND"
        sys.exit(_fail(cause, EXIT_CONFIG))
    if not package:
        main(None)
    try:
        stage: Stage = importlib.import_module(f"{package}.descriptor").STAGE
    except ImportError as error:
        sys.exit(_fail(f"{STAGE_PACKAGE}={package} is no stage's package: {error}", EXIT_CONFIG))
    main(stage)


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
    asked = ran.add_mutually_exclusive_group(required=True)
    asked.add_argument("--request", type=Path, help="a StageRequest, JSON or binary")
    asked.add_argument("--run", help=f"a run whose plan is in the store (${STORE}); with --step")
    ran.add_argument("--step", help="the run's step to do")
    ran.add_argument("--rank", type=int, help="which of --ranks parallel workers this is, from 0")
    ran.add_argument("--ranks", type=int, help="how many workers share the step")
    ran.add_argument("--attempt", type=int, help="how often this was tried before")
    ran.add_argument("--work", type=Path, help="where scratch folders go (default: the system's)")
    program = "" if stage else os.environ.get(STAGE_PROGRAM, "")
    for command in (described, checked, ran):
        command.add_argument(
            "--exec",
            dest="program",
            default=program,
            required=stage is None and not program,
            help=f"a stage in another language (${STAGE_PROGRAM})",
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
    stop.watch_engine()

    from graftline.events.messages import EventSource
    from graftline.events.reporter import EventStream, StepReporter
    from graftline.runner.execute import StepExecution, check_request

    request = _asked(options)
    stream = EventStream(os.environ.get(EVENTS_ADDRESS, ""))
    shown = os.environ.get(PROGRESS_FILE, "")
    source = EventSource(request.run, request.step, request.rank)
    reporter = StepReporter(source, stream, Path(shown) if shown else None)
    try:
        check_request(request, stage, own_code=not options.program)
        with tempfile.TemporaryDirectory(
            prefix=f"graftline-{request.step}-", dir=options.work
        ) as d:
            folder = Path(d)
            load: Callable[[], Callable[..., Result | None]]
            if options.program:
                from graftline.runner.foreign import runner_of

                load = partial(runner_of, options.program, request, folder, reporter)
            else:
                load = stage.load_run
            image = request.image or os.environ.get(IMAGE, "")
            execution = StepExecution(stage, load, request, folder, reporter, image)
            stop.connect(execution.context.request_stop)
            execution.run()
        reporter.state(stage_pb2.STEP_STATE_SUCCEEDED, exit_code=EXIT_OK)
        return EXIT_OK
    except BaseException as error:
        exit_code = _exit_code_of(error)
        state = (
            stage_pb2.STEP_STATE_CANCELLED
            if exit_code == EXIT_CANCELLED
            else stage_pb2.STEP_STATE_FAILED
        )
        reporter.state(state, str(error), exit_code)
        raise
    finally:
        stream.close()


def _asked(options: argparse.Namespace) -> stage_pb2.StageRequest:
    """Give the request: a file's, or the one that a run's plan left in the store."""
    if options.request is not None:
        request = _read_request(options.request)
    else:
        from graftline.store import RunRecords, Store, await_answer

        if not options.step:
            raise ConfigError("--run wants --step", "run --run RUN --step STEP")
        if not os.environ.get(STORE):
            raise ConfigError(f"--run reads the request from the store: set {STORE}")
        store = Store.open(os.environ[STORE])
        await_answer(store)
        request = RunRecords(store).load_request(options.run, options.step)
    if options.rank is not None:
        request.rank = options.rank
    if options.ranks is not None:
        request.ranks = options.ranks
    if options.attempt is not None:
        request.attempt = options.attempt + 1
    if request.rank >= max(1, request.ranks):
        raise ConfigError(f"--rank {request.rank}: there are {max(1, request.ranks)} ranks, from 0")
    return request


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
    # The exit code says more than the text: a full disk must not put another in its place.
    with contextlib.suppress(OSError):
        if _TERMINATION_LOG.is_file() and os.access(_TERMINATION_LOG, os.W_OK):
            _TERMINATION_LOG.write_text(cause, encoding="utf-8")
    return exit_code


if __name__ == "__main__":
    main()
