"""The command line: `python -m graftline_index serve`."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import re
import sys
from typing import TYPE_CHECKING, NoReturn

from graftline.errors import EXIT_BUG, EXIT_OK, ConfigError, GraftlineError
from graftline.events.hub import Limits
from graftline_index.logs import log_to_stderr

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

STORE = "GRAFTLINE_STORE"
_ADDRESS = re.compile(r"(?P<host>\[[0-9A-Fa-f:.%]+\]|[^\s:/\[\]]+):(?P<port>\d{1,5})")
_DEFAULT_ADDRESS = "0.0.0.0:50051"
_DEFAULT_GRACE_S = 5.0
_MOST_STREAMS = 100_000

_LOG = logging.getLogger(__name__)

_ABOUT = """\
Serve what a store holds (manifests, lineage) and what running steps say (progress, logs), over
gRPC, for other programs. It only reads the store and keeps events in memory: it can be stopped,
lost and started again at any time, and no run depends on it."""

_MORE = f"""\
environment:
  {STORE}       the store, where --store is not given
  AWS_*                 credentials, AWS_ENDPOINT_URL_S3 and AWS_REGION, as for every S3 client

services (with reflection: `grpcurl -plaintext HOST:PORT list`):
  graftline.v1.ManifestsService   GetManifest, ListManifests, ResolveKeys, GetLineage
  graftline.v1.RunsService        Report (steps, with GRAFTLINE_EVENTS=HOST:PORT), Watch
  grpc.health.v1.Health           "" and ManifestsService: SERVING while the store answers;
                                  RunsService: SERVING until the server stops

example:
  {STORE}=s3://graftline python -m graftline_index serve --address 127.0.0.1:50051

SIGTERM ends it cleanly, a second one at once.
exit codes: 0 stopped on request, 64 a bad argument or setting, 70 a bug"""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ConfigError(message, f"{self.prog} --help says more")


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Serve one command and end the process with an exit code of `graftline.errors`.

    Args:
        arguments: The command line, `sys.argv` if not given.
    """
    log_to_stderr()
    exit_code = EXIT_OK
    try:
        _serve(_parser(os.environ).parse_args(arguments))
    except GraftlineError as error:
        _LOG.error("%s", error)
        exit_code = error.exit_code
    except Exception:
        _LOG.exception("a bug in the index")
        exit_code = EXIT_BUG
    logging.shutdown()
    sys.stdout.flush()
    # Nothing is left to be done: a question that hangs in the store must not keep the process.
    os._exit(exit_code)


def _parser(environment: Mapping[str, str]) -> argparse.ArgumentParser:
    parser = _Parser(
        prog="graftline_index",
        description=_ABOUT,
        epilog=_MORE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="serve")
    serve = commands.add_parser(
        "serve",
        help="serve until SIGTERM",
        description=_ABOUT,
        epilog=_MORE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    serve.add_argument(
        "--store", default=environment.get(STORE, ""), help=f"s3://bucket/prefix (${STORE})"
    )
    serve.add_argument(
        "--address",
        default=_DEFAULT_ADDRESS,
        metavar="HOST:PORT",
        help="where to listen; port 0 takes a free one, which the log names (%(default)s)",
    )
    serve.add_argument(
        "--grace",
        type=float,
        default=_DEFAULT_GRACE_S,
        metavar="SECONDS",
        help="how long a clean stop may take (%(default)g)",
    )
    serve.add_argument(
        "--max-watchers",
        type=int,
        default=Limits.watchers,
        metavar="N",
        help="one more is refused: RESOURCE_EXHAUSTED (%(default)d)",
    )
    serve.add_argument(
        "--max-reporters",
        type=int,
        default=Limits.reporters,
        metavar="N",
        help="steps and ranks that report at once; one more is not heard (%(default)d)",
    )
    return parser


def _serve(options: argparse.Namespace) -> None:
    found = _ADDRESS.fullmatch(options.address)
    if found is None or int(found["port"]) > 65_535:
        raise ConfigError(f"--address {options.address!r} is not of the form HOST:PORT")
    if not options.store:
        raise ConfigError("no store is named", f"give --store s3://bucket/prefix or set {STORE}")
    if not 0 <= options.grace <= 3_600:
        raise ConfigError(f"--grace {options.grace:g}: 0 to 3600 seconds are allowed")
    for name in ("max_watchers", "max_reporters"):
        if not 0 < getattr(options, name) <= _MOST_STREAMS:
            flag = "--" + name.replace("_", "-")
            raise ConfigError(
                f"{flag} {getattr(options, name)}: 1 to {_MOST_STREAMS:,} are allowed"
            )

    from graftline.store import Store
    from graftline_index.server import serve_until_stopped

    limits = Limits(options.max_watchers, options.max_reporters)
    store = Store.open(options.store)
    asyncio.run(serve_until_stopped(store, options.address, options.grace, limits))
