"""What takes many minutes on a real cluster, or is rarely touched."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from graftline_e2e import Installation

pytestmark = [pytest.mark.e2e_full, pytest.mark.timeout(7200)]

GRAFTLINE = (sys.executable, "-m", "graftline_workflows.cli.main")
ON_GPU = {"adapter", "baseline", "adapted"}
TICKETS = [
    {
        "messages": [
            {"role": "user", "content": f"order {number} never came, please send it again"},
            {"role": "assistant", "content": json.dumps({"intent": "shipping", "order": number})},
        ]
    }
    for number in range(60)
]


def graftline(installation: Installation, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*GRAFTLINE, *words],
        env={**os.environ, **installation.environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_local_source_sent_to_the_cluster_has_the_laptops_keys(
    installation: Installation, tmp_path: Path
):
    tickets = tmp_path / "tickets.jsonl"
    tickets.write_text("".join(json.dumps(ticket) + "\n" for ticket in TICKETS))
    schema = tmp_path / "ticket.schema.json"
    schema.write_text(json.dumps({"type": "object", "required": ["intent", "order"]}))
    asked = ["json-extraction", "--profile", "tiny", "--set", f"source={tickets}"]
    asked += ["--set", f"schema={schema}", "--set", "entity_fields=[order]"]
    asked += ["--set", "split={fractions: {eval: 0.2}}"]
    home = ["--home", str(tmp_path / "home")]
    namespace = ["-n", installation.namespace]
    done = graftline(installation, "submit", *asked, *namespace, *home, "--wait")
    assert done.returncode == 0, done.stdout + done.stderr
    store = ["--store", "s3://graftline", "--json"]
    planned = graftline(installation, "plan", *asked, *home, *store)
    assert planned.returncode == 0, planned.stderr
    steps = json.loads(planned.stdout)["steps"]
    assert [step["step"] for step in steps if not step["cached"]] == []


def test_the_profile_cpu_meets_its_gate_with_gpu_steps_on_the_gpu_pool(installation: Installation):
    run = installation.wait(installation.submit(profile="cpu"), timeout_s=5400)
    print(run.table(installation.manifests(run.name)))
    assert run.phase == "Succeeded", run.explain()
    nodes = {pod.step: pod.node for pod in run.pods.values()}
    gpu_pool = {nodes[step] for step in ON_GPU}
    assert gpu_pool.isdisjoint({nodes[step] for step in nodes.keys() - ON_GPU})
