"""One installation of Graftline for all end-to-end tests.

They take any cluster that `kubectl` reaches (`KUBECONFIG`), with Argo Workflows, a node pool with
`nvidia.com/gpu` and the images loaded: `make e2e` does that. `E2E_REQUIRED=1` makes a missing
cluster, and any skip, a failure. `E2E_KEEP=1` keeps the namespace.
"""

from __future__ import annotations

import os
import secrets
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

from graftline_e2e import Installation, Run, missing  # noqa: E402 - found by the line above

if TYPE_CHECKING:
    from collections.abc import Iterator

REQUIRED = os.environ.get("E2E_REQUIRED") == "1"


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Where a cluster is required, nothing may be skipped."""
    outcome = yield
    report = outcome.get_result()
    if REQUIRED and report.skipped and item.get_closest_marker("e2e"):
        report.outcome = "failed"
        report.longrepr = f"E2E_REQUIRED=1, but skipped: {report.longrepr}"


@pytest.fixture(scope="session")
def cluster() -> None:
    """A cluster that can be used, or a skip that says what is missing."""
    if lacks := missing():
        pytest.skip(lacks)


@pytest.fixture(scope="session")
def installation(cluster: None) -> Iterator[Installation]:
    """Graftline in a fresh, strict namespace."""
    values = {"llm.embedded.enabled": "true"}
    found = Installation(f"graftline-e2e-{secrets.token_hex(3)}", values)
    try:
        found.install()
        yield found
    finally:
        if os.environ.get("E2E_KEEP") != "1":
            found.remove()


@pytest.fixture(scope="session")
def first_run(installation: Installation) -> Run:
    """The recipe's first run; all other tests build on what it left in the store."""
    run = installation.run(profile="tiny")
    assert run.phase == "Succeeded", run.explain()
    return run
