"""One `graftline run` or `graftline plan`: from a recipe to a plan, a run and its verdict."""

from __future__ import annotations

import signal
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from graftline.canonical import canonical_json
from graftline.errors import (
    EXIT_BUG,
    EXIT_CANCELLED,
    EXIT_GATE,
    EXIT_OK,
    ConfigError,
    GraftlineError,
)
from graftline.ports import kind_value
from graftline.v1 import plan_pb2, stage_pb2
from graftline_workflows.again import taken_away
from graftline_workflows.engine.language_model import check_servers
from graftline_workflows.engine.leftovers import end_leftovers
from graftline_workflows.engine.local import Limits, LocalEngine
from graftline_workflows.engine.process import check_rules, check_stages
from graftline_workflows.home import new_run_id
from graftline_workflows.local_files import LocalFiles
from graftline_workflows.planning.planner import Planner, Wanted
from graftline_workflows.records import (
    RunBook,
    close_interrupted,
    new_record,
    run_state_word,
)
from graftline_workflows.results import ResultRow, judge_run, page_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from graftline.v1.manifest_pb2 import Manifest
    from graftline_workflows.engine.display import Display
    from graftline_workflows.engine.status import Outcome
    from graftline_workflows.gate import Verdict
    from graftline_workflows.home import Home
    from graftline_workflows.session import StoreSession

__all__ = ["Planner", "RecipeRun", "RunResult", "Wanted", "parse_images"]

_SHOWN_OUTPUTS = ("report", "bundle")


@dataclass(frozen=True)
class RunResult:
    """How a run ended.

    Args:
        run: Its id.
        recipe: The recipe's name.
        profile: The profile's name.
        state: Its state.
        outcome: What became of each step.
        verdict: The gate's, where its step is there.
        rows: The results table.
        metrics: All metrics, as `metrics_summary` gives them.
        report: The report's page, if there is one.
        bundle: The bundle's folder, if there is one.
        seconds: How long it took.
    """

    run: str
    recipe: str
    profile: str
    state: plan_pb2.RunState
    outcome: Outcome
    verdict: Verdict | None
    rows: tuple[ResultRow, ...]
    metrics: Mapping[str, Any]
    report: Path | None
    bundle: Path | None
    seconds: float

    @property
    def exit_code(self) -> int:
        """0, 1 where the gate is not met, else the first failed step's, or that of a stop."""
        if self.state == plan_pb2.RUN_STATE_SUCCEEDED:
            return EXIT_OK
        if self.state == plan_pb2.RUN_STATE_GATE_FAILED:
            return EXIT_GATE
        if self.state == plan_pb2.RUN_STATE_CANCELLED:
            return EXIT_CANCELLED
        return next((step.exit_code for step in self.outcome.failed), None) or EXIT_BUG

    def as_json(self) -> dict[str, Any]:
        """Give what `run --json` prints."""
        cached = stage_pb2.STEP_STATE_CACHED
        value: dict[str, Any] = {
            "run": self.run,
            "recipe": self.recipe,
            "profile": self.profile,
            "state": run_state_word(self.state),
            "built": [step.name for step in self.outcome.steps if step.built],
            "cached": [step.name for step in self.outcome.steps if step.state == cached],
            "gate": self.verdict.as_json() if self.verdict is not None else None,
            "metrics": dict(self.metrics),
            "report": str(self.report) if self.report is not None else None,
            "bundle": str(self.bundle) if self.bundle is not None else None,
        }
        if self.outcome.failed:
            value["failed"] = [
                {
                    "step": step.name,
                    "exit_code": step.exit_code,
                    "cause": step.message,
                    "log": str(step.log) if step.log is not None else None,
                }
                for step in self.outcome.failed
            ]
        return value


class RecipeRun:
    """Runs one recipe in a home folder.

    Args:
        wanted: What the user asked for.
        home: The home folder; the caller holds its lock.
        session: The store.
        display: Who is told.
        run: The run's id.
        interrupted: The id of a run whose engine was killed, if there is one.
        limits: What the engine may use.
    """

    def __init__(
        self,
        wanted: Wanted,
        home: Home,
        session: StoreSession,
        display: Display,
        *,
        run: str = "",
        interrupted: str = "",
        limits: Limits | None = None,
    ) -> None:
        """Read the recipe, while the store is opening."""
        self._began = time.monotonic()
        self._home = home
        self._session = session
        self._display = display
        self._interrupted = interrupted
        self._limits = limits
        self.run = run or new_run_id()
        self.planner = Planner(wanted, home, session, self.run)
        self._wanted = wanted

    def prepare(self) -> plan_pb2.Plan:
        """Clean up after a killed run, make the plan, and check that it can run here.

        Raises:
            GraftlineError: It cannot.
        """
        end_leftovers(self._home.path / "steps")
        self._home.drop_work()
        close_interrupted(self._session, self._interrupted)
        plan = self.planner.plan(again=True)
        to_build = [item.request for item in plan.steps if not item.cached]
        check_stages(to_build)
        check_servers(to_build)
        touched = {text.partition("=")[0].partition(".")[0] for text in self._wanted.overrides}
        check_rules(item for item in to_build if item.step in touched and not item.image)
        return plan

    def execute(self, plan: plan_pb2.Plan) -> RunResult:
        """Run a plan, judge the gate, bring report and bundle here, and keep the record.

        Raises:
            GraftlineError: The engine or the store cannot go on; a failed step is no such error.
        """
        resolved = self.planner.resolved
        book = RunBook(self._session, new_record(self.run, plan, resolved.text, resolved.overrides))
        book.begin()
        engine = LocalEngine(
            self.run, self._home, self._session, self._display, book.update, self._limits
        )
        try:
            with _stopping(engine), taken_away(self._session, self._again(plan)):
                outcome = engine.execute(plan, self.planner.plan)
            manifests = self._manifests(outcome)
            judged = judge_run(self._session, self.planner.resolved.gate, manifests)
            shown = self._bring(manifests)
        except BaseException as error:
            stopped = isinstance(error, (KeyboardInterrupt, BrokenPipeError))
            state = plan_pb2.RUN_STATE_CANCELLED if stopped else plan_pb2.RUN_STATE_FAILED
            with suppress(GraftlineError):
                book.end(state, "")
            raise
        verdict = judged.verdict
        state = _state(outcome, verdict)
        book.update(outcome.steps)
        book.end(state, canonical_json(verdict.as_json()) if verdict is not None else "")
        return RunResult(
            run=self.run,
            recipe=plan.recipe,
            profile=plan.profile,
            state=state,
            outcome=outcome,
            verdict=verdict,
            rows=judged.rows,
            metrics=judged.metrics,
            report=shown.get("report"),
            bundle=shown.get("bundle"),
            seconds=time.monotonic() - self._began,
        )

    def _again(self, plan: plan_pb2.Plan) -> list[str]:
        """Give the keys of the steps that are to be built again."""
        requests = (item.request for item in plan.steps)
        return [request.key for request in requests if request.step in self._wanted.again]

    def _manifests(self, outcome: Outcome) -> dict[str, Manifest]:
        """Give the manifest of every step that is there."""
        found = {}
        for step in outcome.steps:
            manifest = step.manifest
            if manifest is None and step.state == stage_pb2.STEP_STATE_CACHED:
                manifest = self.planner.manifest(step.request.key)
            if manifest is not None:
                found[step.name] = manifest
        return found

    def _bring(self, manifests: Mapping[str, Manifest]) -> dict[str, Path]:
        """Put report (given as its page) and bundle (as its folder) beside the run's logs."""
        files = LocalFiles(self._home.path / "files", self._session)
        shown: dict[str, Path] = {}
        for manifest in manifests.values():
            for output in manifest.outputs:
                kind = output.artifact.kind
                if output.port in _SHOWN_OUTPUTS and kind == kind_value(output.port):
                    folder = self._home.run_folder(self.run) / output.port
                    files.place(manifest.key, output.artifact, folder)
                    shown[output.port] = page_of(folder)
        return shown


def _state(outcome: Outcome, verdict: Verdict | None) -> plan_pb2.RunState:
    if outcome.failed:
        return plan_pb2.RUN_STATE_FAILED
    if outcome.cancelled and not outcome.complete:
        return plan_pb2.RUN_STATE_CANCELLED
    if not outcome.complete:
        return plan_pb2.RUN_STATE_FAILED
    if verdict is not None and not verdict.passed:
        return plan_pb2.RUN_STATE_GATE_FAILED
    return plan_pb2.RUN_STATE_SUCCEEDED


@contextmanager
def _stopping(engine: LocalEngine) -> Iterator[None]:
    """Pass Ctrl-C, SIGTERM and a closed terminal on to the engine."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}
    for number in numbers:
        signal.signal(number, lambda *_: engine.request_stop())
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def parse_images(texts: tuple[str, ...]) -> dict[str, str]:
    """Read `STAGE=IMAGE` texts.

    Raises:
        ConfigError: One of them is none.
    """
    images = {}
    for text in texts:
        name, equals, image = text.partition("=")
        if not (name and equals and image):
            raise ConfigError(f"--image {text}: STAGE=IMAGE is wanted, as curate=exec:./my-stage")
        images[name] = image
    return images
