"""A secret in what is asked gets nowhere: neither into the store nor into the home folder."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from graftline_workflows.argo import names
from graftline_workflows.argo.rendering import render
from graftline_workflows.catalog import load_catalog
from graftline_workflows.cli.main import run_command

if TYPE_CHECKING:
    from pathlib import Path

    from graftline.store import EmbeddedStore, Store

SECRET = "hunter2"
ENDPOINTS = (
    "llm.endpoints=[{url: 'http://user:hunter2@127.0.0.1:9/v1'}]",
    "llm.endpoints=[{url: 'http://127.0.0.1:9/v1?key=hunter2'}]",
    "llm.endpoints=[{url: 'http://127.0.0.1:9/v1', api_key_env: sk-hunter2}]",
)
SOURCES = ("source=https://user:hunter2@127.0.0.1:9/d.md", "source=s3://k:hunter2@graftline/docs")


def kept(store: Store, home: Path) -> list[str]:
    """Name everything in which the secret stands."""
    objects = [item.name for item in store.list("")]
    found = [name for name in objects if SECRET.encode() in store.get(name).data]  # type: ignore[union-attr]
    files = [path for path in home.rglob("*") if path.is_file()]
    return [*found, *(str(path) for path in files if SECRET.encode() in path.read_bytes())]


@pytest.mark.parametrize("override", [*ENDPOINTS, *SOURCES])
@pytest.mark.parametrize("command", ["run", "plan"])
def test_nothing_is_kept_of_it(
    command: str,
    override: str,
    store: Store,
    s3_environment: EmbeddedStore,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "valves.md").write_text("# Valves\n\nA valve opens at two bar.\n")
    home = tmp_path / "home"
    words = [command, "docs-qa", "--profile", "tiny", "--set", f"source={tmp_path / 'docs'}"]
    words += ["--set", override, "--home", str(home), "--store", store.uri]
    assert run_command(words) == 64
    said = capsys.readouterr()
    assert "error: recipe 'docs-qa'" in said.err
    assert SECRET not in said.out + said.err
    assert kept(store, home) == []
    run_command(["runs", "--json", "--home", str(home), "--store", store.uri])
    assert json.loads(capsys.readouterr().out) == {"runs": []}


def test_a_stores_credentials_are_no_part_of_its_address(capsys: pytest.CaptureFixture[str]):
    assert run_command(["runs", "--store", "s3://key:hunter2@bucket/prefix"]) == 64
    said = capsys.readouterr().err
    assert "AWS_* variables" in said
    assert SECRET not in said


def test_templates_do_not_offer_what_pods_do_not_do():
    text = render(load_catalog(), ["docs-qa"])["recipes/docs-qa.yaml"]
    assert "https://…" not in text
    assert "Pods read no local path and nothing from the web" in " ".join(text.split())
    assert f"--patch=generate={{{{workflow.parameters.{names.pod_patch('generate')}}}}}" in text
