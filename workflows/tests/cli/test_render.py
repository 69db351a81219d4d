from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from graftline_workflows.cli import main
from graftline_workflows.recipe.files import recipes_folder

if TYPE_CHECKING:
    from pathlib import Path


def test_render_writes_and_check_finds_what_differs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main.run_command(["render", "-o", str(out)]) == 0
    said = capsys.readouterr().out
    assert "wrote" in said
    assert main.run_command(["render", "-o", str(out), "--check"]) == 0
    (out / "stages" / "train.yaml").write_text("other")
    (out / "recipes" / "gone.yaml").write_text("old")
    assert main.run_command(["render", "-o", str(out), "--check"]) == 1
    said = capsys.readouterr().out
    assert "changed" in said
    assert "left over" in said
    assert "graftline render writes them" in said
    assert main.run_command(["render", "-o", str(out), "--quiet"]) == 0
    assert capsys.readouterr().out == ""
    assert not (out / "recipes" / "gone.yaml").exists()


def test_a_recipe_of_ones_own_is_rendered_beside_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (recipes_folder() / "json-extraction.yaml").read_text()
    recipe = tmp_path / "mine.yaml"
    recipe.write_text(text.replace("recipe: json-extraction", "recipe: mine"))
    schema = "support-ticket.schema.json"
    (tmp_path / schema).write_text((recipes_folder() / schema).read_text())
    out = tmp_path / "out"
    (out / "recipes").mkdir(parents=True)
    (out / "recipes" / "other.yaml").write_text("other")
    assert main.run_command(["render", str(recipe), "-o", str(out), "--json"]) == 0
    assert "recipes/mine.yaml" in capsys.readouterr().out
    assert (out / "recipes" / "other.yaml").exists()
    assert "name: graftline-mine" in (out / "recipes" / "mine.yaml").read_text()
    assert schema in (out / "recipe-files" / "mine.yaml").read_text()


def test_an_unknown_recipe_names_the_nearest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.run_command(["render", "json-extracton", "-o", str(tmp_path)]) == 64
    assert "did you mean 'json-extraction'?" in capsys.readouterr().err
