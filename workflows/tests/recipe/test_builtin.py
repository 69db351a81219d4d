"""Every built-in recipe and profile, held against the committed catalog and the stages' models."""

from __future__ import annotations

import importlib
import json
import sys
from fnmatch import fnmatch
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator

from graftline.config import parse_settings
from graftline.errors import ConfigError
from graftline_toys import toy_code
from graftline_workflows.catalog import load_catalog
from graftline_workflows.catalog.generate import stage_packages
from graftline_workflows.planning import make_plan
from graftline_workflows.recipe import resolve_recipe
from graftline_workflows.recipe.files import (
    parse_yaml,
    read_recipe,
    recipe_names,
    recipes_folder,
)
from graftline_workflows.recipe.model import parse_recipe
from graftline_workflows.sources import Fingerprint

if TYPE_CHECKING:
    from graftline.stage import Stage
    from graftline.v1 import plan_pb2
    from graftline_workflows.recipe import ResolvedRecipe

CATALOG = load_catalog()
PROFILES = [
    (name, profile) for name in recipe_names() for profile in read_recipe(name).values["profiles"]
]
SNIPS = (
    "source=/data/snips",
    f"schema={recipes_folder() / 'snips.schema.json'}",
    "entity_fields=[slots]",
)

OWN = (  # as recipes/README.md shows it
    "source=tickets.jsonl",
    "fields={text: message, answer: {intent: label, entities.order_id: order}}",
    "split={fractions: {eval: 0.1}}",
    "instruction=Extract the ticket as JSON.",
)


WAYS = {  # each recipe as its users call it
    "json-extraction": {"made up": (), "snips": SNIPS, "own": OWN},
    "docs-qa": {
        "documents": ("source=docs", "definitions=docs", "llm.endpoints=[{url: 'http://h/v1'}]"),
        "tokens": ("source=docs", "chunk_tokens=256"),
        "old questions": ("qa=old.json",),
    },
    "judge-check": {"taxonomy": ("source=taxonomy",)},
}


def resolved(*overrides: str, profile: str = "cpu", name: str = "json-extraction") -> Any:
    return resolve_recipe(name, profile, overrides, catalog=CATALOG, own=toy_code)


def plan_of(recipe: ResolvedRecipe, last: plan_pb2.RunRecord | None = None) -> plan_pb2.Plan:
    fingerprints = {
        source.uri: Fingerprint(source.uri, f"sha256:{source.uri}")
        for step in recipe.steps
        for source in step.sources
    }
    nothing = SimpleNamespace(manifest=None, problem="absent")
    return make_plan(recipe, CATALOG, lambda key, inputs: nothing, fingerprints, last)


def keys(*overrides: str, **more: Any) -> dict[str, str]:
    plan = plan_of(resolved(*overrides, **more))
    return {step.request.step: step.request.key for step in plan.steps}


def changed(*overrides: str, given: tuple[str, ...] = (), **more: Any) -> list[str]:
    """Name the steps whose key the overrides change."""
    before, after = keys(*given, **more), keys(*given, *overrides, **more)
    assert before.keys() == after.keys()
    return [name for name in before if before[name] != after[name]]


@pytest.fixture(scope="module")
def stages() -> dict[str, Stage]:
    found = {}
    for package, source in stage_packages().items():
        sys.path.append(str(source))
        try:
            stage = importlib.import_module(f"{package}.descriptor").STAGE
        finally:
            sys.path.pop()
        found[stage.name] = stage
    return found


def test_recipes_and_profiles_were_found():
    assert {profile for name, profile in PROFILES if name == "json-extraction"} == {
        "tiny",
        "cpu",
        "gpu",
    }


@pytest.mark.parametrize(
    ("name", "profile", "overrides"),
    [
        pytest.param(name, profile, overrides, id=f"{name}-{profile}-{way}")
        for name, profile in PROFILES
        for way, overrides in WAYS[name].items()
    ],
)
def test_the_stages_take_what_the_recipe_gives_them(
    stages: dict[str, Stage], name: str, profile: str, overrides: tuple[str, ...]
):
    recipe = resolved(*overrides, profile=profile, name=name)
    for step in recipe.steps:
        stage = stages[step.stage]
        sys.path += map(str, stage_packages().values())  # validators may import more of a stage
        config = parse_settings(stage.config, dict(step.config), step.name)
        runtime = parse_settings(stage.runtime, dict(step.runtime), step.name)
        del sys.path[-len(stage_packages()) :]
        assert config.model_dump(mode="json", by_alias=True) == step.config
        assert runtime.model_dump(mode="json", by_alias=True) == step.runtime


@pytest.mark.parametrize(("name", "profile"), PROFILES)
def test_a_gate_has_its_metrics_step_and_every_profile_its_own_thresholds(name: str, profile: str):
    recipe = resolved(*next(iter(WAYS[name].values())), profile=profile, name=name)
    assert (recipe.gate is None) == (name == "judge-check")
    assert recipe.gate is None or any(
        output.name == "metrics" for output in recipe.step(recipe.gate.step).descriptor.outputs
    )
    assert recipe.description
    assert recipe.warnings == ()


def test_the_steps_of_both_ways_in():
    common = ["curate", "format", "adapter", "baseline", "adapted", "export", "report"]
    assert [step.name for step in resolved().steps] == ["model", "generate", *common]
    assert [step.name for step in resolved(*SNIPS).steps] == ["model", "ingest", *common]


def test_the_four_metrics_are_judged_in_every_profile():
    for profile in ("tiny", "cpu", "gpu"):
        gate = resolved(profile=profile).gate
        assert [check.metric for check in gate.checks] == [
            "json_validity",
            "schema_compliance",
            "intent_accuracy",
            "entity_f1",
        ]
    assert [check.at_least for check in gate.checks] == [0.95, 0.95, 0.92, 0.88]
    assert all(check.better_than_baseline for check in resolved(profile="cpu").gate.checks)


def test_the_rank_changes_training_and_what_follows_but_not_the_baseline():
    assert changed("adapter.lora_r=32") == ["adapter", "adapted", "export", "report"]


def test_the_data_seed_changes_everything_but_the_model():
    assert changed("seed=43") == [
        "generate",
        "curate",
        "format",
        "adapter",
        "baseline",
        "adapted",
        "export",
        "report",
    ]


@pytest.mark.parametrize(
    ("override", "first"),
    [
        ("format.threshold=7.5", "format"),
        ("judge.weights={factual_accuracy: 0.6, completeness: 0.2, consistency: 0.2}", "judge"),
        ("generate.questions_per_chunk=4", "generate"),
        ("llm_model=other", "generate"),
        ("llm.max_total_tokens=9", ""),
    ],
)
def test_what_of_docs_qa_is_built_again(override: str, first: str):
    order = ["generate", "curate", "judge", "format", "adapter", "adapted"]
    after = changed(override, given=("source=docs",), name="docs-qa")
    assert [name for name in order if name in after] == (
        order[order.index(first) :] if first else []
    )
    # The base is evaluated on all questions about held-out documents, whatever the judge says.
    assert ("baseline" in after) == (first == "generate")


def test_all_that_another_threshold_of_docs_qa_builds_again():
    assert changed("format.threshold=7.5", given=("source=docs",), name="docs-qa") == [
        *("format", "adapter", "adapted", "preference", "export", "report"),
    ]


def test_the_ways_into_docs_qa():
    def first_steps(*overrides: str) -> list[str]:
        names = [step.name for step in resolved(*overrides, name="docs-qa").steps]
        return names[: names.index("judge")]

    documents = ["ingest", "chunk", "generate"]
    assert first_steps("source=docs") == ["model", *documents, "curate"]
    assert first_steps("qa=old.json") == ["model", "imported", "curate"]
    assert first_steps("source=docs", "qa=o") == ["model", *documents, "imported", "curate"]
    with pytest.raises(ConfigError, match="'generate' is .* only if source; .* only if qa"):
        resolved(name="docs-qa")
    imported = resolved("qa=old.json", "system_prompt=Be brief.", name="docs-qa").step("imported")
    assert imported.sources[0].parameter == "qa"
    assert (imported.config["layout"], imported.config["instruction"]) == ("qa", "Be brief.")
    assert imported.config["split"]["fractions"] == {"eval": 0.2}


def test_chunks_may_be_measured_by_the_base_models_tokens():
    step = resolved("source=docs", "chunk_tokens=256", name="docs-qa").step("chunk-by-tokens")
    assert (step.config["unit"], step.config["size"]) == ("tokens", 256)
    assert [(item.port, item.step) for item in step.inputs] == [
        ("documents", "ingest"),
        ("model", "model"),
    ]
    # Another base has other tokens; chunks of characters, and all that is asked of them, stay.
    asked = {"generate", "curate", "judge"}
    other = "base_model=/models/other"
    assert not asked & set(changed(other, given=("source=docs",), name="docs-qa"))
    given = ("source=docs", "chunk_tokens=256")
    assert {"chunk-by-tokens", *asked} <= set(changed(other, given=given, name="docs-qa"))


def test_the_judge_of_docs_qa_is_the_writer_or_another():
    def asked(*overrides: str) -> dict[str, Any]:
        recipe = resolved("source=docs", "llm_model=writer", *overrides, name="docs-qa")
        found = {}
        for name in ("generate", "judge", "preference"):
            step = recipe.step(name)
            request = (step.config["task"] if name == "generate" else step.config)["request"]
            urls = [item["url"] for item in step.runtime["llm"]["endpoints"]]
            budget = step.runtime["llm"]["max_total_tokens"]
            found[name] = (request["model"], request["temperature"], urls, budget)
        return found

    one = ("llm.endpoints=[{url: 'http://w/v1'}]", "llm.max_total_tokens=9", "temperature=0.5")
    writer = ("writer", 0.5, ["http://w/v1"], 9)
    assert asked(*one) == dict.fromkeys(("generate", "judge", "preference"), writer)
    better = ("judge_model=judge", "judge_llm.endpoints=[{url: 'http://j/v1'}]")
    other = ("judge", None, ["http://j/v1"], 9)
    assert asked(*one, *better, "judge_temperature=null") == {
        "generate": writer,
        "judge": other,
        "preference": other,
    }
    after = changed("judge_model=judge", given=("source=docs",), name="docs-qa")
    assert after[0] == "judge"
    assert "generate" not in after


def test_a_thinking_model_has_room_where_a_large_one_is_expected():
    def ceilings(profile: str) -> list[int]:
        recipe = resolved("source=docs", profile=profile, name="docs-qa")
        configs = [recipe.step(name).config for name in ("generate", "judge", "preference")]
        return [config.get("task", config)["request"]["max_tokens"] for config in configs]

    assert ceilings("gpu") == [4096, 4096, 4096]
    # What was measured: none of these models thinks.
    assert ceilings("tiny") == [200, 200, 64]
    assert ceilings("cpu") == [128, 160, 64]


def test_files_of_definitions_are_no_documents():
    exclude = resolved("source=docs", name="docs-qa").step("ingest").config["exclude"]
    for ending in ("yaml", "yml", "json"):
        assert any(fnmatch(f"in/manual-definition.{ending}", pattern) for pattern in exclude)
    assert not any(fnmatch("in/definition.md", pattern) for pattern in exclude)


def test_other_decoding_of_the_baseline_retrains_nothing():
    assert changed("baseline.few_shot.rows=2") == ["baseline", "adapted", "export", "report"]


@pytest.mark.parametrize(
    "override",
    [
        "adapter.threads=7",
        "adapter.checkpoint_every_steps=3",
        "baseline.device=cpu",
        "adapted.threads=1",
        "export.threads=2",
        "model.hub_endpoint=https://mirror.example.org",
    ],
)
def test_a_runtime_setting_changes_nothing(override: str):
    assert changed(override) == []


def test_the_schema_reaches_every_step_that_needs_it():
    recipe = resolved(*SNIPS)
    schema = json.loads((recipes_folder() / "snips.schema.json").read_text())
    assert recipe.step("ingest").config["answer_schema"] == schema
    validate = recipe.step("curate").config["operations"][2]
    assert (validate["op"], validate["answer_schema"]) == ("validate", schema)
    for name in ("baseline", "adapted"):
        assert recipe.step(name).config["scorer"]["schema"] == schema
        assert recipe.step(name).config["scorer"]["entity_fields"] == ["slots"]


def test_baseline_and_adapted_are_asked_alike():
    for profile in ("tiny", "cpu", "gpu"):
        recipe = resolved(profile=profile)
        assert recipe.step("baseline").config == recipe.step("adapted").config


def test_another_base_model_does_not_keep_the_name_of_the_profiles():
    assert resolved().step("model").config["name"] == "HuggingFaceTB/SmolLM2-135M-Instruct"
    assert resolved("base_model=/models/mine").step("model").config["name"] == ""


def test_the_gpu_profile_has_the_documents_hyper_parameters():
    recipe = resolved(profile="gpu")
    config = recipe.step("adapter").config
    wanted = {
        "quantization": "nf4",
        "lora_r": 16,
        "lora_alpha": 32.0,
        "lora_dropout": 0.05,
        "learning_rate": 2e-4,
        "per_device_train_batch_size": 4,
        "lr_scheduler_type": "cosine",
        "max_steps": 1500,
        "num_epochs": None,
    }
    assert {name: config[name] for name in wanted} == wanted
    assert config["gradient_accumulation_steps"] > 1
    assert config["warmup_ratio"] > 0
    task = recipe.step("generate").config["task"]
    assert (task["train"]["rows"], task["eval"]["rows"]) == (6000, 800)
    uri = recipe.step("model").sources[0].uri
    assert uri.startswith("hf://mistralai/Mistral-7B-Instruct-v0.3@")


@pytest.mark.parametrize("path", sorted(recipes_folder().glob("*.schema.json")))
def test_the_schemas_are_schemas(path: Path):
    schema = json.loads(path.read_text())
    Draft202012Validator.check_schema(schema)
    assert schema["additionalProperties"] is False


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "adapter.lora_rank=3",
            "unknown setting 'lora_rank' of stage 'train' — did you mean 'lora_r'",
        ),
        ("adaptr.lora_r=3", "unknown step 'adaptr' — did you mean 'adapter'"),
        ("adapter.lora_r=large", "adapter.lora_r: must be a whole number"),
        (
            "ingest.layout=snips",
            "there is no step 'ingest' in this run: it is there only if source",
        ),
        ("curate.operations=[{op: dedup}]", "curate.operations.0.op: must be one of"),
        ("schema=nowhere.json", "schema: nowhere.json: cannot be read"),
    ],
)
def test_a_mistake_is_told(override: str, message: str):
    with pytest.raises(ConfigError, match=message.replace("[", r"\[")):
        resolved(override)


def test_the_recipe_in_the_readme_is_one():
    readme = (recipes_folder() / "README.md").read_text()
    block = readme.partition("```yaml\n")[2].partition("```")[0]
    assert parse_recipe(parse_yaml(block, "README"), "README").default_profile == "cpu"
    for override in OWN[1:]:
        assert override in readme
