"""The command line: `python -m graftline_llm serve`."""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from graftline.errors import EXIT_BUG, EXIT_OK, ConfigError, GraftlineError
from graftline.runner.signals import StopSignal
from graftline_llm.rewriting import rewritten
from graftline_llm.serving import DEFAULT_MODEL, DEFAULT_NAME, Settings, find_model, serve

if TYPE_CHECKING:
    from collections.abc import Sequence

_ADDRESS = re.compile(r"(?P<host>[^\s:/]+):(?P<port>\d{1,5})")

_ABOUT = """\
Serve a language model by llama.cpp, with the API that OpenAI's clients speak, for the stages that
ask one. The default model is small (135M parameters): it shows that everything works. For data to
be proud of, give the stages endpoints of a better one."""

_MORE = """\
When it listens it says so, on stdout or in the file --ready, as one line of JSON:
  {"urls": ["http://127.0.0.1:8080/v1"], "model": "smollm2-135m-instruct", "slots": 4}

example:
  python -m graftline_llm serve --address 127.0.0.1:8080
  python -m graftline_llm serve --model qwen2.5-7b-instruct-q4_k_m.gguf --name qwen2.5-7b-instruct

SIGTERM ends it. exit codes: 0 stopped on request, 64 a bad argument, 70 a bug"""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ConfigError(message, f"{self.prog} --help says more")


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Serve until asked to stop, and end the process with an exit code of `graftline.errors`.

    Args:
        arguments: The command line, `sys.argv` if not given.
    """
    exit_code = EXIT_OK
    try:
        options = _parser().parse_args(arguments)
        _serve(_settings(options), options.ready)
    except GraftlineError as error:
        sys.stderr.write(f"error: {error}\n")
        exit_code = error.exit_code
    except Exception as error:
        sys.stderr.write(f"error: {type(error).__name__}: {error}\n")
        exit_code = EXIT_BUG
    sys.stdout.flush()
    # An answer that is being written must not keep the process.
    os._exit(exit_code)


def _serve(settings: Settings, ready: Path | None) -> None:
    stopped = threading.Event()
    stop = StopSignal()
    stop.connect(stopped.set)
    stop.watch_engine()
    with serve(settings) as urls:
        _say({"urls": urls, "model": settings.name, "slots": settings.slots}, ready)
        stopped.wait()


def _say(facts: dict[str, object], ready: Path | None) -> None:
    line = json.dumps(facts) + "\n"
    if ready is None:
        sys.stdout.write(line)
        sys.stdout.flush()
        return
    try:
        temporary = ready.with_name(f"{ready.name}.new")
        temporary.write_text(line)
        temporary.replace(ready)
    except OSError as error:
        raise ConfigError(f"--ready {ready} cannot be written: {error.strerror}") from error


def _settings(options: argparse.Namespace) -> Settings:
    address = _ADDRESS.fullmatch(options.address)
    if address is None or int(address["port"]) > 65535:
        raise ConfigError(f"--address {options.address}: HOST:PORT is wanted")
    if options.replicas > 1 and int(address["port"]):
        raise ConfigError("--replicas take a free port each: --address HOST:0")
    if options.model != DEFAULT_MODEL and options.name == DEFAULT_NAME:
        raise ConfigError(
            "--model is given without --name", "name the model: answers are kept under its name"
        )
    model = find_model(options.model)
    if options.model == DEFAULT_MODEL:
        model = _fast_form(model, options.cache)
    return Settings(
        model=model,
        name=options.name,
        host=address["host"],
        port=int(address["port"]),
        replicas=options.replicas,
        slots=options.slots,
        slot_tokens=options.slot_tokens,
        threads=options.threads,
        repeat_penalty=options.repeat_penalty,
    )


def _fast_form(model: Path, cache: Path) -> Path:
    try:
        return rewritten(model, cache)
    except OSError as error:
        raise ConfigError(
            f"--cache {cache}: the model cannot be kept there: {error.strerror}",
            "about 80 MB are needed",
        ) from error


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="graftline_llm",
        description=_ABOUT,
        epilog=_MORE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    serving = commands.add_parser(
        "serve",
        help="serve a model until asked to stop",
        description=_ABOUT,
        epilog=_MORE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    serving.add_argument(
        "--model",
        default=DEFAULT_MODEL,
        help="a .gguf file, or package://MODULE/FILE (%(default)s)",
    )
    serving.add_argument(
        "--name", default=DEFAULT_NAME, help="what the model is called (%(default)s)"
    )
    serving.add_argument(
        "--address", default="127.0.0.1:0", help="HOST:PORT; port 0 takes a free one (%(default)s)"
    )
    serving.add_argument(
        "--replicas",
        type=_positive,
        default=1,
        help="servers of the same model; on CPUs a few of one thread write more than one of many"
        " (%(default)s)",
    )
    serving.add_argument(
        "--slots", type=_positive, default=4, help="answers that each writes at once (%(default)s)"
    )
    serving.add_argument(
        "--slot-tokens",
        type=_positive,
        default=4096,
        help="tokens of one conversation at most, prompt and answer (%(default)s)",
    )
    serving.add_argument(
        "--threads",
        type=_positive,
        default=_threads(),
        help="CPU threads of each; more than there are free cores make it slower (%(default)s)",
    )
    serving.add_argument(
        "--repeat-penalty",
        type=_from_one,
        default=1.08,
        help="what was said in the last 64 tokens counts as so much less likely, since small models"
        " fall into loops; 1 leaves it out (%(default)s)",
    )
    serving.add_argument(
        "--cache",
        type=Path,
        default=Path(tempfile.gettempdir()) / "graftline-llm",
        help="where the default model is kept in the form that is read fastest (%(default)s)",
    )
    serving.add_argument(
        "--ready", type=Path, help="the file to write when it listens (default: stdout)"
    )
    return parser


def _threads() -> int:
    """Give what the engine allows, else this process's cores."""
    given = os.environ.get("GRAFTLINE_THREADS", "")
    return int(given) if given.isdecimal() and int(given) else len(os.sched_getaffinity(0))


def _positive(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"'{text}' is no whole number from 1")
    return int(text)


def _from_one(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 1 <= value <= 2:
        raise argparse.ArgumentTypeError(f"'{text}' is no number from 1 to 2")
    return value
