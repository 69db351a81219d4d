"""Configuration of an older system: what a recipe's table makes of it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from graftline.errors import ConfigError
from graftline_workflows.cli.build import all_overrides
from graftline_workflows.recipe import resolve_recipe
from graftline_workflows.recipe.environment import OldSettings, read_old_settings
from graftline_workflows.recipe.files import parse_yaml, read_recipe, recipes_folder
from graftline_workflows.recipe.model import parse_recipe

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from graftline_workflows.recipe.model import OldName

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
WANDB_PROJECT=of-another-program
"""


@pytest.fixture
def read(tmp_path: Path):
    def from_text(text: str, variables: Mapping[str, str] | None = None) -> OldSettings:
        file = tmp_path / "config.env"
        file.write_text(text)
        return read_old_settings("docs-qa", file, variables)

    return from_text


def test_an_old_file_becomes_overrides(read):
    assert read(OLD).overrides == (
        "source=data/documents",
        "llm={endpoints: [{kind: openai, api_key_env: OPENAI_API_KEY}]}",
        "llm_model=gpt-4",
        "questions_per_chunk=5",
        "format.threshold=8.5",
        "base_model=hf://org/model",
        "export.name=my-custom-model",
    )


def test_every_meaning_of_docs_qa_is_one_that_the_recipe_takes(read, tmp_path: Path):
    (tmp_path / "documents").mkdir()
    given = read(OLD.replace("data/documents", str(tmp_path / "documents"))).overrides
    recipe = resolve_recipe("docs-qa", overrides=given)
    assert recipe.step("generate").config["task"]["questions_per_chunk"] == 5
    assert recipe.step("generate").config["task"]["request"]["model"] == "gpt-4"
    assert recipe.step("judge").runtime["llm"]["endpoints"][0]["api_key_env"] == "OPENAI_API_KEY"
    assert recipe.step("format").config["threshold"] == 8.5
    assert recipe.step("model").config["uri"] == "hf://org/model"
    assert recipe.step("export").config["name"] == "my-custom-model"


@pytest.mark.parametrize(
    ("provider", "endpoint", "temperature"),
    [
        ("openai", {"kind": "openai", "api_key_env": "OPENAI_API_KEY"}, 0.0),
        ("claude", {"kind": "anthropic", "api_key_env": "ANTHROPIC_API_KEY"}, None),
        ("gemini", {"kind": "gemini", "api_key_env": "GEMINI_API_KEY"}, 0.0),
        ("local", {"kind": "openai", "url": "http://127.0.0.1:11434/v1"}, 0.0),
    ],
)
def test_each_provider_is_asked_as_it_wants_by_writer_and_judge(
    read, provider: str, endpoint: dict[str, str], temperature: float | None
):
    given = read(f"PIPELINE_LLM_PROVIDER={provider}\nPIPELINE_LLM_MODEL=llama2:7b").overrides
    recipe = resolve_recipe("docs-qa", overrides=(*given, "source=docs"))
    for name in ("generate", "judge", "preference"):
        step = recipe.step(name)
        request = step.config["task"]["request"] if name == "generate" else step.config["request"]
        assert (request["model"], request["temperature"]) == ("llama2:7b", temperature)
        assert step.runtime["llm"]["endpoints"][0].items() >= endpoint.items()


def test_an_old_file_fits_also_without_documents(read):
    given = read(OLD.replace("data/documents", "")).overrides
    steps = [step.name for step in resolve_recipe("docs-qa", overrides=(*given, "qa=old")).steps]
    assert "imported" in steps
    assert "generate" not in steps


def test_set_goes_before_a_file_also_where_it_gives_the_whole(read):
    given = read("PIPELINE_LLM_PROVIDER=openai").overrides
    for own in ("llm={endpoints: [{url: 'http://h/v1'}]}", "llm.endpoints=[{url: 'http://h/v1'}]"):
        recipe = resolve_recipe("docs-qa", overrides=(*given, "source=docs", own))
        assert recipe.step("generate").runtime["llm"]["endpoints"][0]["api_key_env"] == ""


@pytest.mark.parametrize(
    ("value", "source"),
    [
        ("org/model", "hf://org/model"),
        ("gpt2", "hf://gpt2"),
        ("org/model@main", "hf://org/model@main"),
        ("./models/x", "./models/x"),
        ("../x", "../x"),
        ("/models/x", "/models/x"),
        ("~/models/x", "~/models/x"),
        ("models/x/checkpoint-3", "models/x/checkpoint-3"),
        ("here/model", "here/model"),
        ("s3://bucket/model", "s3://bucket/model"),
    ],
)
def test_a_model_that_is_a_path_stays_one(
    read, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str, source: str
):
    (tmp_path / "here" / "model").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert read(f"FINETUNE_MODEL_NAME={value}").overrides == (f"base_model={source}",)


def test_api_keys_are_kept_apart_and_do_not_show(read):
    found = read("OPENAI_API_KEY=sk-1\nANTHROPIC_API_KEY=sk-2\nGOOGLE_API_KEY=AIza3\n")
    assert found.secrets == {
        "OPENAI_API_KEY": "sk-1",
        "ANTHROPIC_API_KEY": "sk-2",
        "GEMINI_API_KEY": "AIza3",
    }
    assert found.overrides == ()
    assert "sk-" not in repr(found)
    assert read("GOOGLE_API_KEY=b\nGEMINI_API_KEY=a").secrets == {"GEMINI_API_KEY": "a"}
    assert read("OPENAI_ORG_ID=x").overrides == ()  # not ours, and no mistake


def test_steps_find_the_keys_of_a_file_unless_the_environment_has_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    file = tmp_path / "config.env"
    file.write_text("OPENAI_API_KEY=sk-1\nANTHROPIC_API_KEY=sk-2\nGEMINI_API_KEY=sk-3")
    monkeypatch.setenv("OPENAI_API_KEY", "of-the-shell")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "")
    monkeypatch.setenv("GEMINI_API_KEY", "")
    assert all_overrides("docs-qa", ("seed=1",), file, False, sends=True) == ("seed=1",)
    assert os.environ["ANTHROPIC_API_KEY"] == ""
    assert "not sent: OPENAI_API_KEY, ANTHROPIC_API_KEY, GEMINI_API_KEY" in capsys.readouterr().err
    assert all_overrides("docs-qa", ("seed=1",), file, False) == ("seed=1",)
    assert os.environ["OPENAI_API_KEY"] == "of-the-shell"
    assert os.environ["ANTHROPIC_API_KEY"] == "sk-2"
    assert capsys.readouterr().err == ""


def test_the_environment_counts_if_asked_and_goes_before_the_file(read):
    variables = {
        "PIPELINE_LLM_MODEL": "of-the-shell",
        "PIPELINE_QUESTIONS_PER_CHUNK": "",
        "FINETUNE_MODEL_NAME": "org/model",
        "PIPELINE_ID": "7",
        "PATH": "/bin",
    }
    found = read("PIPELINE_LLM_MODEL=m\nPIPELINE_QUESTIONS_PER_CHUNK=5", variables)
    assert found.overrides == (
        "llm_model=of-the-shell",
        "questions_per_chunk=5",
        "base_model=hf://org/model",
    )
    assert found.warning == "not used: PIPELINE_ID (the recipe knows no such name)"
    alone = read_old_settings("docs-qa", None, {"PIPELINE_INPUT_DIR": "docs"})
    assert alone == OldSettings(("source=docs",))


def test_one_line_says_what_is_not_used_and_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    file = tmp_path / "config.env"
    file.write_text(
        "PIPELINE_CHUNKS_DIR=c\nPIPELINE_FILTER_THRESHOLD=7.0\nFINETUNE_MODEL_TYPE=mistral\n"
        "FINETUNE_OUTPUT_DIR=f\nEXPORT_OUTPUT_DIR=\nPIPELINE_INPUT_DIR=docs\n"
    )
    assert all_overrides("docs-qa", (), file, False) == ("source=docs",)
    told = capsys.readouterr().err
    assert told.startswith("warning: not used: PIPELINE_CHUNKS_DIR, FINETUNE_OUTPUT_DIR (what was")
    assert "PIPELINE_FILTER_THRESHOLD (deprecated already;" in told
    assert "FINETUNE_MODEL_TYPE (the base model's own chat template is used;" in told
    assert "EXPORT_OUTPUT_DIR" not in told
    assert told.count("\n") == 1


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ("PIPELINE_INPUT_DRI=x", "config.env:1: unknown name 'PIPELINE_INPUT_DRI' — did you mean"),
        ("\nPIPELINE_LLM_PROVIDER=gpt", "config.env:2: PIPELINE_LLM_PROVIDER=gpt: allowed: openai"),
        ("PIPELINE_INPUT_DIR=x\nnot a line", "config.env:2: NAME=value is wanted"),
    ],
)
def test_a_line_that_means_nothing_is_told(read, lines: str, says: str):
    with pytest.raises(ConfigError) as caught:
        read(lines)
    assert says in str(caught.value)


def test_a_file_that_cannot_be_read_and_a_recipe_without_a_table(tmp_path: Path):
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        read_old_settings("docs-qa", tmp_path / "none.env")
    (tmp_path / "config.env").write_text("A=b")
    with pytest.raises(ConfigError, match="knows no configuration files"):
        read_old_settings("json-extraction", tmp_path / "config.env")


def test_a_mark_that_windows_editors_put_first_is_no_part_of_a_name(tmp_path: Path):
    file = tmp_path / "config.env"
    file.write_text("PIPELINE_INPUT_DIR=docs\r\nPIPELINE_LLM_MODEL=m\r\n", encoding="utf-8-sig")
    assert read_old_settings("docs-qa", file).overrides == ("source=docs", "llm_model=m")


@pytest.mark.parametrize("row", ["{}", "{set: [a=1], ignored: no}"])
def test_a_name_has_one_meaning(row: str):
    text = f"recipe: r\nsteps: {{a: {{uses: make}}}}\nenvironment:\n  OLD_NAME: {row}\n"
    with pytest.raises(ConfigError, match="OLD_NAME.*give one of set, values, secret and ignored"):
        parse_recipe(parse_yaml(text, "r"), "r")


def test_the_table_in_the_readme_is_the_recipes():
    known = parse_recipe(read_recipe("docs-qa").values, "docs-qa").environment
    table = "| name | becomes |\n|---|---|\n" + "".join(
        f"| `{name}` | {_meaning(old)} |\n" for name, old in known.items()
    )
    assert table in (recipes_folder() / "README.md").read_text(), f"put it there:\n{table}"


def _meaning(old: OldName) -> str:
    if old.values:
        return "; ".join(f"`{value}`: {_listed(texts)}" for value, texts in old.values.items())
    if old.secret:
        return f"`{old.secret}` of the steps' environment; in no record, log or key"
    return f"not used: {old.ignored}" if old.ignored else _listed(old.set)


def _listed(overrides: list[str]) -> str:
    return ", ".join(f"`{text}`" for text in overrides)
