"""Older configuration files: what a recipe's table makes of their lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from graftline.errors import ConfigError
from graftline_workflows.recipe import resolve_recipe
from graftline_workflows.recipe.environment import overrides_of_file

if TYPE_CHECKING:
    from pathlib import Path

OLD = """\
# what the old pipeline was told
PIPELINE_INPUT_DIR=data/documents
PIPELINE_CHUNKS_DIR=data/document_chunks
PIPELINE_LLM_PROVIDER=openai
export PIPELINE_LLM_MODEL="gpt-4"   # quotes and export, as in a shell
PIPELINE_QUESTIONS_PER_CHUNK=5
PIPELINE_VALIDATION_THRESHOLD=8.5
PIPELINE_FILTER_THRESHOLD=
FINETUNE_MODEL_NAME=org/model
EXPORT_MODEL_NAME=my-custom-model
OPENAI_API_KEY=sk-not-ours
"""


def test_an_old_file_becomes_overrides(tmp_path: Path):
    file = tmp_path / "config.env"
    file.write_text(OLD)
    assert overrides_of_file("docs-qa", file) == (
        "source=data/documents",
        "llm.endpoints=[{kind: openai, api_key_env: OPENAI_API_KEY}]",
        "llm_model=gpt-4",
        "generate.questions_per_chunk=5",
        "format.threshold=8.5",
        "base_model=hf://org/model",
        "export.name=my-custom-model",
    )


def test_every_meaning_of_docs_qa_is_one_that_the_recipe_takes(tmp_path: Path):
    (tmp_path / "documents").mkdir()
    file = tmp_path / "config.env"
    file.write_text(OLD.replace("data/documents", str(tmp_path / "documents")))
    given = overrides_of_file("docs-qa", file)
    recipe = resolve_recipe("docs-qa", overrides=given)
    assert recipe.step("generate").config["task"]["questions_per_chunk"] == 5
    assert recipe.step("generate").config["task"]["request"]["model"] == "gpt-4"
    assert recipe.step("judge").runtime["llm"]["endpoints"][0]["api_key_env"] == "OPENAI_API_KEY"
    assert recipe.step("format").config["threshold"] == 8.5
    assert recipe.step("model").config["uri"] == "hf://org/model"
    assert recipe.step("export").config["name"] == "my-custom-model"


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ("PIPELINE_INPUT_DRI=x", "config.env:1: unknown name 'PIPELINE_INPUT_DRI' — did you mean"),
        ("\nPIPELINE_LLM_PROVIDER=gpt", "config.env:2: PIPELINE_LLM_PROVIDER=gpt: allowed: openai"),
        ("PIPELINE_INPUT_DIR=x\nnot a line", "config.env:2: NAME=value is wanted"),
    ],
)
def test_a_line_that_means_nothing_is_told(tmp_path: Path, lines: str, says: str):
    file = tmp_path / "config.env"
    file.write_text(lines)
    with pytest.raises(ConfigError) as caught:
        overrides_of_file("docs-qa", file)
    assert says in str(caught.value)


def test_a_file_that_cannot_be_read_and_a_recipe_without_a_table(tmp_path: Path):
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        overrides_of_file("docs-qa", tmp_path / "none.env")
    (tmp_path / "config.env").write_text("A=b")
    with pytest.raises(ConfigError, match="knows no configuration files"):
        overrides_of_file("json-extraction", tmp_path / "config.env")


def test_a_mark_that_windows_editors_put_first_is_no_part_of_a_name(tmp_path: Path):
    file = tmp_path / "config.env"
    file.write_text("PIPELINE_INPUT_DIR=docs\r\nPIPELINE_LLM_MODEL=m\r\n", encoding="utf-8-sig")
    assert overrides_of_file("docs-qa", file) == ("source=docs", "llm_model=m")
