"""Graftline's errors and exit codes.

    GraftlineError                 exit code
    ├── ConfigError                64   what the user asked for cannot be meant
    ├── DataError                  65   what a step was given cannot be used
    ├── BugError                   70   a promise of our own is broken
    ├── TransientError             75   trying again may help
    │   └── StoreUnavailable       75
    └── Cancelled                 130   somebody asked to stop

Third-party exceptions become one of these at the boundary where they appear.
"""

from __future__ import annotations

from dataclasses import dataclass

EXIT_OK = 0
EXIT_GATE = 1
EXIT_CONFIG = 64
EXIT_DATA = 65
EXIT_BUG = 70
EXIT_TRANSIENT = 75
EXIT_CANCELLED = 130

EXIT_HELP: dict[int, str] = {
    EXIT_OK: "done",
    EXIT_GATE: "the run is complete, but its gate is not met",
    EXIT_CONFIG: "the recipe, a setting or an argument is wrong; nothing was run",
    EXIT_DATA: "a source or an input cannot be used; the message names it",
    EXIT_BUG: "a bug in Graftline or in a stage; please report it with the step's log",
    EXIT_TRANSIENT: "something outside failed (store, network, disk); run the same command again",
    EXIT_CANCELLED: "stopped on request; run the same command again to go on",
}


class GraftlineError(Exception):
    """An error with one line of cause and, where there is one, a line of what to do.

    Args:
        cause: What is wrong and where, in one line.
        hint: What to do about it; empty if the cause says it.
    """

    exit_code = EXIT_BUG

    def __init__(self, cause: str, hint: str = "") -> None:
        """Keep the cause and the hint."""
        super().__init__(cause)
        self.cause = cause
        self.hint = hint

    def __str__(self) -> str:
        """Give the cause, then the hint."""
        return f"{self.cause} ({self.hint})" if self.hint else self.cause


@dataclass(frozen=True)
class Problem:
    """One thing wrong with a configuration.

    Args:
        path: Where, as `adapter.lora_r`.
        message: What is wrong, with the value and what is allowed.
    """

    path: str
    message: str

    def __str__(self) -> str:
        """Give `path: message`."""
        return f"{self.path}: {self.message}" if self.path else self.message


class ConfigError(GraftlineError):
    """What the user asked for cannot be meant; carries every problem found, not only the first."""

    exit_code = EXIT_CONFIG

    def __init__(self, cause: str, hint: str = "", problems: tuple[Problem, ...] = ()) -> None:
        """Keep the problems beside the cause."""
        super().__init__(cause, hint)
        self.problems = problems

    @classmethod
    def of(cls, problems: list[Problem], subject: str) -> ConfigError:
        """Make one error of several problems with the same subject."""
        lines = [str(problem) for problem in problems]
        if len(lines) == 1:
            return cls(f"{subject}: {lines[0]}", problems=tuple(problems))
        listed = "".join(f"\n  - {line}" for line in lines)
        return cls(f"{subject}: {len(lines)} problems{listed}", problems=tuple(problems))


class DataError(GraftlineError):
    """A source, an input or a row set cannot be used."""

    exit_code = EXIT_DATA


class BugError(GraftlineError):
    """A promise of our own, or of a stage's, is broken."""

    exit_code = EXIT_BUG


class TransientError(GraftlineError):
    """Trying again may help: network, disk, a server that is away."""

    exit_code = EXIT_TRANSIENT


class StoreUnavailable(TransientError):
    """The store does not answer, or does not let us in."""


class Cancelled(GraftlineError):
    """Somebody asked to stop (SIGINT, SIGTERM); what was committed stays."""

    exit_code = EXIT_CANCELLED


_BY_EXIT_CODE: dict[int, type[GraftlineError]] = {
    EXIT_CONFIG: ConfigError,
    EXIT_DATA: DataError,
    EXIT_BUG: BugError,
    EXIT_TRANSIENT: TransientError,
    EXIT_CANCELLED: Cancelled,
}


def error_for_exit_code(exit_code: int, cause: str) -> GraftlineError:
    """Turn a process's exit code back into the error that it stands for (unknown ones: a bug)."""
    return _BY_EXIT_CODE.get(exit_code, BugError)(cause)
