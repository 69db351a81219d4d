"""What Argo and Kubernetes say, told so that people know what to do."""

from __future__ import annotations

import argo_objects as argo
import pytest

from graftline_workflows.cluster.causes import failure_cause, is_stop, message_trouble
from graftline_workflows.cluster.pods import node_of, pod_trouble


@pytest.mark.parametrize(
    ("message", "code", "exit_code", "text"),
    [
        ("main: Error (exit code 65): source 'x' is empty", None, 65, "source 'x' is empty"),
        (
            "Error (exit code 64): adapter.lora_r: must be > 0",
            64,
            64,
            "adapter.lora_r: must be > 0",
        ),
        ("main: Error (exit code 75)", 75, 75, "ended with exit code 75"),
        ("Error (exit code 1): entity_f1 0.2 is not ≥ 0.7", None, 1, "entity_f1 0.2 is not ≥ 0.7"),
        ("main: Error (exit code 3): odd", None, 70, "odd"),
        ("OOMKilled (exit code 137)", 137, 75, "killed: it used more memory than its limit"),
        ("main: OOMKilled (exit code 137)", None, 75, "killed: it used more memory than its limit"),
        ("pod deleted", None, 75, "its pod was lost (deleted, or its node is gone)"),
        ("pod deleted during operation", None, 75, "its pod was lost"),
        (
            "The node was low on resource: memory. Threshold quantity: 100Mi, available: 93Mi.",
            None,
            75,
            "evicted: The node was low on resource: memory.",
        ),
        ("Pod Evicted: usage of ephemeral-storage", None, 75, "evicted: "),
        ("Step exceeded its deadline", None, 75, "its time is over (Step exceeded"),
        (
            "Pod was active on the node longer than the specified deadline",
            None,
            75,
            "its time is over",
        ),
        ('pods "x" is forbidden: failed quota: q: must specify', None, 64, 'pods "x" is forbidden'),
        ("timeout", None, 75, "its time is over (timeout)"),
        ("", None, 70, "failed without a word"),
    ],
)
def test_a_failure_has_a_cause_and_one_of_our_exit_codes(
    message: str, code: int | None, exit_code: int, text: str
):
    cause = failure_cause(message, code)
    assert cause.exit_code == exit_code
    assert cause.text.startswith(text)


def test_what_people_can_mend_has_a_hint():
    assert "resources.limits.memory" in failure_cause("OOMKilled (exit code 137)", None).hint
    assert "timeout-gpu" in failure_cause("Step exceeded its deadline", None).hint


def test_a_stop_is_not_a_failure():
    assert is_stop("workflow shutdown with strategy:  Terminate")
    assert is_stop("Stopped with strategy 'Stop'") is True
    assert not is_stop("main: Error (exit code 70): stopped by a bug")
    assert not is_stop("pod deleted")


@pytest.mark.parametrize(
    ("status", "text", "hint", "fatal"),
    [
        (
            argo.unschedulable(),
            f"no node takes its pod: {argo.NO_GPU}",
            "no node has enough nvidia.com/gpu free",
            False,
        ),
        (
            argo.unschedulable("0/2 nodes: 2 Insufficient memory, 1 Insufficient cpu."),
            "no node takes its pod: 0/2",
            "the nodes have too little memory, cpu left",
            False,
        ),
        (
            argo.unschedulable("0/2 nodes: 2 node(s) didn't match Pod's node affinity"),
            "no node takes its pod",
            "selector and tolerations",
            False,
        ),
        (
            argo.waiting("ImagePullBackOff", 'Back-off pulling image "localhost/nope:1"'),
            'ImagePullBackOff: Back-off pulling image "localhost/nope:1"',
            "check the reference",
            True,
        ),
        (argo.waiting("ErrImageNeverPull", "absent"), "ErrImageNeverPull: absent", "load", True),
        (
            argo.waiting("CreateContainerConfigError", 'secret "graftline-store" not found'),
            'CreateContainerConfigError: secret "graftline-store" not found',
            "create the secret 'graftline-store'",
            True,
        ),
    ],
)
def test_a_pod_that_does_not_get_on_says_why(
    status: argo.Object, text: str, hint: str, fatal: bool
):
    trouble = pod_trouble(argo.pod("adapter(0)", status))
    assert trouble is not None
    assert trouble.text.startswith(text)
    assert hint in trouble.hint
    assert trouble.fatal is fatal


def test_a_queue_holds_a_pod_back():
    status = argo.unschedulable("Scheduling is blocked due to non-empty scheduling gates")
    status["conditions"][0]["reason"] = "SchedulingGated"
    trouble = pod_trouble(argo.pod("adapter(0)", status))
    assert trouble is not None
    assert trouble.text.startswith("held back: Scheduling is blocked")


@pytest.mark.parametrize(
    "status",
    [
        {"phase": "Running", "containerStatuses": [{"name": "main", "state": {"running": {}}}]},
        argo.waiting("PodInitializing"),
        argo.waiting("ContainerCreating"),
        {"phase": "Pending"},
        {},
    ],
)
def test_a_pod_that_gets_on_says_nothing(status: argo.Object):
    assert pod_trouble(argo.pod("adapter(0)", status)) is None


def test_events_speak_where_the_pod_is_silent():
    pod = argo.pod("adapter(0)", argo.waiting("ContainerCreating"))
    event = {"reason": "FailedMount", "message": 'MountVolume.SetUp: configmap "r" not found'}
    trouble = pod_trouble(pod, [event])
    assert trouble is not None
    assert trouble.text.startswith("FailedMount: MountVolume")
    assert trouble.hint == "create the configmap 'r', or correct the chart's values"
    assert node_of(pod) == argo.node_id("adapter(0)")


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (f"Unschedulable: {argo.NO_GPU}", "no node takes its pod: 0/2"),
        ('ImagePullBackOff: Back-off pulling image "x"', "ImagePullBackOff: Back-off"),
        (
            "Waiting for ml/ConfigMap/graftline-settings/gpus-at-once lock. Lock status: 0/1",
            "waits for its turn: Waiting for ml/ConfigMap",
        ),
        ('pods "x" is forbidden: exceeded quota: small', 'pods "x" is forbidden: exceeded quota'),
    ],
)
def test_argos_message_will_do_where_pods_may_not_be_seen(message: str, text: str):
    trouble = message_trouble(message)
    assert trouble is not None
    assert trouble.text.startswith(text)


@pytest.mark.parametrize(
    "message", ["", "PodInitializing", "ContainerCreating", "Backoff for 10 seconds"]
)
def test_what_every_pod_goes_through_is_no_trouble(message: str):
    assert message_trouble(message) is None
