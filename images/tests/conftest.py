"""The scripts under test, which are programs and not a package, and the archive of built images."""

from __future__ import annotations

import functools
import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def script() -> Callable[[str], ModuleType]:
    """Load a script of `images` by its path, as a module."""

    @functools.cache
    def load(path: str) -> ModuleType:
        name = f"images_{Path(path).stem}"
        spec = importlib.util.spec_from_file_location(name, ROOT / "images" / path)
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module  # dataclasses look their module up
        spec.loader.exec_module(module)
        return module

    return load


@pytest.fixture(scope="session")
def listed() -> dict[str, tuple[str, str, str]]:
    """What `build.sh list` says: name -> (family, target, project)."""
    said = subprocess.run(
        [ROOT / "images/build.sh", "list"], check=True, capture_output=True, text=True
    )
    rows = [line.split() for line in said.stdout.splitlines()]
    return {name: (family, target, project) for name, family, target, project in rows}


@pytest.fixture(scope="session")
def archive() -> Path:
    path = Path(os.environ.get("ARCHIVE", ROOT / "build/images.tar"))
    if not path.is_file():
        message = f"no {path}: make images image-archive"
        if os.environ.get("E2E_REQUIRED") == "1":
            pytest.fail(message)
        pytest.skip(message)
    return path
