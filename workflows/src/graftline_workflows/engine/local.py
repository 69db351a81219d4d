"""Runs a plan's steps as processes of this machine."""

from __future__ import annotations

import contextlib
import queue
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from graftline.errors import (
    EXIT_BUG,
    EXIT_CONFIG,
    EXIT_OK,
    EXIT_TRANSIENT,
    Cancelled,
    GraftlineError,
    TransientError,
)
from graftline.v1 import stage_pb2
from graftline_workflows.engine.agenda import Agenda
from graftline_workflows.engine.budget import Budget, machine_cores, machine_memory_bytes
from graftline_workflows.engine.ending import outside_cause, own_failure
from graftline_workflows.engine.events import EventsServer
from graftline_workflows.engine.language_model import LanguageModelServer
from graftline_workflows.engine.process import Launch, StepProcess, note_process
from graftline_workflows.engine.status import RUNNING, Outcome, StepStatus
from graftline_workflows.planning.plan import OTHER_OUTPUTS, missing_output

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from graftline.v1.manifest_pb2 import Manifest
    from graftline.v1.plan_pb2 import Plan
    from graftline_workflows.engine.display import Display
    from graftline_workflows.home import Home
    from graftline_workflows.session import StoreSession

_TICK_S = 0.25
_LOSS = "loss"


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
        self._processes: dict[str, StepProcess] = {}
        self._language_model = LanguageModelServer(home, self._budget.cores, self._wait_on)
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
        self._agenda = Agenda(plan)
        self._home.run_folder(self._run)
        self._display.begin(self._agenda.steps)
        try:
            while self._go_on():
                self._handle_next()
        finally:
            self._kill_all()
            self._language_model.close()
            self._events.close()
            self._home.drop_work(self._run)
            self._display.end()
        if self._stop_requests:
            self._agenda.cancel_rest()
        return Outcome(tuple(self._agenda.steps), cancelled=self._stop_requests > 0)

    # What to do next

    def _go_on(self) -> bool:
        if self._stop_requests:
            self._pass_on_stop()
            return bool(self._processes)
        if self._agenda.failed:
            return bool(self._processes)
        self._start_ready()
        return bool(self._processes) or self._agenda.is_anything_due(time.monotonic())

    def _start_ready(self) -> None:
        ready = self._agenda.ready(time.monotonic())
        while ready and not self._stop_requests:
            step = ready.pop(0)
            share = self._budget.take(step.name, step.resources, len(ready) + 1)
            if share is None:
                continue
            started = False
            try:
                started = self._start(step, share.threads)
            except Cancelled:
                return
            except TransientError as error:
                self._try_again(step, str(error))
            finally:
                if not started:
                    self._budget.give_back(step.name)
            if not started:
                ready = self._agenda.ready(time.monotonic())

    def _start(self, step: StepStatus, threads: int) -> bool:
        """Start a step's process, unless its artifact turns out to be there already."""
        step.attempt += 1
        inputs = self._session.steadily(lambda: self._inputs(step))
        found = self._session.steadily(lambda: self._find(step, inputs))
        if found is not None:
            self._finish(step, self._done_state(found), found)
            return False
        if text := missing_output(step.request, inputs):
            self._fail(step, EXIT_CONFIG, f"it {text} ({OTHER_OUTPUTS})")
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

    def _wait_on(self) -> bool:
        """Let time pass while the language model's server starts; False if somebody says stop."""
        self._display.tick()
        return not self._stop_requests

    def _inputs(self, step: StepStatus) -> dict[str, Manifest]:
        keys = {item.key for item in step.request.inputs}
        found = {key: self._session.manifests.lookup(key) for key in keys}
        return {
            key: one.manifest
            for key, one in found.items()
            if one.manifest is not None and not one.problem
        }

    def _find(self, step: StepStatus, inputs: Mapping[str, Manifest]) -> Manifest | None:
        lookup = self._session.manifests.lookup(step.request.key, inputs)
        return None if lookup.problem else lookup.manifest

    # What happened

    def _handle_next(self) -> None:
        try:
            item = self._queue.get(timeout=_TICK_S)
        except queue.Empty:
            item = None
        if isinstance(item, _Ended):
            self._ended(self._agenda[item.step], item.status)
        elif item is not None:
            self._heard(item)
        self._display.tick()

    def _heard(self, event: stage_pb2.StageEvent) -> None:
        step = self._agenda.find(event.step)
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
        self._settle(step, status)
        self._language_model.close_unless_wanted(self._agenda.to_come())

    def _settle(self, step: StepStatus, status: int) -> None:
        """Say what became of a step by how its process ended."""
        if status == EXIT_OK:
            self._succeeded(step)
        elif self._stop_requests:
            self._finish(step, stage_pb2.STEP_STATE_CANCELLED, None)
        elif cause := outside_cause(status, step.log):
            self._try_again(step, cause)
        else:
            self._fail(step, *own_failure(status, step.log))

    def _succeeded(self, step: StepStatus) -> None:
        try:
            found = self._session.steadily(lambda: self._find(step, self._inputs(step)))
        except TransientError as error:
            self._try_again(step, str(error))
            return
        if found is None:
            text = "it ended well, but what it should have made is not in the store"
            self._fail(step, EXIT_BUG, text)
            return
        self._finish(step, self._done_state(found), found)
        if step.again:
            step.again = False
            self._look_again()

    def _done_state(self, manifest: Manifest) -> stage_pb2.StepState:
        """Built, if this run committed it; cached, if somebody else did."""
        ours = manifest.run == self._run
        return stage_pb2.STEP_STATE_SUCCEEDED if ours else stage_pb2.STEP_STATE_CACHED

    def _fail(self, step: StepStatus, exit_code: int, cause: str) -> None:
        step.exit_code, step.message = exit_code, cause
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
        for step in self._agenda.reopen(plan):
            self._display.note(f"{step.name}: to be built again: {step.reason}")

    def _finish(
        self, step: StepStatus, state: stage_pb2.StepState, manifest: Manifest | None
    ) -> None:
        step.state = state
        if manifest is not None:
            step.manifest, step.message, step.exit_code = manifest, "", EXIT_OK
        self._keep_log(step)
        self._display.finished(step)
        self._changed(self._agenda.steps)

    def _keep_log(self, step: StepStatus) -> None:
        """Copy the log to the store; the local one stays, so a failure here loses nothing."""
        if step.log is not None and step.log.exists():
            name = f"runs/{self._run}/logs/{step.name}.log"
            with contextlib.suppress(GraftlineError):
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
