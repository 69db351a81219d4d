from __future__ import annotations

from typing import TYPE_CHECKING

from graftline.v1 import plan_pb2, stage_pb2
from graftline_workflows.planner.verdict import gate_name
from graftline_workflows.records import gate_of

if TYPE_CHECKING:
    from pods_fixture import Pods

ORDER = ("left", "right", "both", "baseline", "adapted", "page")


def states(pods: Pods, run: str) -> dict[str, str]:
    return {
        item.step: stage_pb2.StepState.Name(item.state).removeprefix("STEP_STATE_").lower()
        for item in pods.record(run).steps
    }


def test_a_run_that_meets_its_gate_ends_well(pods: Pods):
    pods.plan("run-1")
    pods.build("run-1", *ORDER)
    ended = pods.gate("run-1")
    assert (ended.code, ended.message) == (0, ""), ended.err
    assert ended.verdict["state"] == "succeeded"
    assert ended.verdict["gate"]["passed"] is True
    assert ended.outputs["report.html"].startswith("<!doctype html>")
    record = pods.record("run-1")
    assert record.state == plan_pb2.RUN_STATE_SUCCEEDED
    assert gate_of(record)["passed"] is True
    assert record.HasField("finished_at")
    assert set(states(pods, "run-1").values()) == {"succeeded"}
    # All is cached now, and the gate is judged again.
    assert pods.plan("run-2").to_build == []
    assert pods.gate("run-2").code == 0
    assert set(states(pods, "run-2").values()) == {"cached"}


def test_a_gate_that_is_not_met_is_exit_code_1_with_the_reason_also_when_cached(pods: Pods):
    pods.plan("run-1", overrides="adapted.accuracy=0.7")
    pods.build("run-1", *ORDER)
    for run in ("run-1", "run-2"):
        if run == "run-2":
            assert pods.plan(run, overrides="adapted.accuracy=0.7").to_build == []
        ended = pods.gate(run)
        assert ended.code == 1
        assert ended.message == "gate not met: accuracy (eval) 0.7 is not ≥ 0.8"
        assert ended.message in ended.err
        assert ended.verdict["state"] == "gate_failed"
        assert ended.verdict["gate"]["passed"] is False
        assert pods.record(run).state == plan_pb2.RUN_STATE_GATE_FAILED


def test_thresholds_of_this_run_are_judged(pods: Pods):
    pods.plan("run-1")
    pods.build("run-1", *ORDER)
    pods.plan("run-2", overrides="gate.accuracy.at_least=0.99")
    assert pods.gate("run-2").message == "gate not met: accuracy (eval) 0.9 is not ≥ 0.99"


def test_a_step_without_a_result_is_told_with_what_its_pod_said(pods: Pods):
    pods.plan("run-1")
    pods.build("run-1", "left", "right")
    ended = pods.gate(
        "run-1",
        [
            {"displayName": "both(0)", "message": "main: Error (exit code 75)", "finishedAt": "1"},
            {
                "displayName": "both(1)",
                "message": "main: Error (exit code 65): bad row",
                "finishedAt": "2",
            },
            {
                "displayName": "both",
                "message": "retryStrategy.expression evaluated to false",
                "finishedAt": "3",
            },
            {"displayName": "run-1", "message": "", "finishedAt": "4"},
        ],
    )
    assert ended.code == 70
    said = "step 'both' has no result: main: Error (exit code 65): bad row"
    assert ended.message == said
    assert ended.verdict == {"run": "run-1", "state": "failed", "reason": said, "gate": None}
    record = pods.record("run-1")
    assert record.state == plan_pb2.RUN_STATE_FAILED
    assert states(pods, "run-1") == {
        **dict.fromkeys(("left", "right"), "succeeded"),
        **dict.fromkeys(("baseline", "adapted", "page"), "waiting"),
        "both": "failed",
    }
    assert next(s.message for s in record.steps if s.step == "both") == (
        "main: Error (exit code 65): bad row"
    )


def test_a_stopped_run_is_a_cancelled_one(pods: Pods):
    pods.plan("run-1")
    pods.build("run-1", "left")
    ended = pods.gate(
        "run-1",
        [{"displayName": "right(0)", "message": "workflow shutdown with strategy:  Stop"}],
    )
    assert ended.code == 130
    assert pods.record("run-1").state == plan_pb2.RUN_STATE_CANCELLED
    assert states(pods, "run-1")["right"] == "cancelled"


def test_a_run_without_a_plan_says_what_became_of_it(pods: Pods):
    ended = pods.gate(
        "run-1", [{"displayName": "plan(0)", "message": "main: Error (exit code 64): no profile"}]
    )
    assert ended.code == 70
    assert ended.message.startswith(
        "run 'run-1' was not planned: main: Error (exit code 64): no profile"
    )
    assert pods.gate("run-2").message.startswith("run 'run-2' was not planned: its plan did not")


def test_a_report_is_optional(pods: Pods):
    text = pods.recipe.read_text()
    start, end = text.index("  page:"), text.index("gate:")
    pods.recipe.write_text(text[:start] + text[end:])
    pods.plan("run-1")
    pods.build("run-1", *ORDER[:-1])
    ended = pods.gate("run-1")
    assert ended.code == 0
    assert list(ended.outputs) == ["verdict"]


def test_two_runs_of_one_recipe_at_once_both_end_well(pods: Pods):
    pods.plan("run-1")
    pods.plan("run-2")
    for step in ORDER:
        pods.build("run-1", step)
        pods.build("run-2", step)
    assert [pods.gate(run).code for run in ("run-1", "run-2")] == [0, 0]


def test_a_recipe_without_a_gate_succeeds_when_all_is_there(pods: Pods):
    text = pods.recipe.read_text()
    start, end = text.index("gate:"), text.index("profiles:")
    pods.recipe.write_text(text[:start] + text[end:])
    pods.plan("run-1")
    pods.build("run-1", *ORDER)
    ended = pods.gate("run-1")
    assert (ended.code, ended.verdict["gate"]) == (0, None)


def test_a_gate_that_was_lost_from_the_store_is_told(pods: Pods):
    pods.plan("run-1")
    pods.build("run-1", *ORDER)
    pods.store.delete([gate_name("run-1")])
    ended = pods.gate("run-1")
    assert ended.code == 70
    assert "has no gate in the store" in ended.message
