"""The recipe on a real cluster: where it runs, what it builds, and what it leaves cached."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from graftline_e2e import REGISTRY, TAG, CommandFailed, call, digests, trained_at_home

if TYPE_CHECKING:
    from pathlib import Path

    from graftline_e2e import Installation, Run

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]

STEPS = [
    *("adapted", "adapter", "baseline", "curate", "export"),
    *("format", "generate", "model", "report"),
]
ON_GPU = {"adapter", "baseline", "adapted"}
AFTER_TRAINING = ["adapted", "adapter", "export", "gate", "plan", "report"]


def test_every_step_has_one_pod_and_is_where_it_belongs(installation: Installation, first_run: Run):
    print(first_run.table(installation.manifests(first_run.name)))
    assert first_run.steps == sorted([*STEPS, "plan", "gate"])
    gpu_nodes = set(
        call(
            *("kubectl", "get", "nodes", "-l", "nvidia.com/gpu.present=true"),
            *("-o", "jsonpath={.items[*].metadata.name}"),
        ).split()
    )
    assert gpu_nodes
    for pod in first_run.pods.values():
        assert (pod.node in gpu_nodes) == (pod.step in ON_GPU), pod
        assert pod.image_id, pod


def test_the_same_again_needs_only_plan_and_gate(installation: Installation, first_run: Run):
    again = installation.run(profile="tiny")
    assert (again.phase, again.steps) == ("Succeeded", ["gate", "plan"]), again.explain()


def test_a_laptop_gives_the_same_keys_and_digests(
    installation: Installation, first_run: Run, tmp_path: Path
):
    words = ["graftline_workflows.cli.main", "run", "json-extraction", "--profile", "tiny"]
    done = subprocess.run(
        [sys.executable, "-m", *words, "--json", "--home", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    home_run = json.loads(done.stdout)["run"]
    found = _digests_at_home(tmp_path, home_run)
    there = digests(installation.manifests(first_run.name))
    # The report's page shows what the steps cost, which is never the same.
    del found["report"]["report"], there["report"]["report"]
    assert found == there


def test_a_laptop_finds_what_the_cluster_built(
    installation: Installation, first_run: Run, tmp_path: Path
):
    words = ["graftline_workflows.cli.main", "plan", "json-extraction", "--profile", "tiny"]
    store = ["--store", "s3://graftline", "--json", "--home", str(tmp_path)]
    printed = call(
        *("env", *(f"{name}={value}" for name, value in installation.environment.items())),
        *(sys.executable, "-m", *words, *store),
    )
    assert all(step["cached"] for step in json.loads(printed)["steps"]), printed


def test_a_changed_training_setting_builds_what_follows(installation: Installation, first_run: Run):
    run = installation.run(profile="tiny", overrides="adapter.lora_r=4")
    assert (run.phase, run.steps) == ("Succeeded", AFTER_TRAINING), run.explain()


def test_a_gate_that_cannot_be_met_fails_the_workflow_and_says_why(
    installation: Installation, first_run: Run
):
    wanted = "gate.entity_f1.at_least=0.99"
    run = installation.run(profile="tiny", overrides=wanted)
    assert run.phase == "Failed", run.explain()
    assert run.steps == ["gate", "plan", "report"], run.explain()
    assert "entity_f1" in run.message("gate"), run.explain()

    cached = installation.submit(profile="tiny", overrides=wanted)
    with pytest.raises(CommandFailed):
        call("argo", "wait", "-n", installation.namespace, cached)
    run = installation.wait(cached)
    assert run.steps == ["gate", "plan"]
    assert "entity_f1" in run.message("gate"), run.explain()


def test_a_swapped_image_builds_its_step_and_what_follows(
    installation: Installation, first_run: Run
):
    other = f"{REGISTRY}/graftline-curate:{TAG}-other"
    run = installation.run(profile="tiny", image__curate=other)
    assert run.phase == "Succeeded", run.explain()
    assert not {"model", "generate"} & set(run.steps), run.explain()
    assert "curate" in run.steps
    manifest = installation.manifests(run.name)["curate"]
    assert manifest.image == other


def test_a_training_pod_killed_by_force_goes_on_and_makes_the_same_adapter(
    installation: Installation, first_run: Run, tmp_path: Path
):
    overrides = "adapter.seed=5 adapter.max_steps=60 adapter.checkpoint_every_s=2"
    name = installation.submit(profile="tiny", overrides=overrides)
    pod = installation.running_pod(name, "adapter")
    installation.wait_for_checkpoint(name, "adapter")
    installation.kill(pod)
    installation.running_pod(name, "adapter", besides=pod)
    run = installation.wait(name)
    assert run.phase == "Succeeded", run.explain()
    disturbed = digests(installation.manifests(name))["adapter"]["adapter"]
    assert disturbed == trained_at_home(tmp_path, overrides)


def _digests_at_home(home: Path, run: str) -> dict[str, dict[str, str]]:
    from graftline.store import EmbeddedStore, Manifests, RunRecords, Store

    with EmbeddedStore(home) as embedded:
        store = Store.open(embedded.uri, embedded.environment)
        record = RunRecords(store).load(run)
        assert record is not None
        manifests = Manifests(store)
        found = {step.step: manifests.read(step.key) for step in record.steps}
        return digests({name: item for name, item in found.items() if item is not None})
