"""What goes wrong on a real cluster, and what a run makes of it."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from graftline_e2e import DENY_ALL, REGISTRY, Installation, call, digests, trained_at_home

if TYPE_CHECKING:
    from pathlib import Path

    from graftline_e2e import Run

pytestmark = [pytest.mark.e2e_full, pytest.mark.timeout(2400)]

LONG_TRAINING = "adapter.max_steps=80 adapter.checkpoint_every_s=2"


def adapter_digest(installation: Installation, run: Run) -> str:
    return digests(installation.manifests(run.name))["adapter"]["adapter"]


def gpu_node() -> str:
    names = call("kubectl", "get", "nodes", "-l", "nvidia.com/gpu.present=true", "-o", "name")
    return names.split()[0].removeprefix("node/")


def test_training_killed_twice_makes_the_undisturbed_adapter(
    installation: Installation, first_run: Run, tmp_path: Path
):
    overrides = f"{LONG_TRAINING} adapter.lora_alpha=8"
    name = installation.submit(profile="tiny", overrides=overrides)
    pod = None
    for _ in range(2):
        pod = installation.running_pod(name, "adapter", besides=pod)
        installation.wait_for_checkpoint(name, "adapter")
        installation.kill(pod)
    installation.running_pod(name, "adapter", besides=pod)
    run = installation.wait(name)
    assert run.phase == "Succeeded", run.explain()
    assert adapter_digest(installation, run) == trained_at_home(tmp_path, overrides)


def test_a_drained_gpu_node_moves_training_to_a_later_attempt(
    installation: Installation, first_run: Run, tmp_path: Path
):
    overrides = f"{LONG_TRAINING} adapter.lora_alpha=12"
    name = installation.submit(profile="tiny", overrides=overrides)
    pod = installation.running_pod(name, "adapter")
    node = gpu_node()
    drain = ["--ignore-daemonsets", "--delete-emptydir-data", "--force", "--timeout=120s"]
    selector = "app.kubernetes.io/part-of=graftline"
    try:
        call("kubectl", "drain", node, *drain, f"--pod-selector={selector}")
    finally:
        call("kubectl", "uncordon", node)
    installation.running_pod(name, "adapter", besides=pod)
    run = installation.wait(name)
    assert run.phase == "Succeeded", run.explain()
    assert adapter_digest(installation, run) == trained_at_home(tmp_path, overrides)


def test_a_lost_gpu_node_costs_time_and_nothing_else(
    installation: Installation, first_run: Run, tmp_path: Path
):
    off, on = os.environ.get("NODE_OFF", ""), os.environ.get("NODE_ON", "")
    if not (off and on):
        pytest.skip("NODE_OFF and NODE_ON (commands given a node's name) are not set")
    overrides = f"{LONG_TRAINING} adapter.lora_alpha=20"
    name = installation.submit(profile="tiny", overrides=overrides)
    installation.running_pod(name, "adapter")
    node = gpu_node()
    call("sh", "-c", f"{off} {node}")
    try:
        installation.until(
            lambda: "Ready" not in call("kubectl", "get", "node", node).split()[6:7],
            120,
            "the node counts as lost",
        )
    finally:
        call("sh", "-c", f"{on} {node}")
    run = installation.wait(name)
    assert run.phase == "Succeeded", run.explain()
    assert adapter_digest(installation, run) == trained_at_home(tmp_path, overrides)


def test_neither_a_restarted_controller_nor_a_lost_index_hurts_a_run(
    installation: Installation, first_run: Run
):
    name = installation.submit(profile="tiny", overrides="adapter.lora_alpha=24")
    installation.running_pod(name, "adapter")
    argo = os.environ.get("ARGO_NAMESPACE", "argo")
    call("kubectl", "-n", argo, "rollout", "restart", "deployment/workflow-controller")
    installation.kubectl("scale", "deployment/graftline-index", "--replicas=0")
    try:
        run = installation.wait(name)
    finally:
        installation.kubectl("scale", "deployment/graftline-index", "--replicas=1")
    assert run.phase == "Succeeded", run.explain()


def test_two_runs_of_one_recipe_at_once_both_end_well(installation: Installation, first_run: Run):
    asked = {"profile": "tiny", "overrides": "adapter.lora_alpha=28"}
    names = [installation.submit(**asked) for _ in range(2)]
    runs = [installation.wait(name) for name in names]
    assert [run.phase for run in runs] == ["Succeeded", "Succeeded"], runs[0].explain()
    one, other = (digests(installation.manifests(run.name)) for run in runs)
    assert one == other


def test_a_stage_reaches_the_store_and_nothing_else(installation: Installation, first_run: Run):
    name = installation.submit(profile="tiny", overrides=f"{LONG_TRAINING} adapter.lora_alpha=36")
    pod = installation.running_pod(name, "adapter")
    code = """
import json, os, socket, ssl, urllib.error, urllib.request
def code(url):
    try:
        return urllib.request.urlopen(
            url, timeout=5, context=ssl._create_unverified_context()).status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError as error:
        return type(error).__name__
def opens(host, port):
    try:
        socket.create_connection((host, port), timeout=5).close()
        return True
    except OSError:
        return False
host = os.environ["KUBERNETES_SERVICE_HOST"]
try:
    open("/probe", "w")
    writable = True
except OSError:
    writable = False
print(json.dumps({
    "token": os.path.exists("/var/run/secrets/kubernetes.io/serviceaccount/token"),
    "api": code(f"https://{host}/api/v1/namespaces/default/pods"),
    "store": opens("graftline-store", 8333),
    "internet": opens("1.1.1.1", 443),
    "elsewhere": opens(OTHER, 8333),
    "root": os.getuid() == 0,
    "writable": writable,
}))
"""
    other = Installation(f"graftline-e2e-other-{secrets.token_hex(3)}")
    try:
        other.install()
        service = json.loads(other.kubectl("get", "svc", "graftline-store", "-o", "json"))
        ready = json.loads(
            other.kubectl("get", "pods", "-l", "graftline.dev/role=store", "-o", "json")
        )
        address = ready["items"][0]["status"]["podIP"]
        assert service["spec"]["ports"][0]["port"] == 8333
        program = code.replace("OTHER", repr(address))
        found = json.loads(
            installation.kubectl("exec", pod.name, "-c", "main", "--", "python3", "-c", program)
        )
    finally:
        other.remove()
    assert found.pop("api") in (401, 403)
    assert found == {
        "token": False,
        "store": True,
        "internet": False,
        "elsewhere": False,
        "root": False,
        "writable": False,
    }
    assert installation.wait(name).phase == "Succeeded"


def test_an_unknown_parameter_is_refused_with_the_nearest(
    installation: Installation, first_run: Run
):
    run = installation.run(profile="tiny", train_row="7")
    assert (run.phase, run.steps) == ("Failed", ["gate", "plan"]), run.explain()
    assert "train_rows" in run.message("plan"), run.explain()


def test_an_image_that_cannot_be_pulled_is_told_and_timed_out(
    installation: Installation, first_run: Run
):
    image = f"{REGISTRY}/graftline-curate:there-is-none"
    name = installation.submit(profile="tiny", image__curate=image, timeout__cpu="90s")
    seen = watch(installation, name)
    assert "there-is-none" in seen.stdout + seen.stderr
    assert seen.returncode != 0
    run = installation.wait(name)
    assert run.phase == "Failed", run.explain()


def resources_patch(installation: Installation, **limits: str) -> str:
    """Give the installation's patch of training's pods with other limits of `main`.

    Args:
        installation: The installation.
        limits: By resource; `gpu` is `nvidia.com/gpu`.
    """
    settings = json.loads(installation.kubectl("get", "cm", "graftline-settings", "-o", "json"))
    patch = json.loads(settings["data"]["pod-patch-train"])
    main = next(item for item in patch["containers"] if item["name"] == "main")
    for name, value in limits.items():
        resource = "nvidia.com/gpu" if name == "gpu" else name
        main["resources"].setdefault("requests", {}).pop(resource, None)
        main["resources"]["limits"][resource] = value
    return json.dumps(patch)


def test_a_gpu_that_no_node_has_is_told_while_the_run_waits(
    installation: Installation, first_run: Run
):
    """Argo 4.0 ends the wait with the workflow's own limit only, so the run is stopped here."""
    name = installation.submit(
        profile="tiny",
        overrides="adapter.lora_alpha=40",
        pod__patch__train=resources_patch(installation, gpu="64"),
    )
    command = [sys.executable, "-m", "graftline_workflows.cli.main", "watch", name]
    with subprocess.Popen(
        [*command, "-n", installation.namespace],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as watching:
        assert watching.stdout is not None
        told = any("Insufficient nvidia.com/gpu" in line for line in watching.stdout)
        call("argo", "stop", "-n", installation.namespace, name)
        watching.communicate(timeout=300)
    assert told
    assert installation.wait(name).phase == "Failed"


def test_a_pod_without_memory_enough_is_not_tried_again(installation: Installation, first_run: Run):
    patch = resources_patch(installation, memory="96Mi")
    run = installation.run(
        profile="tiny", overrides="adapter.lora_alpha=44", pod__patch__train=patch
    )
    assert run.phase == "Failed", run.explain()
    assert run.steps.count("adapter") == 1, run.explain()
    assert "OOMKilled" in run.message("adapter"), run.explain()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"AWS_SECRET_ACCESS_KEY": "wrong"}, "refuse"),
        ({"bucket": "there-is-no-such-bucket"}, "there-is-no-such-bucket"),
    ],
)
def test_a_store_that_cannot_be_used_fails_the_plan_and_says_so(
    installation: Installation, first_run: Run, change: dict[str, str], words: str
):
    secret = {**installation.environment, **change}
    bucket = change.get("bucket", "graftline")
    other = Installation(
        f"graftline-e2e-{secrets.token_hex(3)}",
        {
            "store.embedded.enabled": "false",
            "store.external.uri": f"s3://{bucket}",
            "store.external.endpoint": f"http://graftline-store.{installation.namespace}:8333",
            "store.external.existingSecret": "mine",
        },
    )
    try:
        call("kubectl", "create", "namespace", other.namespace)
        literals = [
            f"--from-literal={name}={secret[name]}"
            for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
        ]
        other.kubectl("create", "secret", "generic", "mine", *literals)
        other.helm("install", **{"networkPolicy.enabled": "false", "index.enabled": "false"})
        installation.kubectl("delete", "networkpolicy", "--all")
        run = other.run(profile="tiny")
        assert run.phase == "Failed", run.explain()
        assert words in run.message("plan"), run.explain()
    finally:
        other.remove()
        installation.kubectl("apply", "-f", "-", stdin=DENY_ALL)
        installation.helm("upgrade")


def watch(installation: Installation, name: str) -> subprocess.CompletedProcess[str]:
    """Follow a run with `graftline watch` until it ends."""
    return subprocess.run(
        [sys.executable, "-m", "graftline_workflows.cli.main", "watch", name]
        + ["-n", installation.namespace],
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
