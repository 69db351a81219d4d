"""Run records: written while a run goes on, read by `runs`, `show`, `logs` and their kin."""

from __future__ import annotations

import getpass
import json
import re
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

from google.protobuf.timestamp_pb2 import Timestamp

from graftline.config import nearest
from graftline.errors import ConfigError, DataError, TransientError
from graftline.v1 import plan_pb2, stage_pb2

if TYPE_CHECKING:
    from collections.abc import Iterable

    from graftline.v1.manifest_pb2 import Manifest
    from graftline.v1.plan_pb2 import Plan, RunRecord
    from graftline_workflows.engine.status import StepStatus
    from graftline_workflows.session import StoreSession

_KEY = re.compile(r"[0-9a-f]{6,64}")
_KEY_LENGTH = 64
_RECENT = 20
"""Enough records, by when they were written, to have the newest run among them."""

_STATE_WORDS = {
    plan_pb2.RUN_STATE_RUNNING: "running",
    plan_pb2.RUN_STATE_SUCCEEDED: "succeeded",
    plan_pb2.RUN_STATE_GATE_FAILED: "gate-failed",
    plan_pb2.RUN_STATE_FAILED: "failed",
    plan_pb2.RUN_STATE_CANCELLED: "cancelled",
}
_KEY_OF_NAME = re.compile(r"^steps/([0-9a-f]{64})/manifest\.binpb$")


def run_state_word(state: plan_pb2.RunState) -> str:
    """Give a run state's word (`succeeded`, `gate-failed`, …)."""
    return _STATE_WORDS.get(state, "unknown")


class RunBook:
    """Keeps one run's record in the store: at its start, after each step, at its end.

    Args:
        session: The open store.
        record: What is known at the start.
    """

    def __init__(self, session: StoreSession, record: RunRecord) -> None:
        """Save nothing yet."""
        self._session = session
        self.record = record

    def begin(self) -> None:
        """Save it as running.

        Raises:
            GraftlineError: The store does not take it.
        """
        self._save()

    def update(self, steps: Iterable[StepStatus]) -> None:
        """Save how far the steps are; the store may be away, or too busy, for a moment."""
        del self.record.steps[:]
        self.record.steps.extend(_run_step(step) for step in steps)
        try:
            self._save()
        except TransientError:
            return  # the next step's end, or the run's, says it all again

    def end(self, state: plan_pb2.RunState, gate: str) -> None:
        """Save the end.

        Args:
            state: The run's.
            gate: Canonical JSON of the verdict, or empty.

        Raises:
            GraftlineError: The store does not take it.
        """
        self.record.state = state
        self.record.gate = gate
        self.record.finished_at.GetCurrentTime()
        self._save()

    def _save(self) -> None:
        self._session.steadily(lambda: self._session.records.save(self.record))


def new_record(
    run: str,
    plan: Plan,
    recipe_text: str,
    overrides: Iterable[str],
    *,
    engine: str = "local",
    host: str = "",
) -> RunRecord:
    """Make the record of a run that starts now.

    Args:
        run: Its id.
        plan: What it will do.
        recipe_text: The recipe's file.
        overrides: What the user set, as given.
        engine: What executes it: `local` or `argo`.
        host: Where it runs; this machine's name if empty.
    """
    started = Timestamp()
    started.GetCurrentTime()
    return plan_pb2.RunRecord(
        run=run,
        recipe=plan.recipe,
        profile=plan.profile,
        user=_user(),
        host=host or socket.gethostname(),
        engine=engine,
        state=plan_pb2.RUN_STATE_RUNNING,
        started_at=started,
        recipe_text=recipe_text,
        overrides=list(overrides),
        requests=[item.request for item in plan.steps],
        steps=[_planned_step(item) for item in plan.steps],
    )


def close_interrupted(session: StoreSession, run: str) -> None:
    """Record that a run whose engine was killed is over."""
    record = session.records.load(run) if run else None
    if record is not None and record.state == plan_pb2.RUN_STATE_RUNNING:
        record.state = plan_pb2.RUN_STATE_CANCELLED
        record.finished_at.GetCurrentTime()
        for step in record.steps:
            if step.state == stage_pb2.STEP_STATE_WAITING:
                step.state = stage_pb2.STEP_STATE_CANCELLED
        session.records.save(record)


def last_record(session: StoreSession, recipe: str) -> RunRecord | None:
    """Give the newest record of a recipe, or nothing."""
    for limit in (_RECENT, None):
        for record in session.records.list(limit):
            if record.recipe == recipe:
                return record
    return None


def run_named(session: StoreSession, run: str) -> RunRecord:
    """Give a run's record, or the newest for no name.

    Raises:
        ConfigError: There is no such run, or none at all.
    """
    if not run:
        newest = next(iter(session.records.list(_RECENT)), None)
        if newest is None:
            raise ConfigError("there is no run in this store yet", "graftline run RECIPE makes one")
        return newest
    record = session.records.load(run)
    if record is None:
        known = [item.run for item in session.records.list()]
        raise ConfigError(f"there is no run '{run}'{nearest(run, known)}", "see graftline runs")
    return record


@dataclass(frozen=True)
class FoundStep:
    """A step that somebody named.

    Args:
        name: Its name.
        key: Its key.
        run: The run whose step it is; empty if it was named by its key.
    """

    name: str
    key: str
    run: str


def find_step(session: StoreSession, wanted: str, run: str = "") -> FoundStep:
    """Find a step by its name in a run (the newest if none is named), or by its key or its start.

    Raises:
        ConfigError: There is none, or a key's start fits several.
    """
    looks_like_key = bool(_KEY.fullmatch(wanted))
    try:
        record = run_named(session, run)
    except ConfigError:
        if run or not looks_like_key:
            raise
        record = plan_pb2.RunRecord()
    for step in record.steps:
        if step.step == wanted:
            return FoundStep(step.step, step.key, record.run)
    if looks_like_key:
        keys = _keys(session, wanted)
        if len(keys) == 1:
            return FoundStep("", keys[0], "")
        if keys:
            raise ConfigError(f"{len(keys)} keys begin with '{wanted}'", "give more of it")
    names = [step.step for step in record.steps]
    what = "step or key" if looks_like_key else "step"
    near = nearest(wanted, names) or f"; its steps: {', '.join(names)}"
    raise ConfigError(f"run {record.run} ({record.recipe}) has no {what} '{wanted}'{near}")


def manifest_of(session: StoreSession, found: FoundStep) -> Manifest:
    """Give a found step's manifest.

    Raises:
        DataError: It is not, or no longer, in the store, or not whole.
    """
    lookup = session.manifests.lookup(found.key)
    if lookup.manifest is None:
        what = f"step '{found.name}'" if found.name else f"key {found.key[:12]}"
        reason = "it was not built yet" if lookup.problem == "absent" else lookup.problem
        raise DataError(f"{what} is not in the store: {reason}", "graftline run builds it")
    return lookup.manifest


def _keys(session: StoreSession, start: str) -> list[str]:
    if len(start) == _KEY_LENGTH:
        found = session.store.head(f"steps/{start}/manifest.binpb")
        return [start] if found is not None else []
    matches = (_KEY_OF_NAME.match(item.name) for item in session.store.list(f"steps/{start}"))
    return sorted({match[1] for match in matches if match is not None})


def _run_step(step: StepStatus) -> plan_pb2.RunStep:
    return plan_pb2.RunStep(
        step=step.name,
        stage=step.request.stage,
        key=step.request.key,
        cached=step.state == stage_pb2.STEP_STATE_CACHED,
        state=step.state,
        message=step.message,
    )


def _planned_step(item: plan_pb2.PlannedStep) -> plan_pb2.RunStep:
    cached, waiting = stage_pb2.STEP_STATE_CACHED, stage_pb2.STEP_STATE_WAITING
    return plan_pb2.RunStep(
        step=item.request.step,
        stage=item.request.stage,
        key=item.request.key,
        cached=item.cached,
        state=cached if item.cached else waiting,
        message="",
    )


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return ""


def gate_of(record: RunRecord) -> dict[str, object]:
    """Give a record's verdict, or an empty one."""
    found: dict[str, object] = json.loads(record.gate) if record.gate else {}
    return found
