"""A real S3 server for tests, and a fresh prefix of it for each.

pytest_plugins = ["graftline.testkit.s3"]

def test_something(store: Store) -> None: …
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import pytest

from graftline.store import EmbeddedStore, Store

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedStore]:
    """A SeaweedFS of the test session's own; `.uri` and `.environment` open it."""
    with EmbeddedStore(tmp_path_factory.mktemp("s3-home")) as server:
        yield server


@pytest.fixture
def store(s3_server: EmbeddedStore) -> Store:
    """A store with nothing in it."""
    return s3_server.open(f"test-{secrets.token_hex(6)}")


@pytest.fixture
def s3_environment(s3_server: EmbeddedStore, monkeypatch: pytest.MonkeyPatch) -> EmbeddedStore:
    """The server, with its `AWS_*` settings in this process's environment for the test's time."""
    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)
    return s3_server
