"""`graftline watch` and `submit --wait`, against an API server of the tests' own."""

from __future__ import annotations

import io
import json
import re
import threading
from collections.abc import Callable, Iterator
from typing import Any

import argo_objects as argo
import pytest
from fake_kube import FakeKube
from rich.console import Console

from graftline.events.hub import RunsHub, serve
from graftline.v1 import stage_pb2
from graftline_workflows.cluster import following, watching
from graftline_workflows.cluster.causes import Trouble
from graftline_workflows.cluster.display import Lines, LiveTable, Scene, progress_text
from graftline_workflows.cluster.index import IndexProgress
from graftline_workflows.cluster.nodes import read_workflow

Call = Callable[..., tuple[int, str, str]]
FAILED_GATE = "main: Error (exit code 1): entity_f1 0.2 is not ≥ 0.7"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "_PODS_INTERVAL_S", 0.0)
    monkeypatch.setattr(watching, "_TICK_S", 0.05)
    monkeypatch.setattr(following, "_FIRST_WAIT_S", 0.1)


def states(*, gate_passes: bool = True) -> list[argo.Object]:
    """What a small run goes through."""
    cached = [argo.skipped(name) for name in argo.STEPS if name not in ("adapter", "adapted")]
    lost = ("Error", "pod deleted", None)
    pending = argo.step("adapter", "Running", lost, ("Pending", "", None))
    running = argo.step("adapter", "Running", lost, ("Running", "", None), progress="3/12")
    built = argo.step("adapter", "Succeeded", lost, ("Succeeded", "", 0))
    done = [*cached, built, argo.step("adapted", "Succeeded")]
    verdict = {**argo.VERDICT, "passed": gate_passes}
    phase = "Succeeded" if gate_passes else "Failed"
    last = argo.gate(phase, verdict, FAILED_GATE, 0 if gate_passes else 1)
    return [
        argo.workflow("Running", argo.plan("Running")),
        argo.workflow("Running", argo.plan(), *cached, pending),
        argo.workflow("Running", argo.plan(), *cached, running),
        argo.workflow(phase, argo.plan(), *done, last),
    ]


def test_a_run_is_shown_to_its_end(kube: FakeKube, call: Call):
    first, *rest = states()
    kube.put("workflows", first)
    kube.put("pods", argo.pod("adapter(1)", argo.unschedulable()))
    kube.play(rest)
    code, out, _ = call("watch", argo.NAME)
    assert code == 0
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert "plan running" in lines
    assert "curate cached" in lines
    assert any(line.startswith("adapter attempt 1 failed: its pod was lost") for line in lines)
    assert any(line.startswith(f"adapter no node takes its pod: {argo.NO_GPU}") for line in lines)
    assert "adapter running (attempt 2)" in lines
    assert "adapter built in 24 s, 2 attempts" in lines
    assert "✓ entity_f1 (eval) 0.81 ≥ 0.7" in lines
    assert lines[-1] == "succeeded · 2 built, 8 cached, 3:24"


def test_wait_mirrors_the_gate(kube: FakeKube, call: Call):
    kube.on_create = lambda workflow: kube.play(states(gate_passes=False))
    code, out, _ = call("submit", "json-extraction", "-p", "tiny", "--wait")
    assert code == 1
    assert "gate not met" in out.splitlines()[-1]


def test_wait_says_all_as_json_in_the_end(kube: FakeKube, call: Call):
    kube.on_create = lambda workflow: kube.play(states())
    code, out, err = call("submit", "json-extraction", "-p", "tiny", "--wait", "--json")
    said = json.loads(out)
    assert code == 0
    assert said["state"] == "succeeded"
    assert said["built"] == ["adapter", "adapted"]
    assert said["gate"]["passed"] is True
    assert "adapter" in err


def test_a_failed_step_gives_the_exit_code_and_its_log(kube: FakeKube, call: Call):
    failed = argo.step("curate", "Failed", ("Failed", "main: Error (exit code 65): no rows", 65))
    last = argo.gate("Failed", {}, "main: Error (exit code 70): no result", 70)
    kube.put("workflows", argo.workflow("Failed", argo.plan(), failed, last))
    code, out, _ = call("watch", argo.NAME)
    assert code == 65
    assert "✗ 'curate' failed: no rows" in out
    assert "kubectl logs -n ml -c main -l" in out
    assert "not run: model, generate" in " ".join(out.split())
    code, out, _ = call("watch", argo.NAME, "--json", "--quiet")
    assert json.loads(out)["failed"][0]["cause"] == "no rows"


def test_what_an_overdue_step_waited_for_is_told(kube: FakeKube, call: Call):
    pull = argo.step("curate", "Running", ("Pending", "", None))
    kube.put("workflows", argo.workflow("Running", argo.plan(), pull))
    status = argo.waiting("ImagePullBackOff", 'Back-off pulling image "nope:1"')
    kube.put("pods", argo.pod("curate(0)", status))
    message = "Pod was active on the node longer than the specified deadline"
    late = argo.step("curate", "Failed", ("Failed", message, 137))
    kube.play([argo.workflow("Failed", argo.plan(), late)], 0.5)
    code, out, _ = call("watch", argo.NAME)
    assert code == 75
    assert 'waited ImagePullBackOff: Back-off pulling image "nope:1"' in out
    assert "do     check the reference" in out


def test_memory_that_ran_out_says_what_to_do(kube: FakeKube, call: Call):
    failed = argo.step("adapter", "Failed", ("Failed", "OOMKilled (exit code 137)", 137))
    kube.put("workflows", argo.workflow("Failed", argo.plan(), failed))
    code, out, _ = call("watch", "latest")
    assert code == 75
    assert "killed: it used more memory than its limit" in out
    assert "do     give the stage more memory" in out


def test_latest_is_the_newest_of_ours(kube: FakeKube, call: Call):
    done = states()[-1]
    old = argo.workflow("Failed", name="graftline-json-extraction-older")
    old["metadata"]["creationTimestamp"] = "2025-11-20T12:00:00Z"
    other = argo.workflow("Failed", name="hello-world")
    other["metadata"]["creationTimestamp"] = "2025-11-22T12:00:00Z"
    other["spec"] = {"entrypoint": "x"}
    for workflow in (old, other, done):
        kube.put("workflows", workflow)
    code, out, _ = call("watch")
    assert code == 0
    assert out.startswith(f"workflow {argo.NAME}")


def test_an_unknown_workflow(kube: FakeKube, call: Call):
    code, _, err = call("watch", "latest")
    assert (code, "has no workflow of Graftline's" in err) == (64, True)
    kube.put("workflows", states()[-1])
    code, _, err = call("watch", argo.NAME[:-1] + "q")
    assert code == 64
    assert f"did you mean '{argo.NAME}'?" in err


def test_an_api_server_that_stumbles_is_survived(kube: FakeKube, call: Call):
    first, *rest = states()
    kube.put("workflows", first)

    def stumble() -> None:
        with kube.changed:
            kube.broken = 3
        kube.play(rest, 0.3)

    threading.Timer(0.2, stumble).start()
    assert call("watch", argo.NAME)[0] == 0
    assert kube.broken == 0


def test_without_leave_to_watch_it_asks_again(
    kube: FakeKube, call: Call, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(following.Follower.__init__, "__defaults__", (0.1,))
    kube.forbidden |= {("watch", "workflows"), ("list", "pods")}
    first, *rest = states()
    kube.put("workflows", first)
    kube.play(rest)
    code, out, _ = call("watch", argo.NAME)
    assert code == 0
    assert "no permission to list pods" in out


def test_argos_message_stands_in_for_pods(kube: FakeKube, call: Call):
    kube.forbidden.add(("list", "pods"))
    pending = ("Pending", f"Unschedulable: {argo.NO_GPU}", None)
    adapter = argo.step("adapter", "Running", pending)
    kube.put("workflows", argo.workflow("Running", argo.plan(), adapter))
    code, out, err = call("watch", argo.NAME, "--timeout", "1")
    assert code == 75
    assert "no node takes its pod: 0/2 nodes" in out
    assert "did not end within 1 s; it goes on" in err


def test_a_pod_that_is_silent_has_its_events_asked(kube: FakeKube, call: Call):
    adapter = argo.step("adapter", "Running", ("Pending", "", None))
    kube.put("workflows", argo.workflow("Running", argo.plan(), adapter))
    pod = argo.pod("adapter(0)", argo.waiting("ContainerCreating"), name="p")
    kube.put("pods", pod)
    kube.put(
        "events",
        {
            "metadata": {"name": "p.1"},
            "type": "Warning",
            "involvedObject": {"kind": "Pod", "name": "p"},
            "reason": "FailedMount",
            "message": 'configmap "graftline-recipe-json-extraction" not found',
        },
    )
    code, out, _ = call("watch", argo.NAME, "--timeout", "1")
    assert code == 75
    assert "create the configmap 'graftline-recipe-json-extraction'" in out


def test_a_workflow_that_is_deleted(kube: FakeKube, call: Call):
    kube.put("workflows", states()[0])
    threading.Timer(0.3, lambda: kube.remove("workflows", argo.NAME)).start()
    code, _, err = call("watch", argo.NAME)
    assert code == 75
    assert "was deleted before its end" in err


def test_ctrl_c_ends_the_watching_only(kube: FakeKube, call: Call, monkeypatch: pytest.MonkeyPatch):
    kube.put("workflows", states()[0])

    def interrupt(self: Lines) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Lines, "tick", interrupt)
    code, _, err = call("watch", argo.NAME)
    assert code == 130
    assert "the workflow goes on" in err
    assert f"graftline watch {argo.NAME} -n ml" in err
    assert f"argo stop {argo.NAME} -n ml" in err


def test_a_workflow_that_somebody_stopped(kube: FakeKube, call: Call):
    cut = argo.step("adapter", "Failed", ("Failed", "workflow shutdown with strategy:  Stop", 143))
    kube.put("workflows", argo.workflow("Failed", argo.plan(), cut, shutdown="Stop"))
    code, out, _ = call("watch", argo.NAME)
    assert code == 130
    assert out.splitlines()[-1].startswith("cancelled")


def test_credentials_that_end_meanwhile_are_told(kube: FakeKube, call: Call):
    kube.put("workflows", states()[0])

    def expire() -> None:
        kube.unauthorized = True

    threading.Timer(0.3, expire).start()
    code, _, err = call("watch", argo.NAME)
    assert code == 64
    assert "refuses our credentials" in err


@pytest.fixture
def hub() -> Iterator[tuple[RunsHub, str]]:
    found = RunsHub()
    server, port = serve(found)
    yield found, f"127.0.0.1:{port}"
    server.stop(grace=0).wait(2)


def event(step: str, rank: int = 0, **values: Any) -> stage_pb2.StageEvent:
    return stage_pb2.StageEvent(run=argo.NAME, step=step, rank=rank, **values)


def test_the_index_tells_finer_progress(hub: tuple[RunsHub, str]):
    runs, address = hub
    for rank, done in ((0, 10), (1, 30)):
        progress = stage_pb2.Progress(done=done, total=100, unit="rows")
        runs.publish(event("adapter", rank, progress=progress))
    runs.publish(event("adapter", metric=stage_pb2.MetricPoint(name="loss", value=0.8213)))
    runs.publish(event("adapter", metric=stage_pb2.MetricPoint(name="grad_norm", value=3.0)))
    view = read_workflow(states()[2])
    step = next(item for item in view.steps if item.name == "adapter")
    with IndexProgress(address, argo.NAME) as index:
        for _ in range(100):
            if index.metric("adapter"):
                break
            threading.Event().wait(0.05)
        assert progress_text(step, Scene(view, {}, index)).startswith("40/200 rows")
        assert progress_text(step, Scene(view, {}, index)).endswith("loss 0.8213")
    assert progress_text(step, Scene(view, {})) == "3/12"


def test_an_index_that_is_away_costs_nothing(kube: FakeKube, call: Call):
    first, *rest = states()
    kube.put("workflows", first)
    kube.play(rest, 0.4)
    code, out, _ = call("watch", argo.NAME, "--index", "127.0.0.1:9")
    assert code == 0
    assert "the index at 127.0.0.1:9 does not answer (UNAVAILABLE)" in out


def test_progress_lines_come_now_and_then():
    out = io.StringIO()
    lines = Lines(out, interval_s=0.0)
    lines.show(Scene(read_workflow(states()[2]), {}))
    lines.tick()
    assert out.getvalue().splitlines()[-1].split() == ["adapter", "3/12"]


def test_an_attempt_is_told_once_there_is_another():
    """Argo waits before it decides: a step that fails for good has no second attempt."""
    out = io.StringIO()
    lines = Lines(out)
    lost = argo.step("adapter", "Running", ("Error", "pod deleted", None))
    for _ in range(2):
        lines.show(Scene(read_workflow(argo.workflow("Running", lost)), {}))
    assert "attempt" not in out.getvalue()
    for _ in range(2):  # the same pod once more
        running = argo.step("adapter", "Running", ("Running", "", None))
        lines.show(Scene(read_workflow(argo.workflow("Running", running)), {}))
    assert out.getvalue().count("attempt 1 failed: its pod was lost") == 1
    away = ("Failed", "main: Error (exit code 75): away", 75)
    for _ in range(2):  # and another pod
        again = argo.step("adapter", "Running", away, ("Running", "", None))
        lines.show(Scene(read_workflow(argo.workflow("Running", again)), {}))
    assert out.getvalue().count("attempt 1 failed: away; again") == 1


def test_a_trouble_is_told_once():
    out = io.StringIO()
    lines = Lines(out)
    view = read_workflow(states()[1])
    troubles = [Trouble("ErrImagePull: x"), Trouble("ImagePullBackOff: y")] * 3
    for trouble in troubles:
        lines.show(Scene(view, {"adapter": trouble}))
    assert len(re.findall("ErrImagePull", out.getvalue())) == 1
    assert len(re.findall("ImagePullBackOff", out.getvalue())) == 1


def test_the_live_table_shows_every_step():
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=160, color_system=None)
    table = LiveTable(console)
    trouble = Trouble(f"no node takes its pod: {argo.NO_GPU}", "it starts when one is free")
    table.show(Scene(read_workflow(states()[1]), {"adapter": trouble}))
    table.note("a note [with brackets]")
    table.show(Scene(read_workflow(states()[2]), {}))
    table.tick()
    table.end()
    shown = out.getvalue()
    assert "Insufficient nvidia.com/gpu" in shown
    assert "a note [with brackets]" in shown
    assert re.search(r"adapter +24|adapter .*3/12 \(attempt 2\)", shown)
    assert all(step in shown for step in argo.STEPS)
