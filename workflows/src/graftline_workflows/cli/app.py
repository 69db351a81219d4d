"""What all commands share: the home folder, the store, and how to speak."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from graftline.errors import ConfigError
from graftline_workflows.home import Home

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console

    from graftline_workflows.session import StoreSession

_LOG_WIDTH = 140

DEFAULT_HOME = ".graftline"


@dataclass(frozen=True)
class App:
    """How a command was called.

    Args:
        home: The home folder.
        store_uri: A store that the user named; empty for the embedded one.
        json: Whether stdout takes one JSON object and nothing else.
        quiet: Whether to leave progress out.
        verbose: Whether to show all that steps say, and tracebacks.
    """

    home: Home
    store_uri: str
    json: bool
    quiet: bool
    verbose: bool

    def session(self, *, reading: bool = False, must_exist: bool = False) -> StoreSession:
        """Give the store, not yet opened.

        Args:
            reading: Whether nothing will be written: a store that others may write to does then.
            must_exist: Whether a home folder without a store is an error.

        Raises:
            ConfigError: The home folder cannot be used, or nothing was run in it yet.
        """
        from graftline_workflows.session import StoreSession

        if not self.store_uri:
            if must_exist and not self.home.path.joinpath("s3").is_dir():
                raise ConfigError(
                    f"nothing was run in {self.home.path} yet",
                    "graftline run RECIPE, or name the right folder with --home",
                )
            self.home.prepare()
        return StoreSession(self.home, self.store_uri, reading=reading)

    def console(self) -> Console:
        """Where people read: stdout, or stderr when stdout takes JSON."""
        from graftline_workflows.cli.console import TellingConsole

        stream = sys.stderr if self.json else sys.stdout
        # A log has no width of its own: wide enough that no table of ours is cut.
        width = None if stream.isatty() else _LOG_WIDTH
        return TellingConsole(stderr=self.json, soft_wrap=True, width=width)

    def print_json(self, value: Any) -> None:
        """Print one object on stdout."""
        sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")
        sys.stdout.flush()


def shared_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that all share; it is called with an `App` first."""

    @click.option(
        "--home",
        type=click.Path(path_type=Path, file_okay=False),
        envvar="GRAFTLINE_HOME",
        help=f"The folder for all that is written (default: {DEFAULT_HOME}; GRAFTLINE_HOME).",
    )
    @click.option(
        "--store",
        metavar="s3://BUCKET/PREFIX",
        envvar="GRAFTLINE_STORE",
        help="Use this store, by AWS_* variables, instead of the embedded one (GRAFTLINE_STORE).",
    )
    @click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
    @click.option("-q", "--quiet", is_flag=True, help="Leave progress out.")
    @click.option("-v", "--verbose", is_flag=True, help="Show all that steps say, and tracebacks.")
    @wraps(command)
    def call(
        home: Path | None,
        store: str | None,
        as_json: bool,
        quiet: bool,
        verbose: bool,
        **rest: Any,
    ) -> Any:
        outer: dict[str, Any] = click.get_current_context().find_root().obj or {}
        named = home or outer.get("home") or Path(DEFAULT_HOME)
        app = App(
            home=Home(Path(named)),
            store_uri=_store_uri(store or outer.get("store") or ""),
            json=as_json or bool(outer.get("json")),
            quiet=quiet or bool(outer.get("quiet")),
            verbose=verbose or bool(outer.get("verbose")),
        )
        return command(app, **rest)

    return call


def _store_uri(uri: str) -> str:
    if uri and not uri.startswith("s3://"):
        raise ConfigError(f"--store {uri}: a store is named s3://bucket/prefix")
    if "@" in uri.removeprefix("s3://").partition("/")[0]:
        raise ConfigError("--store: give credentials by AWS_* variables, not in the address")
    return uri.rstrip("/")
