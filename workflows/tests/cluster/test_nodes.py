"""Argo's nodes read as steps."""

from __future__ import annotations

import base64
import gzip
import json

import argo_objects as argo
import pytest

from graftline.errors import DataError
from graftline_workflows.cluster.ending import as_json, exit_code, state_word
from graftline_workflows.cluster.nodes import read_workflow
from graftline_workflows.cluster.views import State, WorkflowView


def states(view: WorkflowView) -> dict[str, str]:
    return {step.name: step.state.value for step in view.steps}


def all_built() -> argo.Object:
    steps = [argo.step(name, "Succeeded") for name in argo.STEPS if name != "ingest"]
    return argo.workflow("Succeeded", argo.plan(), *steps, argo.skipped("ingest"), argo.gate())


def test_a_run_that_succeeds():
    view = read_workflow(all_built())
    assert [step.name for step in view.steps] == list(argo.STEPS)
    assert states(view)["adapter"] == "built"
    assert states(view)["ingest"] == "cached"
    assert view.recipe == "json-extraction"
    assert view.profile == "tiny"
    assert view.verdict == argo.VERDICT
    assert (exit_code(view), state_word(view)) == (0, "succeeded")
    said = as_json(view)
    assert said["run"] == argo.NAME
    assert said["cached"] == ["ingest"]
    assert said["gate"]["passed"] is True
    assert said["seconds"] == 204.0
    assert "failed" not in said


def test_steps_without_a_node_wait():
    view = read_workflow(argo.workflow("Running", argo.plan("Running")))
    assert view.plan is not None
    assert view.plan.state == State.RUNNING
    assert set(states(view).values()) == {"waiting"}
    assert view.gate is not None
    assert view.gate.state == State.WAITING


def test_steps_that_this_run_does_not_have_are_left_out():
    steps = json.dumps([name for name in argo.STEPS if name != "ingest"])
    view = read_workflow(argo.workflow("Running", argo.plan(outputs={"steps": steps})))
    assert "ingest" not in states(view)
    assert len(view.steps) == len(argo.STEPS) - 1


def test_a_workflow_that_nobody_looked_at_yet():
    workflow = argo.workflow()
    del workflow["status"]
    view = read_workflow(workflow)
    assert (view.phase, view.steps, view.ended) == ("", (), False)


def test_a_pending_pod_is_no_running_step():
    pending = argo.step("adapter", "Running", ("Pending", f"Unschedulable: {argo.NO_GPU}", None))
    view = read_workflow(argo.workflow("Running", argo.plan(), pending))
    step = next(item for item in view.steps if item.name == "adapter")
    assert step.state == State.PENDING
    assert step.message.startswith("Unschedulable")


def test_a_lost_pod_is_tried_again():
    attempts = (("Error", "pod deleted", None), ("Failed", "", 75), ("Running", "", None))
    adapter = argo.step("adapter", "Running", *attempts, progress="3/12")
    view = read_workflow(argo.workflow("Running", argo.plan(), adapter))
    step = next(item for item in view.steps if item.name == "adapter")
    assert step.state == State.RUNNING
    assert step.tries == 3
    assert [item.failed for item in step.attempts] == [True, True, False]
    assert step.progress == (3, 12)
    assert step.attempts[0].cause.text.startswith("its pod was lost")


def test_ranks_are_one_step():
    ranks = argo.fan("generate", "Running", ("Running", "10/64"), ("Running", "6/64"))
    view = read_workflow(argo.workflow("Running", argo.plan(), ranks))
    step = next(item for item in view.steps if item.name == "generate")
    assert step.state == State.RUNNING
    assert [item.rank for item in step.latest] == [0, 1]
    assert step.progress == (16, 128)
    half = argo.fan("generate", "Running", ("Running", "10/64"), ("Pending", "0/1"))
    step = read_workflow(argo.workflow("Running", half)).steps[1]
    assert (step.name, step.progress) == ("generate", None)


def test_ranks_that_are_all_skipped_are_cached():
    group = [
        argo.node("generate", "TaskGroup", "Succeeded", children=("generate(0:0)",)),
        argo.node("generate(0:0)", "Skipped", "Skipped", message="when 'false == true'"),
    ]
    empty = [argo.node("curate", "Skipped", "Skipped", message="Skipped, empty params")]
    view = read_workflow(argo.workflow("Running", group, empty))
    assert states(view)["generate"] == "cached"
    assert states(view)["curate"] == "cached"


def test_what_a_failed_step_leaves_undone_is_not_run():
    failed = argo.step("curate", "Failed", ("Failed", "main: Error (exit code 65): no rows", 65))
    view = read_workflow(
        argo.workflow(
            "Failed",
            argo.plan(),
            argo.step("model", "Succeeded"),
            failed,
            argo.omitted("format"),
            argo.gate("Failed", {}, "Error (exit code 70): step 'format' has no result", 70),
        )
    )
    assert states(view)["format"] == "not run"
    assert states(view)["report"] == "not run"
    assert (exit_code(view), state_word(view)) == (65, "failed")
    expected = [{"step": "curate", "exit_code": 65, "cause": "no rows"}]
    assert as_json(view)["failed"] == expected


def test_the_first_to_fail_gives_the_exit_code():
    late = argo.step(
        "generate",
        "Failed",
        ("Failed", "main: Error (exit code 75): away", 75),
        finished="2025-11-21T12:02:00Z",
    )
    early = argo.step("model", "Failed", ("Failed", "main: Error (exit code 64): bad", 64))
    assert exit_code(read_workflow(argo.workflow("Failed", late, early))) == 64


@pytest.mark.parametrize(
    ("message", "code", "expected"),
    [
        ("main: Error (exit code 1): Traceback", 1, 70),
        ("main: Error (exit code 70): a bug", 70, 70),
        ("OOMKilled (exit code 137)", 137, 75),
        ("pod deleted", None, 75),
    ],
)
def test_a_steps_exit_code(message: str, code: int | None, expected: int):
    failed = argo.step("model", "Failed", ("Failed", message, code))
    assert exit_code(read_workflow(argo.workflow("Failed", failed))) == expected


def test_a_gate_that_is_not_met():
    verdict = {**argo.VERDICT, "passed": False}
    message = "main: Error (exit code 1): entity_f1 0.2 is not ≥ 0.7"
    steps = [argo.step(name, "Succeeded") for name in argo.STEPS]
    view = read_workflow(
        argo.workflow("Failed", argo.plan(), *steps, argo.gate("Failed", verdict, message, 1))
    )
    assert (exit_code(view), state_word(view)) == (1, "gate-failed")
    assert as_json(view)["gate"]["passed"] is False
    assert view.failed == []


def test_a_plan_that_refuses():
    failed = argo.step("plan", "Failed", ("Failed", "main: Error (exit code 64): unknown", 64))
    view = read_workflow(argo.workflow("Failed", failed))
    assert exit_code(view) == 64
    assert as_json(view)["failed"][0]["step"] == "plan"


def test_a_workflow_that_somebody_stopped():
    cut = argo.step("adapter", "Failed", ("Failed", "workflow shutdown with strategy:  Stop", 143))
    view = read_workflow(argo.workflow("Failed", argo.plan(), cut, shutdown="Stop"))
    assert states(view)["adapter"] == "cancelled"
    assert (exit_code(view), state_word(view)) == (130, "cancelled")


def test_a_workflow_that_argo_refuses():
    workflow = argo.workflow("Error", message="invalid spec: templates.main: unresolved {{x}}")
    view = read_workflow(workflow)
    assert exit_code(view) == 64
    assert as_json(view)["cause"].startswith("invalid spec")


def test_packed_nodes_are_read():
    workflow = all_built()
    nodes = json.dumps(workflow["status"].pop("nodes")).encode()
    workflow["status"]["compressedNodes"] = base64.b64encode(gzip.compress(nodes)).decode()
    assert states(read_workflow(workflow))["adapter"] == "built"


def test_offloaded_nodes_are_told():
    workflow = all_built()
    del workflow["status"]["nodes"]
    workflow["status"]["offloadNodeStatusVersion"] = "fnv:1"
    with pytest.raises(DataError, match="argo get"):
        read_workflow(workflow)
