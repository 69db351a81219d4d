"""How a workflow ended: exit code, one word, JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from graftline.errors import (
    EXIT_BUG,
    EXIT_CANCELLED,
    EXIT_CONFIG,
    EXIT_GATE,
    EXIT_OK,
    EXIT_TRANSIENT,
)
from graftline_workflows.cluster.causes import failure_cause
from graftline_workflows.cluster.views import State

if TYPE_CHECKING:
    from collections.abc import Mapping

    from graftline_workflows.cluster.causes import Cause, Trouble
    from graftline_workflows.cluster.views import WorkflowView


def exit_code(view: WorkflowView) -> int:
    """0, 1 where the gate is not met, else the first failed step's, or that of a stop."""
    if not view.ended:
        return EXIT_TRANSIENT
    if view.phase == "Succeeded":
        return EXIT_OK
    if view.stopped:
        return EXIT_CANCELLED
    for step in view.failed:
        if step.cause is not None:
            return _step_code(step.cause)
    if view.gate is not None and view.gate.cause is not None:
        return view.gate.cause.exit_code
    return own_cause(view).exit_code


def own_cause(view: WorkflowView) -> Cause:
    """Why a workflow failed of which no step failed: a spec that Argo refuses, or its own end."""
    cause = failure_cause(view.message, None)
    if view.phase == "Error" or "invalid spec" in view.message:
        return type(cause)(cause.text, EXIT_CONFIG, cause.hint or "graftline render, argo lint")
    return cause


def state_word(view: WorkflowView) -> str:
    """Give the run's state in the words of `graftline runs`."""
    if not view.ended:
        return "running"
    code = exit_code(view)
    return {
        EXIT_OK: "succeeded",
        EXIT_GATE: "gate-failed",
        EXIT_CANCELLED: "cancelled",
    }.get(code, "failed")


def as_json(view: WorkflowView, waited: Mapping[str, Trouble] | None = None) -> dict[str, Any]:
    """Give what `--json` prints, in the form of `graftline run --json`.

    Args:
        view: The workflow.
        waited: By step, what it waited for last.
    """
    value: dict[str, Any] = {
        "run": view.name,
        "namespace": view.namespace,
        "recipe": view.recipe,
        "profile": view.profile,
        "state": state_word(view),
        "built": [step.name for step in view.steps if step.state == State.BUILT],
        "cached": [step.name for step in view.steps if step.state == State.CACHED],
        "gate": view.verdict,
    }
    if view.started is not None and view.finished is not None:
        value["seconds"] = (view.finished - view.started).total_seconds()
    failed = []
    for step in view.failed:
        if step.cause is not None:
            code, text = _step_code(step.cause), step.cause.text
            failed.append({"step": step.name, "exit_code": code, "cause": text})
            if step.cause.overdue and waited and step.name in waited:
                failed[-1]["waited_for"] = waited[step.name].text
    if failed:
        value["failed"] = failed
    elif view.message and state_word(view) == "failed":
        value["cause"] = view.message
    return value


def _step_code(cause: Cause) -> int:
    """A step's 1 is no verdict: only the gate's is."""
    return EXIT_BUG if cause.exit_code == EXIT_GATE else cause.exit_code
