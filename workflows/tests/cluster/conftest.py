from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parent))

import argo_objects  # noqa: E402
from fake_kube import FakeKube  # noqa: E402

from graftline_workflows.argo.rendering import render  # noqa: E402
from graftline_workflows.catalog import load_catalog  # noqa: E402
from graftline_workflows.cli.main import run_command  # noqa: E402


@pytest.fixture(scope="session")
def rendered() -> dict[str, Any]:
    """The WorkflowTemplate of `json-extraction`, as the chart puts it into a namespace."""
    files = render(load_catalog(), ["json-extraction"])
    found: dict[str, Any] = yaml.safe_load(files["recipes/json-extraction.yaml"])
    return found


@pytest.fixture
def kube(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rendered: dict[str, Any]
) -> Iterator[FakeKube]:
    """An API server with Graftline installed in its namespace `ml`, and a kubeconfig for it."""
    fake = FakeKube()
    monkeypatch.setenv("KUBECONFIG", str(fake.kubeconfig(tmp_path / "kubeconfig")))
    # The client reads it once, when it is imported.
    from kubernetes.config import kube_config

    monkeypatch.setattr(kube_config, "KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "kubeconfig"))
    for name in ("GRAFTLINE_STORE", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.delenv(name, raising=False)
    fake.put("workflowtemplates", rendered)
    fake.put("workflowtemplates", argo_objects.bare_template("graftline-stage-train"))
    yield fake
    fake.close()


@pytest.fixture
def call(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run `graftline` in this process; give exit code, stdout, stderr."""

    def run(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = run_command([*arguments, "--home", str(tmp_path / "home")])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


@pytest.fixture
def given() -> Callable[[dict[str, Any]], dict[str, str]]:
    """Give a workflow's arguments by name."""

    def values(workflow: dict[str, Any]) -> dict[str, str]:
        parameters = workflow["spec"]["arguments"]["parameters"]
        return {item["name"]: item["value"] for item in parameters}

    return values
