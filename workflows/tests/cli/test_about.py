"""`stages STAGE` and `recipes RECIPE` show all that can be set."""

from __future__ import annotations

import json
from typing import Annotated, Literal

import pytest
from pydantic import Field

from graftline.config import Config, Settings
from graftline_workflows.catalog import load_catalog
from graftline_workflows.cli.main import run_command
from graftline_workflows.cli.print_settings import Setting, settings_of


class Leaf(Settings):
    size: int = Field(3, description="How big.")
    inside: Leaf | None = Field(None, description="Another one.")


class Red(Settings):
    kind: Literal["red"] = Field(description="Its name.")
    leaf: Leaf = Field(Leaf(size=5), description="A leaf.")


class Blue(Settings):
    kind: Literal["blue"] = Field(description="Its name.")
    depth: float = Field(description="How deep.")


class Whole(Config):
    name: str = Field(description="Required.")
    colour: Annotated[Red | Blue, Field(discriminator="kind")] = Field(
        Red(kind="red"), description="A colour."
    )
    leaves: list[Leaf] = Field(default_factory=list, description="Leaves.")
    by_name: dict[str, Leaf] = Field({}, description="More.")
    text: str = Field("x" * 100, description="Long.")


def test_settings_are_dotted_paths_each_with_its_default():
    assert list(settings_of(Whole.model_json_schema())) == [
        Setting("name", "required", "Required."),
        Setting("colour", "", "A colour."),
        Setting("colour.kind", '"red"', "One of blue, red."),
        Setting("colour.leaf", "", "A leaf.", "kind: red"),
        Setting("colour.leaf.size", "5", "How big.", "kind: red"),
        Setting("colour.leaf.inside", "null", "Another one.", "kind: red"),
        Setting("colour.depth", "required", "How deep.", "kind: blue"),
        Setting("leaves", "[]", "Leaves."),
        Setting("leaves[].size", "3", "How big."),
        Setting("leaves[].inside", "null", "Another one."),
        Setting("by_name", "", "More."),
        Setting("by_name.NAME.size", "3", "How big."),
        Setting("by_name.NAME.inside", "null", "Another one."),
        Setting("text", f'"{"x" * 58}…', "Long."),
    ]


def test_every_setting_of_every_stage_has_a_description():
    settings = [
        (name, setting)
        for name, entry in load_catalog().stages.items()
        for schema in (entry.config_schema, entry.runtime_schema)
        for setting in settings_of(schema)
    ]
    assert len(settings) > 200
    assert [f"{name}: {item.path}" for name, item in settings if not item.description] == []


def test_what_the_readme_names_can_be_found(capsys: pytest.CaptureFixture[str]):
    assert run_command(["stages", "generate"]) == 0
    said = capsys.readouterr().out
    for text in (
        "with    task = required",
        "with    task.kind = required  One of qa, support-tickets.",
        'with    task.prompt = "Write {count} different questions',
        "runtime llm.attempts = 6",
        'runtime llm.endpoints[].served_model = ""',
        'runtime llm.endpoints[].api_key_file = ""',
        "runtime llm.prices.NAME.input = required",
        "runtime llm.max_cost_usd = null",
    ):
        assert text in said


def test_one_recipe_is_shown_with_all_that_can_be_set(capsys: pytest.CaptureFixture[str]):
    assert run_command(["recipes", "docs-qa"]) == 0
    said = capsys.readouterr().out
    for text in (
        "eval_share = 0.2  float. Share of the documents",
        "base_model = required  source.",
        "in the profile tiny",
        "cpu (if none is named)  SmolLM2",
        "format  format  from examples: judge.examples, model: model",
        "PIPELINE_INPUT_DIR  ",
    ):
        assert text in said
    assert run_command(["recipes", "docs-qa", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["parameters"]["eval_share"]["default"] == 0.2
    assert found["parameters"]["base_model"]["required"] is True
    assert found["steps"]["judge"]["uses"] == "judge"
    assert "PIPELINE_INPUT_DIR" in found["environment"]
    assert run_command(["recipes", "dosc-qa"]) == 64
    assert "did you mean 'docs-qa'?" in capsys.readouterr().err
