"""Fixtures: the tiny model and its adapter, made once a session."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from hypothesis import settings

# A busy machine is no mistake of the code.
settings.register_profile("graftline", deadline=None)
settings.load_profile("graftline")

# Tests are imported by path (importlib mode), so what they share must be found by name.
sys.path.insert(0, str(Path(__file__).parent))

import evaluate_rows  # noqa: E402


@pytest.fixture(scope="session")
def shared_data():
    """Real data beside the checkout; tests that need it are skipped where it is not."""
    default = Path(__file__).resolve().parents[4] / "shared" / "data"
    folder = Path(os.environ.get("GRAFTLINE_TEST_DATA", default))
    if not folder.is_dir():
        pytest.skip(f"no test data at {folder}; set GRAFTLINE_TEST_DATA")
    return folder


@pytest.fixture(scope="session")
def tiny():
    """The module that makes models; it imports torch, which most tests do without."""
    import evaluate_tiny
    import torch

    torch.set_num_threads(1)
    return evaluate_tiny


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory, tiny):
    return tiny.save_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="session")
def adapter_folder(tmp_path_factory, tiny, model_folder):
    return tiny.save_adapter(tmp_path_factory.mktemp("adapter"), model_folder)


@pytest.fixture(scope="session")
def examples_folder(tmp_path_factory):
    rows = [
        *evaluate_rows.make_rows(12),
        *evaluate_rows.make_rows(5, "ood"),
        *evaluate_rows.make_rows(8, "train"),
    ]
    return evaluate_rows.write_examples(tmp_path_factory.mktemp("examples"), rows)
