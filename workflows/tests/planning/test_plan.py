from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graftline.errors import ConfigError
from graftline.v1 import plan_pb2, stage_pb2
from graftline_toys import RECIPE, ToyStore, toy_catalog, toy_code, toy_fingerprints
from graftline_workflows.planning import make_plan

if TYPE_CHECKING:
    from graftline_toys import Resolver
    from graftline_workflows.recipe import ResolvedRecipe

ALL = ["made", "pick", "tune", "score", "page"]


def plan_of(
    recipe: ResolvedRecipe,
    store: ToyStore | None = None,
    last: plan_pb2.RunRecord | None = None,
    mark: str = "1",
    **more: Any,
) -> plan_pb2.Plan:
    lookup = (store or ToyStore()).lookup
    return make_plan(recipe, toy_catalog(), lookup, toy_fingerprints(recipe, mark), last, **more)


def built(recipe: ResolvedRecipe, **more: Any) -> tuple[ToyStore, plan_pb2.RunRecord]:
    """A store in which a recipe was run, and the run's record."""
    store = ToyStore()
    plan = plan_of(recipe, store, **more)
    store.build(plan.steps)
    return store, record_of(plan)


def record_of(plan: plan_pb2.Plan, state: Any = stage_pb2.STEP_STATE_SUCCEEDED) -> Any:
    record = plan_pb2.RunRecord(run="run-1", recipe=plan.recipe, profile=plan.profile)
    for step in plan.steps:
        record.requests.append(step.request)
        record.steps.add(step=step.request.step, key=step.request.key, state=state)
    return record


def reasons(plan: plan_pb2.Plan) -> dict[str, str]:
    assert all(step.cached == (step.reason == "cached") for step in plan.steps)
    return {step.request.step: step.reason for step in plan.steps}


def keys(plan: plan_pb2.Plan) -> dict[str, str]:
    return {step.request.step: step.request.key for step in plan.steps}


def test_requests_are_complete(resolve: Resolver):
    plan = plan_of(resolve(profile="big"), run="run-7", store_uri="s3://bucket/prefix")
    assert (plan.recipe, plan.profile) == ("toy", "big")
    assert [step.request.step for step in plan.steps] == ALL
    tune = plan.steps[2].request
    assert (tune.run, tune.store, tune.contract_version) == ("run-7", "s3://bucket/prefix", "1")
    assert (tune.stage, tune.identity, tune.image) == ("learn", "code-of-learn-1", "")
    assert json.loads(tune.config)["lora_r"] == 64
    assert json.loads(tune.runtime) == {"threads": 8, "device": "auto"}
    assert [(item.port, item.step, item.output) for item in tune.inputs] == [
        ("examples", "pick", "examples")
    ]
    assert tune.inputs[0].key == plan.steps[1].request.key
    assert plan.steps[2].resources == stage_pb2.RESOURCE_CLASS_GPU
    assert plan.steps[1].resources == stage_pb2.RESOURCE_CLASS_CPU
    assert all(len(step.request.key) == 64 for step in plan.steps)


def test_a_first_plan_builds_everything(resolve: Resolver):
    assert reasons(plan_of(resolve())) == dict.fromkeys(ALL, "never built")


def test_a_second_plan_builds_nothing(resolve: Resolver):
    store, last = built(resolve())
    assert reasons(plan_of(resolve(), store, last)) == dict.fromkeys(ALL, "cached")


def test_a_lookup_is_given_todays_manifests_of_what_the_step_reads(resolve: Resolver):
    store, _ = built(resolve())
    store.asked.clear()
    key = keys(plan_of(resolve(), store))
    assert dict(store.asked) == {
        key["made"]: (),
        key["pick"]: (key["made"],),
        key["tune"]: (key["pick"],),
        key["score"]: (key["tune"], key["pick"]),
        key["page"]: (key["score"], key["tune"], key["pick"]),
    }


def test_a_setting_rebuilds_its_step_and_what_follows(resolve: Resolver):
    store, last = built(resolve())
    assert reasons(plan_of(resolve("tune.lora_r=32"), store, last)) == {
        "made": "cached",
        "pick": "cached",
        "tune": "tune.lora_r 16 → 32",
        "score": "input 'tune' is rebuilt",
        "page": "input 'score' is rebuilt; input 'tune' is rebuilt",
    }


def test_the_data_seed_rebuilds_all_that_follows(resolve: Resolver):
    store, last = built(resolve())
    said = reasons(plan_of(resolve("seed=43"), store, last))
    assert (
        said["made"] == "made.tag say hello 42 times ${x} → say hello 43 times ${x}; seed 42 → 43"
    )
    assert said["pick"] == "input 'made' is rebuilt"
    assert "cached" not in said.values()


@pytest.mark.parametrize("override", ["tune.threads=16", "tune.device=cpu"])
def test_a_runtime_setting_rebuilds_nothing(resolve: Resolver, override: str):
    store, last = built(resolve())
    assert set(reasons(plan_of(resolve(override), store, last)).values()) == {"cached"}


def test_the_gate_rebuilds_only_the_page_that_shows_it(resolve: Resolver):
    store, last = built(resolve())
    text = RECIPE.replace("at_least: 0.5", "at_least: 0.6")
    said = reasons(plan_of(resolve(text=text), store, last))
    assert [name for name, reason in said.items() if reason != "cached"] == ["page"]


def test_a_stages_new_code_rebuilds_its_steps(resolve: Resolver):
    store, last = built(resolve())

    def code(stage: str, catalog: Any) -> Any:
        found = toy_code(stage, catalog)
        return replace(found, identity="2") if stage == "score" else found

    said = reasons(plan_of(replace(resolve, code=code)(), store, last))
    assert said["score"] == "stage's code changed"
    assert said["page"] == "input 'score' is rebuilt"
    assert said["tune"] == "cached"


def test_an_image_rebuilds_its_steps(resolve: Resolver):
    store, last = built(resolve())
    plan = plan_of(resolve(images={"score": "mine/score:1"}), store, last)
    assert reasons(plan)["score"] == "image the stage's own → mine/score:1"
    assert reasons(plan)["tune"] == "cached"
    assert plan.steps[3].request.identity == "mine/score:1"


def test_a_changed_source_rebuilds_what_reads_it(resolve: Resolver):
    recipe = resolve("source=mine.jsonl")
    store, last = built(recipe)
    said = reasons(plan_of(recipe, store, last, mark="2"))
    uri = recipe.step("own").sources[0].uri
    assert said["own"] == f"source changed: {uri}"
    assert said["pick"] == "input 'own' is rebuilt"


def test_a_source_that_only_moved_rebuilds_nothing(resolve: Resolver):
    store, last = built(resolve("source=mine.jsonl"))
    moved = resolve("source=elsewhere/mine.jsonl")
    fingerprints = toy_fingerprints(resolve("source=mine.jsonl"))
    (found,) = fingerprints.values()
    (source,) = moved.step("own").sources
    plan = make_plan(
        moved, toy_catalog(), store.lookup, {source.uri: replace(found, uri=source.uri)}, last
    )
    assert set(reasons(plan).values()) == {"cached"}


def test_other_inputs_are_told(resolve: Resolver):
    store, last = built(resolve())
    for recipe in (
        resolve("source=x"),
        resolve(text=RECIPE.replace("[score, tune.log]", "[score]")),
    ):
        built_store, _ = built(recipe)
        store.manifests |= built_store.manifests
    text = RECIPE.replace("[score, tune.log]", "[score, tune.curve]")
    assert reasons(plan_of(resolve(text=text), store, last))["page"] == "input 'tune' changed"
    said = reasons(plan_of(resolve("source=x", "pick.share=0.1"), store, last))
    assert said["pick"] == "pick.share 0.5 → 0.1; input 'made' removed; input 'own' added"


def test_a_problem_of_the_store_is_the_reason_and_what_follows_is_rebuilt(resolve: Resolver):
    store, last = built(resolve())
    key = keys(plan_of(resolve(), store))
    store.problems[key["tune"]] = "blob missing: adapter_model.safetensors"
    assert reasons(plan_of(resolve(), store, last)) == {
        "made": "cached",
        "pick": "cached",
        "tune": "blob missing: adapter_model.safetensors",
        "score": "input 'tune' is rebuilt",
        "page": "input 'score' is rebuilt; input 'tune' is rebuilt",
    }


def test_an_artifact_that_is_gone_is_told_apart_from_one_never_built(resolve: Resolver):
    store, last = built(resolve())
    key = keys(plan_of(resolve(), store))
    del store.manifests[key["score"]]
    gone = "its artifact is gone from the store (it was there in run run-1)"
    assert reasons(plan_of(resolve(), store, last))["score"] == gone
    failed = record_of(plan_of(resolve()), stage_pb2.STEP_STATE_FAILED)
    assert reasons(plan_of(resolve(), store, failed))["score"] == "never built"


def test_many_differences_are_cut_short(resolve: Resolver):
    store, last = built(resolve())
    overrides = [
        f"tune.{name}" for name in ("lora_r=1", "learning_rate=1", "instruction=a", "seed=3")
    ]
    said = reasons(plan_of(resolve(*overrides, "seed=1"), store, last))
    assert said["tune"] == (
        "tune.instruction  → a; tune.learning_rate 0.0001 → 1.0; tune.lora_r 16 → 1; "
        "seed 0 → 3; and 1 more"
    )


@pytest.mark.parametrize(
    ("options", "steps"),
    [
        ({"until": "pick"}, ["made", "pick"]),
        ({"until": "score"}, ["made", "pick", "tune", "score"]),
        ({"from_": "made"}, ALL),
        ({"until": "made", "from_": "made"}, ["made"]),
        ({"only": "made"}, ["made"]),
    ],
)
def test_a_selection_plans_only_its_steps(
    resolve: Resolver, options: dict[str, str], steps: list[str]
):
    assert list(reasons(plan_of(resolve(), **options))) == steps


def test_what_a_selection_needs_must_be_cached(resolve: Resolver):
    store, last = built(resolve())
    plan = plan_of(resolve("tune.lora_r=32"), store, last, only="tune")
    assert reasons(plan) == {"made": "cached", "pick": "cached", "tune": "tune.lora_r 16 → 32"}
    plan = plan_of(resolve("tune.lora_r=32"), store, last, from_="tune")
    assert [step.cached for step in plan.steps] == [True, True, False, False, False]
    with pytest.raises(ConfigError) as caught:
        plan_of(resolve("tune.lora_r=32", "words=bye"), store, last, only="score")
    assert caught.value.cause == (
        "--only score needs steps that are not cached:"
        "\n  - made: made.tag say hello 42 times ${x} → say bye 42 times ${x}"
        "\n  - pick: input 'made' is rebuilt"
        "\n  - tune: tune.lora_r 16 → 32; input 'pick' is rebuilt"
    )
    assert caught.value.hint == (
        "build them with: graftline run toy --profile small --set tune.lora_r=32 --set words=bye "
        "--until tune"
    )


def test_every_end_of_what_is_missing_is_named(resolve: Resolver):
    recipe = resolve("words=bye", images={"score": "mine/score:1"})
    store, last = built(recipe)
    for key in (keys(plan_of(recipe, store))[name] for name in ("made", "tune")):
        del store.manifests[key]
    store.problems[keys(plan_of(recipe, store))["pick"]] = "manifest unreadable"
    with pytest.raises(ConfigError) as caught:
        plan_of(recipe, store, last, only="page")
    command = "graftline run toy --profile small --set words=bye --image score=mine/score:1 --until"
    assert caught.value.hint == f"build them with: {command} score"
    with pytest.raises(ConfigError) as caught:
        plan_of(resolve(text=SIDE_BY_SIDE), ToyStore(), only="both")
    hint = caught.value.hint
    assert [part.rpartition(" ")[2] for part in hint.split(" && ")] == ["left", "right"]


SIDE_BY_SIDE = """
recipe: side
steps:
  left: {uses: make}
  right: {uses: make, seed: 1}
  both: {uses: pick, from: {examples: [left, right]}}
"""


def test_impossible_selections_are_told(resolve: Resolver):
    recipe = resolve()
    for options, message in [
        ({"until": "tunes"}, "no step 'tunes' — did you mean 'tune'"),
        ({"only": "tune", "until": "score"}, "--only goes with neither"),
        ({"until": "made", "from_": "score"}, "no step lies between --from score and --until made"),
    ]:
        with pytest.raises(ConfigError, match=message):
            plan_of(recipe, **options)


CHANGES = [
    "seed=7",
    "rate=0.3",
    "words=bye",
    "pick.share=0.9",
    "tune.lora_r=4",
    "tune.seed=4",
    "tune.threads=4",
    "score.title=Other",
    "page.title=Other",
    "source=mine",
]


@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    before=st.sets(st.sampled_from(CHANGES)),
    after=st.sets(st.sampled_from(CHANGES)),
    missing=st.sets(st.sampled_from(["made", "own", "pick", "tune", "score", "page"])),
)
def test_a_plan_is_a_pure_function_and_its_steps_are_closed(
    resolve: Resolver, before: set[str], after: set[str], missing: set[str]
):
    store, last = built(resolve(*sorted(before)))
    for step in last.requests:
        if step.step in missing:
            del store.manifests[step.key]
    recipe = resolve(*sorted(after))
    plan = plan_of(recipe, store, last)
    assert plan.SerializeToString(deterministic=True) == plan_of(
        resolve(*sorted(after, reverse=True)), store, last
    ).SerializeToString(deterministic=True)
    # The reasons may depend on the last run, the keys and decisions never.
    fresh = plan_of(recipe, store, None)
    assert [(s.request, s.cached) for s in fresh.steps] == [
        (s.request, s.cached) for s in plan.steps
    ]
    to_build = {step.request.step for step in plan.steps if not step.cached}
    for step in plan.steps:
        needs = {item.step for item in step.request.inputs}
        if step.cached:
            assert not needs & to_build
            assert step.request.key in store.manifests
        else:
            assert needs & to_build or step.request.key not in store.manifests
            assert step.reason
    runtime_only = {"tune.threads=4"}
    if before - runtime_only == after - runtime_only and not missing:
        assert not to_build
