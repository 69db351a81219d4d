"""Nothing heavy is loaded before it is needed."""

from __future__ import annotations

import subprocess
import sys

import pytest


def modules_after(code: str) -> set[str]:
    script = f"{code}\nimport sys; print(' '.join(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize("command", ["submit", "watch"])
def test_help_loads_no_client(command: str):
    code = f"from graftline_workflows.cli.main import run_command; run_command(['{command}', '-h'])"
    loaded = modules_after(code)
    assert loaded.isdisjoint({"kubernetes", "grpc", "boto3", "pydantic", "rich", "yaml", "hera"})


def test_a_recipe_is_checked_without_client_or_hera():
    code = "import graftline_workflows.cluster.submitting, graftline_workflows.cluster.watching"
    loaded = modules_after(code)
    assert loaded.isdisjoint({"kubernetes", "grpc", "hera", "torch", "pyarrow"})
