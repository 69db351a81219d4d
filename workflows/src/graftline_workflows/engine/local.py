"""Runs a plan's steps as processes of this machine."""

from __future__ import annotations

import contextlib
import queue
import signal
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from graftline.errors import (
    EXIT_BUG,
    EXIT_CANCELLED,
    EXIT_OK,
    EXIT_TRANSIENT,
    GraftlineError,
    StoreUnavailable,
    TransientError,
)
from graftline.v1 import stage_pb2
from graftline_workflows.engine.budget import Budget, machine_cores, machine_memory_bytes
from graftline_workflows.engine.events import EventsServer
from graftline_workflows.engine.language_model import LanguageModelServer
from graftline_workflows.engine.process import Launch, StepProcess, last_cause, note_process
from graftline_workflows.engine.status import DONE, RUNNING, Outcome, StepStatus

if TYPE_CHECKING:
    from collections.abc import Callable

    from graftline.v1.manifest_pb2 import Manifest
    from graftline.v1.plan_pb2 import Plan, PlannedStep
    from graftline_workflows.engine.display import Display
    from graftline_workflows.home import Home
    from graftline_workflows.session import StoreSession

_TICK_S = 0.25
_LOSS = "loss"
_LOST = frozenset({-signal.SIGKILL, -signal.SIGTERM, 128 + signal.SIGKILL, 128 + signal.SIGTERM})


@dataclass(frozen=True)
class Limits:
    """What the engine may use, and how patient it is.

    Args:
        cores: Cores for all steps; 0 means all of this machine's.
        memory_bytes: Memory for all steps; 0 means all of this machine's.
        attempts: How often a step is tried when something outside fails.
        backoff_s: The wait before the second attempt; doubled for each further one.
        grace_s: How long a step may take to stop when asked to.
    """

    cores: int = 0
    memory_bytes: int = 0
    attempts: int = 3
    backoff_s: float = 1.0
    grace_s: float = 60.0


@dataclass(frozen=True)
class _Ended:
    step: str
    status: int


class LocalEngine:
    """One run of one plan.

    Args:
        run: The run's id.
        home: Where logs and work folders go.
        session: The open store.
        display: Who is told what happens.
        changed: Called with all steps whenever a step has ended (to keep the run record).
        limits: What it may use.
    """

    def __init__(
        self,
        run: str,
        home: Home,
        session: StoreSession,
        display: Display,
        changed: Callable[[list[StepStatus]], None],
        limits: Limits | None = None,
    ) -> None:
        """Prepare; nothing is started."""
        self._run = run
        self._home = home
        self._session = session
        self._display = display
        self._changed = changed
        self._limits = limits or Limits()
        self._budget = Budget(
            self._limits.cores or machine_cores(),
            self._limits.memory_bytes or machine_memory_bytes(),
        )
        self._queue: queue.Queue[_Ended | stage_pb2.StageEvent | None] = queue.Queue()
        self._events = EventsServer(run, self._queue.put)
        self._steps: dict[str, StepStatus] = {}
        self._processes: dict[str, StepProcess] = {}
        self._language_model = LanguageModelServer(home, self._budget.cores)
        self._stop_requests = 0
        self._kill_at = 0.0

    def request_stop(self) -> None:
        """Ask all steps to stop; asked again, kill them. Safe to call from a signal handler."""
        self._stop_requests += 1

    def execute(self, plan: Plan, replan: Callable[[], Plan]) -> Outcome:
        """Bring every step of a plan into the store, as far as that is possible.

        Args:
            plan: What to do.
            replan: Gives the plan anew, after something outside failed: a step whose artifact
                turned out to be corrupt is then built again.

        Raises:
            GraftlineError: The engine itself cannot go on (its home is not writable, say).
        """
        self._replan = replan
        self._steps = {item.request.step: _new_status(item) for item in plan.steps}
        self._home.run_folder(self._run)
        self._display.begin(list(self._steps.values()))
        try:
            while self._go_on():
                self._handle_next()
        finally:
            self._kill_all()
            self._language_model.close()
            self._events.close()
            self._home.drop_work(self._run)
            self._display.end()
        for step in self._steps.values():
            if self._stop_requests and step.state not in DONE | {stage_pb2.STEP_STATE_FAILED}:
                step.state = stage_pb2.STEP_STATE_CANCELLED
        return Outcome(tuple(self._steps.values()), cancelled=self._stop_requests > 0)

    # What to do next

    def _go_on(self) -> bool:
        if self._stop_requests:
            self._pass_on_stop()
            return bool(self._processes)
        failed = any(step.state == stage_pb2.STEP_STATE_FAILED for step in self._steps.values())
        if failed:
            return bool(self._processes)
        self._start_ready()
        waiting = any(step.not_before > time.monotonic() for step in self._waiting())
        return bool(self._processes) or waiting or bool(self._ready())

    def _waiting(self) -> list[StepStatus]:
        waiting = stage_pb2.STEP_STATE_WAITING
        return [step for step in self._steps.values() if step.state == waiting]

    def _ready(self) -> list[StepStatus]:
        now = time.monotonic()
        return [
            step
            for step in self._waiting()
            if step.not_before <= now
            and all(
                self._steps[item.step].state in DONE
                for item in step.request.inputs
                if item.step in self._steps
            )
        ]

    def _start_ready(self) -> None:
        ready = self._ready()
        while ready and not self._stop_requests:
            step = ready.pop(0)
            share = self._budget.take(step.name, step.resources, len(ready) + 1)
            if share is None:
                continue
            started = False
            try:
                started = self._start(step, share.threads)
            except TransientError as error:
                self._try_again(step, str(error))
            finally:
                if not started:
                    self._budget.give_back(step.name)
            if not started:
                ready = self._ready()

    def _start(self, step: StepStatus, threads: int) -> bool:
        """Start a step's process, unless its artifact turns out to be there already."""
        step.attempt += 1
        found = self._session.steadily(lambda: self._find(step))
        if found is not None:
            self._finish(step, self._done_state(found), found)
            return False
        step.request.attempt = step.attempt
        step.request.run = self._run
        step.log = self._home.log_path(self._run, step.name)
        launch = Launch(
            step.request,
            self._home.work_folder(self._run, step.name),
            step.log,
            {**self._session.environment, **self._language_model.environment(step.request)},
            self._events.address(),
            threads,
        )
        process = StepProcess(launch, lambda status: self._queue.put(_Ended(step.name, status)))
        self._processes[step.name] = process
        pid_file = self._home.path / "steps" / f"{step.name}.pid"
        note_process(pid_file, process.pid, process.command)
        step.started, step.ended = time.monotonic(), 0.0
        step.state = stage_pb2.STEP_STATE_RUNNING
        self._display.started(step)
        return True

    def _find(self, step: StepStatus) -> Manifest | None:
        manifests = self._session.manifests
        inputs = {}
        for key in {item.key for item in step.request.inputs}:
            lookup = manifests.lookup(key)
            if lookup.manifest is not None and not lookup.problem:
                inputs[key] = lookup.manifest
        lookup = manifests.lookup(step.request.key, inputs)
        return None if lookup.problem else lookup.manifest

    # What happened

    def _handle_next(self) -> None:
        try:
            item = self._queue.get(timeout=_TICK_S)
        except queue.Empty:
            item = None
        if isinstance(item, _Ended):
            self._ended(self._steps[item.step], item.status)
        elif item is not None:
            self._heard(item)
        self._display.tick()

    def _heard(self, event: stage_pb2.StageEvent) -> None:
        step = self._steps.get(event.step)
        if step is None or step.name not in self._processes:
            return
        kind = event.WhichOneof("event")
        if kind == "progress":
            total = event.progress.total if event.progress.HasField("total") else None
            step.meter.add(time.monotonic(), event.progress.done, total, event.progress.unit)
        elif kind == "metric" and _is_shown(event.metric.name, step.metric):
            step.metric = (event.metric.name, event.metric.value)
        elif kind == "log":
            self._display.said(step, event.log.level, event.log.text)
        elif kind == "state" and event.state.state in RUNNING:
            step.state = event.state.state

    def _ended(self, step: StepStatus, status: int) -> None:
        del self._processes[step.name]
        self._budget.give_back(step.name)
        self._home.drop_work(self._run, step.name)
        (self._home.path / "steps" / f"{step.name}.pid").unlink(missing_ok=True)
        step.ended = time.monotonic()
        step.exit_code = status
        to_come = (other for other in self._steps.values() if other.state not in DONE)
        self._language_model.close_unless_wanted(other.request for other in to_come)
        if status == EXIT_OK:
            self._succeeded(step)
        elif self._stop_requests:
            self._finish(step, stage_pb2.STEP_STATE_CANCELLED, None)
        elif status in _LOST:
            self._try_again(step, f"the process was ended from outside ({_name(status)})")
        elif status == EXIT_CANCELLED:
            self._try_again(step, "the process was asked to stop from outside")
        elif status == EXIT_TRANSIENT:
            cause = last_cause(step.log) if step.log else ""
            self._try_again(step, cause or "something outside failed")
        else:
            self._fail(step, status)

    def _succeeded(self, step: StepStatus) -> None:
        try:
            found = self._session.steadily(lambda: self._find(step))
        except TransientError as error:
            self._try_again(step, str(error))
            return
        if found is None:
            step.message = "it ended well, but what it should have made is not in the store"
            self._fail(step, EXIT_BUG)
            return
        self._finish(step, self._done_state(found), found)
        if step.again:
            step.again = False
            self._look_again()

    def _done_state(self, manifest: Manifest) -> stage_pb2.StepState:
        """Built, if this run committed it; cached, if somebody else did."""
        ours = manifest.run == self._run
        return stage_pb2.STEP_STATE_SUCCEEDED if ours else stage_pb2.STEP_STATE_CACHED

    def _fail(self, step: StepStatus, status: int) -> None:
        cause = step.message or (last_cause(step.log) if step.log else "")
        if status < 0:
            step.exit_code = EXIT_BUG
            cause = f"the process died of {_name(status)}; {cause}".rstrip("; ")
        elif not 0 < status < 128:
            step.exit_code = EXIT_BUG
        else:
            step.exit_code = status
        step.message = cause or f"exit code {status}, and no word of why"
        self._finish(step, stage_pb2.STEP_STATE_FAILED, None)

    def _try_again(self, step: StepStatus, cause: str) -> None:
        """Wait a little and start a step anew, with whatever it needs that is gone by now."""
        step.exit_code = EXIT_TRANSIENT
        step.message = cause
        if step.attempt >= self._limits.attempts:
            step.message = f"{cause} (after {step.attempt} attempts)"
            self._finish(step, stage_pb2.STEP_STATE_FAILED, None)
            return
        wait_s = self._limits.backoff_s * 2 ** (step.attempt - 1)
        step.state = stage_pb2.STEP_STATE_WAITING
        step.not_before = time.monotonic() + wait_s
        self._keep_log(step)
        self._display.again(step, wait_s)
        self._look_again()

    def _look_again(self) -> None:
        """Take a new plan's word for what is there and what is not."""
        try:
            plan = self._session.steadily(self._replan)
        except GraftlineError as error:
            self._display.note(f"could not plan anew: {error}")
            return
        for item in plan.steps:
            step = self._steps.get(item.request.step)
            if step is not None and step.state in DONE and not item.cached:
                step.state = stage_pb2.STEP_STATE_WAITING
                step.reason = item.reason
                step.again = True
                self._display.note(f"{step.name}: to be built again: {item.reason}")

    def _finish(
        self, step: StepStatus, state: stage_pb2.StepState, manifest: Manifest | None
    ) -> None:
        step.state = state
        if manifest is not None:
            step.manifest, step.message, step.exit_code = manifest, "", EXIT_OK
        self._keep_log(step)
        self._display.finished(step)
        self._changed(list(self._steps.values()))

    def _keep_log(self, step: StepStatus) -> None:
        """Copy the log to the store; the local one stays, so a failure here loses nothing."""
        if step.log is not None and step.log.exists():
            name = f"runs/{self._run}/logs/{step.name}.log"
            with contextlib.suppress(StoreUnavailable):
                self._session.store.upload(step.log, name)

    # The end

    def _pass_on_stop(self) -> None:
        now = time.monotonic()
        if not self._kill_at:
            self._kill_at = now + self._limits.grace_s
            for process in self._processes.values():
                process.terminate()
            if self._processes:
                self._display.stopping(sorted(self._processes), self._limits.grace_s)
        elif self._stop_requests > 1 or now > self._kill_at:
            for process in self._processes.values():
                process.kill()

    def _kill_all(self) -> None:
        for name, process in self._processes.items():
            process.kill()
            (self._home.path / "steps" / f"{name}.pid").unlink(missing_ok=True)


def _is_shown(name: str, shown: tuple[str, float] | None) -> bool:
    """One metric has room beside the bar: the loss if there is one, else the last."""
    return name == _LOSS or shown is None or shown[0] != _LOSS


def _new_status(item: PlannedStep) -> StepStatus:
    state = stage_pb2.STEP_STATE_CACHED if item.cached else stage_pb2.STEP_STATE_WAITING
    return StepStatus(item.request, item.resources, item.reason, state)


def _name(status: int) -> str:
    number = -status if status < 0 else status - 128
    name = signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"
    return f"{name}, perhaps for want of memory" if number == signal.SIGKILL else name
