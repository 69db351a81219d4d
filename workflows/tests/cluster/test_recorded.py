"""Workflows as Argo 4.0.2 left them on a real cluster, the recipe's own templates behind them.

`recorded.json` has them as `kubectl get workflow -o json` gave them, less what nobody reads here.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from graftline_workflows.cluster.ending import exit_code, state_word
from graftline_workflows.cluster.nodes import read_workflow
from graftline_workflows.cluster.views import State

RECORDED: dict[str, dict[str, Any]] = json.loads(
    Path(__file__).with_name("recorded.json").read_text("utf-8")
)
OVERDUE = "its time is over (Pod was active on the node longer than the specified deadline)"


@pytest.mark.parametrize(
    ("name", "code", "word", "step", "state", "tries", "cause"),
    [
        ("gatefail", 1, "gate-failed", "curate", State.CACHED, 0, None),
        ("bad", 65, "failed", "curate", State.FAILED, 1, "no rows are left after curate"),
        ("transient", 0, "succeeded", "curate", State.BUILT, 2, None),
        (
            "oom",
            75,
            "failed",
            "adapter",
            State.FAILED,
            1,
            "killed: it used more memory than its limit",
        ),
        ("pull", 75, "failed", "curate", State.FAILED, 1, OVERDUE),
        ("lost", 0, "succeeded", "adapter", State.BUILT, 2, None),
        ("stop", 130, "cancelled", "adapter", State.CANCELLED, 1, None),
        ("terminate", 130, "cancelled", "adapter", State.CANCELLED, 1, None),
    ],
)
def test_how_it_ended(
    name: str, code: int, word: str, step: str, state: State, tries: int, cause: str | None
):
    view = read_workflow(RECORDED[name])
    assert (exit_code(view), state_word(view)) == (code, word)
    found = next(item for item in view.steps if item.name == step)
    assert (found.state, found.tries) == (state, tries)
    assert (found.cause.text if found.cause is not None else None) == cause


def test_all_are_looked_at():
    assert set(RECORDED) == {
        "gatefail",
        "bad",
        "transient",
        "oom",
        "pull",
        "lost",
        "stop",
        "terminate",
    }


def test_the_gate_is_the_exit_handler():
    view = read_workflow(RECORDED["gatefail"])
    assert view.gate is not None
    assert view.gate.cause is not None
    assert view.gate.cause.text == "entity_f1 0.2 is not >= 0.7"
    assert view.verdict is not None
    assert view.verdict["passed"] is False
    assert [step.name for step in view.steps][:3] == ["model", "generate", "ingest"]
    assert view.plan is not None
    assert view.plan.state == State.BUILT
