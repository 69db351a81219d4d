from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from graftline_toys import RECIPE, toy_catalog
from graftline_workflows.argo.rendering import GOLDENS, render, write
from graftline_workflows.catalog import Catalog

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.e2e


@pytest.fixture
def argo() -> str:
    found = shutil.which("argo")
    if found is None:
        pytest.skip("no argo on the path")
    return found


def lint(argo: str, folder: Path) -> str:
    done = subprocess.run(
        [argo, "lint", "--offline", "--no-color", str(folder)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    return "" if done.returncode == 0 else done.stdout + done.stderr


def test_argo_finds_nothing_in_the_charts_templates(argo: str):
    assert lint(argo, GOLDENS) == ""


def test_argo_finds_nothing_in_a_recipe_with_ranks(argo: str, tmp_path: Path):
    stages = {name: entry.descriptor for name, entry in toy_catalog().stages.items()}
    stages["pick"].ranks = True
    recipe = tmp_path / "toy.yaml"
    recipe.write_text(RECIPE)
    write(render(Catalog(stages), [str(recipe)]), tmp_path / "out", whole=True)
    assert lint(argo, tmp_path / "out") == ""


def test_argo_would_find_a_reference_to_nothing(argo: str, tmp_path: Path):
    folder = tmp_path / "out"
    shutil.copytree(GOLDENS, folder)
    path = folder / "recipes" / "json-extraction.yaml"
    text = path.read_text()
    path.write_text(text.replace("outputs.parameters.build-curate}}", "outputs.parameters.quue}}"))
    assert "quue" in lint(argo, folder)
