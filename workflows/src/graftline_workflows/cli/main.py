"""The command group, and how errors are told."""

from __future__ import annotations

import difflib
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from graftline.errors import (
    EXIT_BUG,
    EXIT_CANCELLED,
    EXIT_CONFIG,
    EXIT_HELP,
    EXIT_OK,
    GraftlineError,
)
from graftline_workflows.cli import about, build, care, cluster, inspect, render
from graftline_workflows.home import os_error

_EXAMPLES = """
\b
Examples:
  graftline run json-extraction                    build and judge an adapter
  graftline plan json-extraction --set adapter.lora_r=32    what would be rebuilt, and why
  graftline run json-extraction --profile tiny --json       for scripts
  graftline show adapter                           what made it, and from what
  graftline get export ./bundle                    its files
  graftline gc --keep 5                            what could be thrown away
"""

_EXIT_CODES = "\b\nExit codes:\n" + "\n".join(
    f"  {code:<4} {text}" for code, text in EXIT_HELP.items()
)


class _Group(click.Group):
    """A group that names the nearest command."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0] if args else ""
        if name and not name.startswith("-") and self.get_command(ctx, name) is None:
            near = difflib.get_close_matches(name, self.list_commands(ctx), n=1)
            hint = f" — did you mean '{near[0]}'?" if near else "; see graftline --help"
            raise click.UsageError(f"there is no command '{name}'{hint}")
        return super().resolve_command(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


@click.group(
    cls=_Group,
    help="Builds LoRA adapters the way a build system builds binaries: only what changed.\n"
    + _EXAMPLES,
    epilog=_EXIT_CODES,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option("--home", type=click.Path(path_type=Path, file_okay=False), hidden=True)
@click.option("--store", hidden=True)
@click.option("--json", "as_json", is_flag=True, hidden=True)
@click.option("-q", "--quiet", is_flag=True, hidden=True)
@click.option("-v", "--verbose", is_flag=True, hidden=True)
@click.version_option(package_name="graftline", prog_name="graftline")
def cli(as_json: bool, **options: Any) -> None:
    """Keep what was said before the command's name."""
    click.get_current_context().obj = {**options, "json": as_json}


for _command in (
    *build.COMMANDS,
    *cluster.COMMANDS,
    *inspect.COMMANDS,
    *care.COMMANDS,
    *render.COMMANDS,
    *about.COMMANDS,
):
    cli.add_command(_command)


def main(arguments: list[str] | None = None) -> None:
    """Run a command and leave with its exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    sys.exit(run_command(given))


def run_command(arguments: list[str]) -> int:
    """Run a command; give its exit code, having told any error in a few lines on stderr."""
    try:
        result = cli.main(args=arguments, prog_name="graftline", standalone_mode=False)
    except GraftlineError as error:
        return _tell(error, arguments)
    except click.UsageError as error:
        where = error.ctx.command_path if error.ctx is not None else "graftline"
        _say(f"error: {error.format_message()} (see {where} --help)")
        return EXIT_CONFIG
    except click.ClickException as error:
        _say(f"error: {error.format_message()}")
        return EXIT_CONFIG
    except (click.Abort, KeyboardInterrupt):
        _say("stopped")
        return EXIT_CANCELLED
    except BrokenPipeError:
        # The reader left: what was going on is stopped, and must not look as if it were done.
        with suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_CANCELLED
    except OSError as error:
        return _tell(os_error(error, "cannot go on"), arguments)
    except Exception as error:
        return _tell_bug(error, arguments)
    return result if isinstance(result, int) else EXIT_OK


def _tell(error: GraftlineError, arguments: list[str]) -> int:
    _say(f"error: {error.cause}")
    if error.hint:
        _say(f"       {error.hint}")
    if error.exit_code == EXIT_BUG:
        return _tell_bug(error, arguments)
    if _is_verbose(arguments):
        _traceback(error)
    return error.exit_code


def _tell_bug(error: Exception, arguments: list[str]) -> int:
    if not isinstance(error, GraftlineError):
        _say(f"error: a bug in graftline: {type(error).__name__}: {error}")
    if _is_verbose(arguments):
        _traceback(error)
    else:
        _say("       the same command with --verbose shows where; please report it")
    return EXIT_BUG


def _traceback(error: Exception) -> None:
    import traceback

    _say("".join(traceback.format_exception(error)).rstrip())


def _is_verbose(arguments: list[str]) -> bool:
    return bool({"-v", "--verbose"} & set(arguments))


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    main()
