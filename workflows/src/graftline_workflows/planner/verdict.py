"""`graftline-planner gate`: how a run ended, from what its steps left in the store."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graftline.canonical import canonical_json
from graftline.config import parse_settings
from graftline.errors import EXIT_BUG, EXIT_CANCELLED, EXIT_GATE, EXIT_OK, BugError
from graftline.ports import kind_value
from graftline.store.names import run_prefix
from graftline.v1 import plan_pb2, stage_pb2
from graftline_workflows.gate import Gate
from graftline_workflows.records import RunBook
from graftline_workflows.results import Judgement, judge_run, page_of, unmet

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from graftline.v1.manifest_pb2 import Manifest
    from graftline_workflows.session import StoreSession

_REPORT = "report"
_TASK = re.compile(r"([^(]+)")
_STOPPED = re.compile(r"(stopped|shutdown) with strategy", re.IGNORECASE)
_ARGOS_WORDS = ("", "No more retries left", "retryStrategy.expression evaluated to false")


def gate_name(run: str) -> str:
    """Where a run's gate, as recipe, profile and overrides make it, lies in the store."""
    return f"{run_prefix(run)}gate.json"


@dataclass(frozen=True)
class Ending:
    """How a run ended.

    Args:
        state: Its state.
        reason: Why it is not a success, in one line; empty if it is.
        judgement: What the gate says.
    """

    state: plan_pb2.RunState
    reason: str
    judgement: Judgement

    @property
    def exit_code(self) -> int:
        """0; 1 where the gate is not met; 70 where a step has no result; 130 after a stop."""
        return {
            plan_pb2.RUN_STATE_SUCCEEDED: EXIT_OK,
            plan_pb2.RUN_STATE_GATE_FAILED: EXIT_GATE,
            plan_pb2.RUN_STATE_CANCELLED: EXIT_CANCELLED,
        }.get(self.state, EXIT_BUG)


class PodGate:
    """Judges a run and closes its record.

    Args:
        session: The store.
        run: The run's id.
        failures: What Argo says of the nodes that failed.
    """

    def __init__(
        self, session: StoreSession, run: str, failures: Iterable[Mapping[str, Any]] = ()
    ) -> None:
        """Look at nothing yet."""
        self._session = session
        self._run = run
        self._causes, self._stopped = _causes(failures)

    def close(self, outputs: Path) -> Ending:
        """Judge the run, save its end, and leave verdict and report for Argo.

        Args:
            outputs: The folder for them.

        Raises:
            BugError: The run has no record: its plan did not end.
            GraftlineError: The store cannot be read or written.
        """
        record = self._session.records.load(self._run)
        if record is None:
            cause = self._causes.get("plan", "its plan did not end")
            raise BugError(f"run '{self._run}' was not planned: {cause}")
        manifests = self._manifests(record)
        book = RunBook(self._session, record)
        for step in record.steps:
            self._settle(step, manifests.get(step.step))
        ending = self._ending(record, manifests)
        verdict = ending.judgement.verdict
        outputs.mkdir(parents=True, exist_ok=True)
        told = {
            "run": self._run,
            "state": plan_pb2.RunState.Name(ending.state).removeprefix("RUN_STATE_").lower(),
            "reason": ending.reason,
            "gate": verdict.as_json() if verdict is not None else None,
        }
        (outputs / "verdict").write_text(json.dumps(told), encoding="utf-8")
        self._bring_report(manifests, outputs / "report.html")
        book.end(ending.state, canonical_json(verdict.as_json()) if verdict is not None else "")
        return ending

    def _manifests(self, record: plan_pb2.RunRecord) -> dict[str, Manifest]:
        """Give the manifest of every step that is there, whole."""
        found = {}
        for step in record.steps:
            lookup = self._session.manifests.lookup(step.key)
            if lookup.manifest is not None and not lookup.problem:
                found[step.step] = lookup.manifest
        return found

    def _settle(self, step: plan_pb2.RunStep, manifest: Manifest | None) -> None:
        if manifest is not None:
            done = stage_pb2.STEP_STATE_CACHED if step.cached else stage_pb2.STEP_STATE_SUCCEEDED
            step.state, step.message = done, ""
        elif self._stopped:
            step.state, step.message = stage_pb2.STEP_STATE_CANCELLED, ""
        elif step.step in self._causes:
            step.state, step.message = stage_pb2.STEP_STATE_FAILED, self._causes[step.step]
        else:
            step.state = stage_pb2.STEP_STATE_WAITING

    def _ending(self, record: plan_pb2.RunRecord, manifests: Mapping[str, Manifest]) -> Ending:
        missing = [step for step in record.steps if step.step not in manifests]
        if missing and self._stopped:
            return Ending(plan_pb2.RUN_STATE_CANCELLED, "somebody stopped the run", Judgement())
        if missing:
            failed = [s for s in missing if s.state == stage_pb2.STEP_STATE_FAILED] or missing[:1]
            told = "; ".join(
                f"step '{step.step}' has no result" + (f": {step.message}" if step.message else "")
                for step in failed
            )
            return Ending(plan_pb2.RUN_STATE_FAILED, told, Judgement())
        judgement = judge_run(self._session, self._gate(), manifests)
        if judgement.verdict is not None and not judgement.verdict.passed:
            return Ending(plan_pb2.RUN_STATE_GATE_FAILED, unmet(judgement.verdict), judgement)
        return Ending(plan_pb2.RUN_STATE_SUCCEEDED, "", judgement)

    def _gate(self) -> Gate | None:
        found = self._session.store.get(gate_name(self._run))
        if found is None or not found.intact:
            raise BugError(f"run '{self._run}' has no gate in the store", "submit it again")
        values = json.loads(found.data)
        return parse_settings(Gate, values, "gate") if values is not None else None

    def _bring_report(self, manifests: Mapping[str, Manifest], target: Path) -> None:
        """Put the last step's page there whose output is a report, if there is one."""
        for manifest in reversed(list(manifests.values())):
            for output in manifest.outputs:
                if output.artifact.kind != kind_value(_REPORT):
                    continue
                with tempfile.TemporaryDirectory(dir=target.parent) as name:
                    folder = Path(name)
                    self._session.manifests.fetch(manifest.key, output.artifact, folder)
                    page = page_of(folder)
                    if page.is_file():
                        shutil.copyfile(page, target)
                        return


def _causes(failures: Iterable[Mapping[str, Any]]) -> tuple[dict[str, str], bool]:
    """Give each failed task's cause, as its last pod said it, and whether somebody stopped the run.

    Argo lists a task, each of its attempts (`adapter(0)`) and the DAG alike; an attempt knows more.
    """
    causes: dict[str, str] = {}
    stopped = False
    for item in sorted(failures, key=lambda entry: str(entry.get("finishedAt") or "")):
        message = str(item.get("message") or "")
        stopped = stopped or bool(_STOPPED.search(message))
        match = _TASK.match(str(item.get("displayName") or ""))
        if match is None:
            continue
        if message not in _ARGOS_WORDS or match[1] not in causes:
            causes[match[1]] = message
    return causes, stopped
