"""The command line is quick and needs nothing heavy."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

HEAVY = (
    *("torch", "transformers", "pyarrow", "boto3", "grpc", "pydantic", "rich", "yaml"),
    *("hera", "kubernetes"),
)


def modules_after(code: str) -> set[str]:
    script = f"{code}\nimport sys; print(' '.join(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return {name.partition(".")[0] for name in done.stdout.splitlines()[-1].split()}


@pytest.mark.parametrize(
    "arguments", [["--help"], ["run", "--help"], ["show", "--help"], ["render", "--help"]]
)
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    code = f"from graftline_workflows.cli.main import run_command; run_command({arguments!r})"
    assert modules_after(code).isdisjoint(HEAVY)


def test_plan_and_run_load_no_torch() -> None:
    code = (
        "import graftline_workflows.building, graftline_workflows.engine.live,"
        " graftline_workflows.cli.print_run, graftline_workflows.planning,"
        " graftline_workflows.recipe, graftline_workflows.sources, graftline.events.hub"
    )
    unwanted = {"torch", "transformers", "pyarrow", "datasets", "hera", "kubernetes"}
    assert modules_after(code).isdisjoint(unwanted)


def test_a_planners_pod_loads_no_hera() -> None:
    code = "import graftline_workflows.planner.plan, graftline_workflows.planner.verdict"
    assert modules_after(code).isdisjoint({"torch", "pyarrow", "hera", "kubernetes"})


@pytest.mark.bench
def test_help_is_quick() -> None:
    times = []
    for _ in range(5):
        began = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "graftline_workflows.cli.main", "--help"],
            stdout=subprocess.DEVNULL,
            check=True,
        )
        times.append(time.perf_counter() - began)
    assert min(times) < 0.3


def test_every_command_teaches_with_its_help() -> None:
    from graftline_workflows.cli.main import cli

    assert {"run", "plan", "runs", "show", "lineage", "logs", "get"} <= set(cli.commands)
    assert {"gc", "verify", "stages", "recipes", "conformance", "catalog", "render"} <= set(
        cli.commands
    )
    for command in cli.commands.values():
        assert command.help
        assert not command.get_short_help_str(100).endswith("...")
