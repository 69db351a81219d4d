"""What an image must do besides what every stage must: one function a promise.

All runs of an image go without root, writable files, capabilities and network. If that is too
little for it, the last checks find out what it cannot do without, one restriction at a time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from graftline.errors import EXIT_OK
from graftline_workflows.conformance.checks import CHECKS, NotKept, NotReached, Trial
from graftline_workflows.conformance.image import (
    STAGE_COMMAND,
    USER,
    ImageSubject,
    Limit,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from graftline_workflows.conformance.subject import Outcome

_EXIT_CANNOT_EXECUTE = 126
_EXIT_NOT_FOUND = 127
_LABELS = tuple(f"org.opencontainers.image.{name}" for name in ("source", "revision", "version"))
_OWN_LABEL = "dev.graftline.build-id"
_SECRET = re.compile(
    r"(^|_)(TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?|API_?KEY|ACCESS_KEY(_ID)?|PRIVATE_KEY)(_|$)",
    re.IGNORECASE,
)


@dataclass
class ImageTrial(Trial):
    """A trial of an image."""

    subject: ImageSubject
    unlimited: Outcome | None = None


def has_numeric_user(trial: ImageTrial) -> str:
    """Its own user is a number other than 0, as `runAsNonRoot` in Kubernetes asks."""
    user = trial.subject.config.user
    name = user.partition(":")[0]
    if name in ("", "root") or (name.isdecimal() and int(name) == 0):
        raise NotKept(f"the image's user is root ({user or 'none is set'}): USER {USER}:{USER}")
    if not name.isdecimal():
        raise NotKept(
            f"Kubernetes cannot tell whether user '{name}' is root: USER {USER}:{USER} as a number"
        )
    return f"user {user}"


def says_where_it_is_from(trial: ImageTrial) -> str:
    """Its labels give source, revision and version (a warning only, for images not our own)."""
    config = trial.subject.config
    missing = [label for label in _LABELS if not config.labels.get(label)]
    if not missing:
        return f"{config.labels[_LABELS[2]]} at {config.labels[_LABELS[1]][:12]}"
    cause = f"no label {', '.join(missing)}"
    if _OWN_LABEL in config.labels:
        raise NotKept(cause)
    return f"warning: {cause}"


def holds_no_secrets(trial: ImageTrial) -> str:
    """Its environment holds no secrets (a run gets the store's credentials and no others)."""
    found = sorted(
        name
        for name, value in trial.subject.config.environment.items()
        if value and _SECRET.search(name)
    )
    if found:
        raise NotKept(f"whoever can pull the image can read {', '.join(found)}")
    return "none"


def has_the_stage_command(trial: ImageTrial) -> str:
    """`graftline-stage` is on its PATH, and starts without any network."""
    outcome = trial.subject.call_describe()
    if outcome.exit_code == _EXIT_NOT_FOUND:
        raise NotKept(f"there is no {STAGE_COMMAND} on the image's PATH: {outcome.cause}")
    if outcome.exit_code == _EXIT_CANNOT_EXECUTE:
        raise NotKept(f"{STAGE_COMMAND} cannot be executed: {outcome.cause}")
    return STAGE_COMMAND


def runs_as_another_user(trial: ImageTrial) -> str:
    """It runs as user 65532, whatever its own user is."""
    return _does_with(trial, Limit.USER)


def needs_no_writable_root(trial: ImageTrial) -> str:
    """It runs on a read-only root file system, with /tmp alone to write to."""
    return _does_with(trial, Limit.WRITABLE_ROOT)


def needs_no_capabilities(trial: ImageTrial) -> str:
    """It runs without capabilities and without gaining privileges."""
    return _does_with(trial, Limit.CAPABILITIES)


def needs_no_network(trial: ImageTrial) -> str:
    """It runs where nothing but the store can be reached."""
    return _does_with(trial, Limit.NETWORK)


BEFORE: tuple[Callable[[ImageTrial], str], ...] = (
    has_numeric_user,
    says_where_it_is_from,
    holds_no_secrets,
    has_the_stage_command,
)
REASONS: tuple[Callable[[ImageTrial], str], ...] = (
    runs_as_another_user,
    needs_no_writable_root,
    needs_no_capabilities,
    needs_no_network,
)
IMAGE_CHECKS: tuple[Callable[[ImageTrial], str], ...] = (*CHECKS, *REASONS)


def _does_with(trial: ImageTrial, limit: Limit) -> str:
    """Say whether it can do with a restriction; if `runs` failed, by trying with that alone."""
    if trial.first is None:
        raise NotReached("the stage was not run")
    if trial.first.exit_code == EXIT_OK:
        return "so it ran"
    if trial.unlimited is None:
        trial.unlimited = trial.subject.run(trial.request("unlimited"), frozenset())
    if trial.unlimited.exit_code != EXIT_OK:
        raise NotReached("the stage does not run without restrictions either")
    alone = trial.subject.run(trial.request(f"limited-{limit.value}"), frozenset({limit}))
    if alone.exit_code != EXIT_OK:
        raise NotKept(f"with this restriction alone, exit code {alone.exit_code}: {alone.cause}")
    return "so it ran, with this restriction alone"
