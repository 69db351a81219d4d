"""The console that commands write to."""

from __future__ import annotations

from typing import NoReturn

from rich.console import Console

SHORT_KEY = 12
"""So much of a key tells it from others."""


class TellingConsole(Console):
    """Tells of a reader who left (`graftline plan … | head`) instead of ending with code 1.

    That is the gate's; `main` gives the code of a stop.
    """

    def on_broken_pipe(self) -> NoReturn:
        """Leave the ending to the command line.

        Raises:
            BrokenPipeError: Always.
        """
        raise BrokenPipeError


def line(console: Console, text: str = "") -> None:
    """Write one line of markup, figures as they are."""
    console.print(text, highlight=False)


def counted(count: int, what: str) -> str:
    """Give `1 step`, `5 steps`."""
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"
