# ruff: noqa: E501 - tables of one message a line
from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from graftline.errors import ConfigError
from graftline_toys import RECIPE, toy_code

if TYPE_CHECKING:
    from graftline_toys import Resolver
    from graftline_workflows.recipe import ResolvedRecipe


def problems_of(resolve: Resolver, *overrides: str, **more: object) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        resolve(*overrides, **more)
    return [str(problem) for problem in caught.value.problems]


def wires(recipe: ResolvedRecipe) -> dict[str, list[str]]:
    return {
        step.name: [f"{item.port}={item.step}.{item.output}" for item in step.inputs]
        for step in recipe.steps
    }


def test_a_recipe_becomes_steps_in_runnable_order(resolve: Resolver):
    recipe = resolve()
    assert (recipe.name, recipe.profile, recipe.text) == ("toy", "small", RECIPE)
    assert wires(recipe) == {
        "made": [],
        "pick": ["examples=made.examples"],
        "tune": ["examples=pick.examples"],
        "score": ["adapter=tune.adapter", "examples=pick.examples"],
        "page": ["metrics=score.metrics", "metrics=tune.log", "rows=pick.rejects"],
    }
    assert recipe.step("made").seed == 42
    assert recipe.step("tune").config == {
        "lora_r": 16,
        "learning_rate": 1e-4,
        "answer_schema": {},
        "instruction": "",
    }
    assert recipe.step("tune").runtime == {"threads": 0, "device": "auto"}
    assert recipe.step("tune").identity == "code-of-learn-1"


def test_steps_may_stand_in_any_order(resolve: Resolver):
    head, _, rest = RECIPE.partition("  pick:\n")
    pick, _, tail = rest.partition("  tune:\n")
    moved = tail.replace("gate:\n  step", f"  pick:\n{pick}gate:\n  step")
    recipe = resolve(text=f"{head}  tune:\n{moved}")
    assert [step.name for step in recipe.steps] == ["made", "pick", "tune", "score", "page"]


def test_a_reference_keeps_its_type_and_inside_a_text_is_text(resolve: Resolver):
    recipe = resolve("seed=7")
    assert recipe.step("made").seed == 7
    assert recipe.step("made").config["tag"] == "say hello 7 times ${x}"


def test_a_profile_overlays_parameters_steps_and_gate(resolve: Resolver):
    big = resolve(profile="big")
    assert big.step("made").config["rows"] == 500
    assert big.step("made").config["tag"].startswith("say hello")
    assert big.step("pick").config["way"] == {"kind": "slow", "patience": 3}
    assert big.step("tune").config["learning_rate"] == 1e-3
    assert big.step("tune").runtime["threads"] == 8
    assert big.gate is not None
    assert big.gate.checks[0].at_least == 0.9


def test_what_the_user_sets_wins_and_the_last_one_of_all(resolve: Resolver):
    recipe = resolve(
        "rate=0.5",
        "tune.lora_r=1",
        "tune.lora_r=32",
        "tune.device=cpu",
        "tune.seed=9",
        profile="big",
    )
    tune = recipe.step("tune")
    assert (tune.config["learning_rate"], tune.config["lora_r"], tune.seed) == (0.5, 32, 9)
    assert tune.runtime == {"threads": 8, "device": "cpu"}


def test_a_name_that_the_recipe_sets_deeper_may_be_given_alone(resolve: Resolver):
    end = "examples: [made, own]}\n"
    text = RECIPE.replace(end, f"{end}    with: {{way: {{kind: slow, patience: 1}}}}\n")
    way = resolve("pick.patience=5", text=text).step("pick").config["way"]
    assert way == {"kind": "slow", "patience": 5}
    [problem] = problems_of(resolve, "pick.speed=2", text=text)
    assert "unknown setting 'speed' of stage 'pick'" in problem


def test_a_name_that_is_set_in_two_places_must_be_given_whole(resolve: Resolver):
    text = RECIPE.replace("answer_schema: {}", "answer_schema: {a: {x: 1}, b: {x: 2}}")
    [problem] = problems_of(resolve, "tune.x=3", text=text)
    assert "say 'tune.answer_schema.a.x' or 'tune.answer_schema.b.x'" in problem


def test_a_part_of_a_parameter_that_is_json_can_be_set(resolve: Resolver):
    text = RECIPE.replace(
        "words: {", "way: {type: json, default: {kind: fast, speed: 1}}\n  words: {"
    )
    text = text.replace(
        "examples: [made, own]}\n", 'examples: [made, own]}\n    with: {way: "${way}"}\n'
    )
    fast = resolve("way.speed=2.5", text=text).step("pick").config["way"]
    assert fast == {"kind": "fast", "speed": 2.5}
    slow = resolve("way.patience=7", "way={kind: slow}", text=text).step("pick").config["way"]
    assert slow == {"kind": "slow", "patience": 7}
    assert problems_of(resolve, "way.kind.x=1", text=text) == [
        "way: kind is no mapping and has no settings"
    ]
    assert problems_of(resolve, "way=[1]", "way.x=1", text=text) == [
        "way: is no mapping and has no parts that could be set"
    ]
    assert problems_of(resolve, "rate.x=1", text=text)[0].startswith("--set rate.x: unknown step")


def test_a_nested_setting_of_a_union_is_judged_with_the_whole(resolve: Resolver):
    assert resolve("pick.way.speed=2", "pick.way.kind=fast").step("pick").config["way"] == {
        "kind": "fast",
        "speed": 2.0,
    }
    assert problems_of(resolve, "pick.way.patience=2", "pick.way.kind=fast") == [
        "pick.way.patience: unknown setting; allowed: kind, speed"
    ]


def test_a_gates_checks_can_be_shown_by_a_step(resolve: Resolver):
    checks = resolve(profile="big").step("page").config["checks"]
    assert checks == [{"metric": "accuracy", "at_least": 0.9}]


def test_the_user_sets_thresholds_and_the_page_shows_them(resolve: Resolver):
    recipe = resolve("gate.accuracy.at_least=0.7", "gate.accuracy.better_than_baseline=true")
    expected = {"metric": "accuracy", "at_least": 0.7, "better_than_baseline": True}
    assert recipe.gate is not None
    assert recipe.gate.checks[0].model_dump(exclude_defaults=True) == expected
    assert recipe.step("page").config["checks"] == [expected]
    gone = resolve("gate.accuracy.at_most=0.9", "gate.accuracy.at_least=null").gate
    assert gone is not None
    assert gone.checks[0].at_least is None


@pytest.mark.parametrize(
    ("override", "problem"),
    [
        (
            "gate.acuracy.at_least=1",
            "the gate does not look at 'acuracy' — did you mean 'accuracy'?",
        ),
        ("gate.accuracy.atleast=1", "unknown setting — did you mean 'at_least'?"),
        ("gate.accuracy=1", "must look like gate.metric.rule=value"),
        ("gate.accuracy.at_least=high", "gate.checks.0.at_least"),
    ],
)
def test_thresholds_that_cannot_be_meant_are_told(resolve: Resolver, override: str, problem: str):
    assert problem in " ".join(problems_of(resolve, override))


def test_text_that_looks_like_a_number_stays_text_where_text_is_wanted(resolve: Resolver):
    assert resolve("made.tag=007").step("made").config["tag"] == "007"
    assert resolve("made.tag=true").step("made").config["tag"] == "true"
    assert resolve("made.rows=7").step("made").config["rows"] == 7


def test_a_step_exists_only_if_its_parameter_is_set(resolve: Resolver, tmp_path: Path):
    recipe = resolve("source=mine.jsonl")
    assert wires(recipe)["pick"] == ["examples=own.examples"]
    (source,) = recipe.step("own").sources
    assert (source.setting, source.uri, source.parameter) == (
        "source",
        str(tmp_path / "mine.jsonl"),
        "source",
    )
    assert problems_of(resolve, "source=a", "made.rows=3") == [
        "--set made.rows: there is no step 'made' in this run: it is there only if not source"
    ]


def test_a_required_port_cannot_read_a_step_that_is_not_there(resolve: Resolver):
    text = RECIPE.replace(
        "from: {adapter: tune, examples: pick}", "from: {adapter: tune, examples: own}"
    )
    assert problems_of(resolve, text=text) == [
        "score.from.examples: reads step 'own', which does not exist here: it is there only if source"
    ]
    optional = RECIPE.replace(
        "    from: {examples: pick}\n", "    from: {examples: pick, extra: own}\n"
    )
    assert wires(resolve(text=optional))["tune"] == ["examples=pick.examples"]
    assert wires(resolve("source=x", text=optional))["tune"][1:] == ["extra=own.examples"]


def test_a_condition_may_ask_for_more_than_one_parameter(resolve: Resolver):
    text = RECIPE.replace("    if: source\n", "    if: source and not  schema\n")
    text = text.replace(
        "  made:\n    uses: make\n    if: not source\n", "  made:\n    uses: make\n"
    )
    assert "own" not in wires(resolve(text=text))
    assert "own" in wires(resolve("source=a", text=text))
    assert "own" not in wires(resolve("source=a", 'schema={"type": "object"}', text=text))
    [problem] = problems_of(resolve, text=text.replace("not  schema", "not scheme"))
    assert problem == "steps.own.if: unknown parameter 'scheme' — did you mean 'schema'?"


def test_what_a_required_port_lacks_is_told_with_the_reason(resolve: Resolver):
    text = RECIPE.replace("examples: [made, own]", "examples: [own]")
    assert problems_of(resolve, text=text) == [
        "pick.from.examples: is required: a step that gives examples; step 'own' is not in this run: it is there only if source"
    ]


def test_a_default_may_be_another_parameters_value(resolve: Resolver):
    text = RECIPE.replace(
        "  words: {", "  again: {type: int, default: '${seed}'}\n  words: {"
    ).replace("rows: 5,", 'rows: "${again}",')
    assert resolve(text=text).step("made").config["rows"] == 42
    assert resolve("seed=7", text=text).step("made").config["rows"] == 7
    assert resolve("seed=7", "again=3", text=text).step("made").config["rows"] == 3
    for wrong in ("{type: int, default: '${word}'}", "{type: source, default: '${seed}'}"):
        bad = text.replace("{type: int, default: '${seed}'}", wrong)
        [problem] = problems_of(resolve, text=bad)
        assert problem.startswith("parameters.again.default: a default cannot be ${")


def test_local_paths_are_relative_to_who_names_them(resolve: Resolver, tmp_path: Path):
    text = RECIPE.replace(
        'source: {type: source, default: ""', "source: {type: source, default: a.csv"
    )
    assert resolve(text=text).step("own").sources[0].uri == str(tmp_path / "recipes" / "a.csv")
    assert resolve("source=a.csv", text=text).step("own").sources[0].uri == str(tmp_path / "a.csv")
    for uri in ("s3://bucket/prefix", "hf://datasets/org/name", "package://m/file", "file:///x"):
        assert resolve(f"source={uri}").step("own").sources[0].uri == uri


def test_a_source_may_be_set_at_the_step(resolve: Resolver, tmp_path: Path):
    recipe = resolve("source=a", "own.source=b")
    (source,) = recipe.step("own").sources
    assert (source.uri, source.parameter) == (str(tmp_path / "b"), "")


def test_a_required_source_left_empty_is_told_by_its_parameter(resolve: Resolver):
    text = RECIPE.replace("    if: source\n", "")
    assert problems_of(resolve, text=text) == [
        "own.source: names no source: give --set source=PATH"
    ]


def test_every_mistake_is_told_at_once(resolve: Resolver):
    text = (
        RECIPE.replace("with: {rows: 5,", "with: {rows: 0, rwos: 1,")
        .replace("examples: [made, own]", "examples: [maid, made.rows]")
        .replace("{examples: pick}\n", "{exampels: pick, examples: tune}\n")
        .replace("uses: show", "uses: shwo")
        .replace("{metric: accuracy, at_least: 0.5}", "{metric: accuracy, atleast: 1}")
    )
    assert problems_of(resolve, text=text) == [
        "page.uses: unknown stage 'shwo' — did you mean 'show'?",
        "pick.from.examples: unknown step 'maid' — did you mean 'made'?",
        "pick.from.examples: step 'made' has no output 'rows'",
        "tune.from.exampels: stage 'learn' has no input port 'exampels' — did you mean 'examples'?",
        "tune.from.examples: takes examples, but step 'tune' gives adapter (adapter), "
        "log (metrics), curve (metrics)",
        "gate.checks.0.atleast: unknown setting — did you mean 'at_least'?",
        "page.checks: unknown parameter 'gate.checks'",
        "made.rows: must be at least 1 (got 0)",
        "made.rwos: unknown setting — did you mean 'rows'?",
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("    from: {examples: pick}\n", ""), "tune.from.examples: is required: a step that gives examples"),
        (
            ("{adapter: tune, examples: pick}", "{adapter: [tune, tune], examples: pick}"),
            "score.from.adapter: takes one artifact, not 2 (tune, tune)",
        ),
        (
            ("{adapter: tune, examples: pick}", "{adapter: pick.rejects, examples: pick}"),
            "score.from.adapter: takes adapter, but 'pick.rejects' gives rejects",
        ),
        (
            ("[score, tune.log]", "[score, tune]"),
            "page.from.metrics: step 'tune' has more than one output that fits: say tune.log or tune.curve",
        ),
        (("step: score", "step: scroe"), "gate.step: unknown step 'scroe' — did you mean 'score'?"),
        (("step: score", "step: own"), "gate.step: it is there only if source"),
        (("${rate}", "${raet}"), "tune.learning_rate: unknown parameter 'raet' — did you mean 'rate'?"),
        (("seed: ${seed}", "seed: -1"), "made.seed: must be a whole number from 0 on (got -1)"),
        (("seed: ${seed}", "seed: many"), "made.seed: must be a whole number from 0 on (got 'many')"),
        (("answer_schema: {}", "threads: 3"), "tune.threads: is a runtime setting: put it under 'runtime', not 'with'"),
        (("if: source", "if: sauce"), "steps.own.if: unknown parameter 'sauce' — did you mean 'source'?"),
        (("default_profile: small", "default_profile: smal"), "default_profile: unknown profile 'smal' — did you mean 'small'?"),
        (("      pick: {with", "      pikc: {with"), "profiles.big.steps.pikc: unknown step — did you mean 'pick'?"),
        (("parameters: {rate", "parameters: {raet"), "profiles.big.parameters.raet: unknown parameter — did you mean 'rate'?"),
        (("    uses: make", "    use: make"), "steps.made.use: unknown setting — did you mean 'uses'?"),
        (("  made:\n", "  Made:\n"), "steps.Made: a step's name is made of a-z, 0-9 and '-', from a letter on"),
        (("type: int", "type: integer"), "parameters.seed.type: must be one of string, int, float, bool, json, source, json-file, json-schema-file (got 'integer') — did you mean 'int'?"),
        (("seed: {type: int, default: 42}", "seed: {type: int, help: Whose?}"), "seed: is required: give --set seed=VALUE (Whose?)"),
    ],
)  # fmt: skip
def test_a_mistake_in_the_recipe_is_told_with_its_place(
    resolve: Resolver, change: tuple[str, str], message: str
):
    assert change[0] in RECIPE
    assert message in problems_of(resolve, text=RECIPE.replace(*change, 1))


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("adapter.lora_r=3", "--set adapter.lora_r: unknown step 'adapter'; steps: made, own, pick, tune, score, page"),
        ("tunes.lora_r=3", "--set tunes.lora_r: unknown step 'tunes' — did you mean 'tune'?"),
        ("tune.lora_n=3", "--set tune.lora_n: unknown setting 'lora_n' of stage 'learn' — did you mean 'lora_r'?"),
        ("tune.zzz=3", "--set tune.zzz: unknown setting 'zzz' of stage 'learn'; allowed: answer_schema, device, instruction, learning_rate, lora_r, seed, threads"),
        ("tune.lora_r=many", "tune.lora_r: must be a whole number and at least 1 (got 'many')"),
        ("tune.lora_r.x=1", "tune.lora_r: must be a whole number and at least 1 (got {'x': 1})"),
        ("made.rows.x=1", "--set made.rows.x: rows is no mapping and has no settings"),
        ("tune.lora_r=[1", "--set tune.lora_r: the value, line"),
        ("tune=3", "--set tune: 'tune' is a step: set one of its settings, tune.…"),
        ("sead=3", "--set sead: unknown parameter 'sead' — did you mean 'seed'?"),
        ("learning_rate=3", "--set learning_rate: unknown parameter 'learning_rate' — did you mean 'tune.learning_rate'?"),
        ("seed=many", "seed: must be a whole number (got 'many')"),
        ("seed=1.5", "seed: must be a whole number (got 1.5)"),
        ("words=helo", "words: must be one of hello, bye (got 'helo') — did you mean 'hello'?"),
        ("tune.lora_r", "--set tune.lora_r: must look like path=value"),
        ("=3", "--set =3: must look like path=value"),
        ("tune..x=3", "--set tune..x=3: must look like path=value"),
    ],
)  # fmt: skip
def test_a_mistake_in_an_override_is_told(resolve: Resolver, override: str, message: str):
    found = problems_of(resolve, override)
    assert any(problem.startswith(message) for problem in found), found


def test_a_parameter_that_follows_another_is_empty_when_that_one_is_given(resolve: Resolver):
    text = RECIPE.replace("allowed: [hello, bye]}", "follows: rate}")
    assert resolve(text=text).step("made").config["tag"] == "say hello 42 times ${x}"
    assert resolve("rate=1", text=text).step("made").config["tag"] == "say  42 times ${x}"
    both = resolve("rate=1", "words=hi", text=text)
    assert both.step("made").config["tag"] == "say hi 42 times ${x}"
    assert problems_of(resolve, text=text.replace("follows: rate", "follows: rats")) == [
        "parameters.words.follows: unknown parameter 'rats' — did you mean 'rate'?"
    ]


def test_a_circle_is_shown(resolve: Resolver):
    text = RECIPE.replace("    from: {examples: pick}\n", "    from: {examples: back}\n").replace(
        "  score:\n    uses: score\n",
        "  back:\n    uses: pick\n    from: {examples: [loop]}\n"
        "  loop:\n    uses: pick\n    from: {examples: [back]}\n"
        "  score:\n    uses: score\n",
    )
    (problem,) = problems_of(resolve, text=text)
    assert problem == "steps: steps read each other in a circle: back → loop → back"


def test_an_unknown_profile_is_told(resolve: Resolver):
    with pytest.raises(ConfigError, match="no profile 'bgi' — did you mean 'big'") as caught:
        resolve(profile="bgi")
    assert caught.value.hint == "its profiles: small, big"


def test_a_json_schema_is_read_from_a_file_and_put_in(resolve: Resolver, tmp_path: Path):
    text = RECIPE.replace(
        "answer_schema: {}", 'answer_schema: "${schema}", instruction: "As ${schema}"'
    )
    text = text.replace(
        'schema: {type: json-schema-file, default: ""}',
        "schema: {type: json-schema-file, default: s.json}",
    )
    schema = {"type": "object", "properties": {"b": {}, "a": {}}}
    (tmp_path / "recipes" / "s.json").write_text(json.dumps(schema))
    (tmp_path / "s.json").write_text('{"type": "array"}')
    config = resolve(text=text).step("tune").config
    assert config["answer_schema"] == schema
    assert config["instruction"] == 'As {"properties":{"a":{},"b":{}},"type":"object"}'
    assert resolve("schema=s.json", text=text).step("tune").config["answer_schema"] == {
        "type": "array"
    }


@pytest.mark.parametrize("text", ['{"type": "object"}', ' \n{"type": "object"}'])
def test_a_schema_may_be_given_itself(resolve: Resolver, text: str):
    recipe = RECIPE.replace("answer_schema: {}", 'answer_schema: "${schema}"')
    found = resolve(f"schema={text}", text=recipe)
    assert found.step("tune").config["answer_schema"] == {"type": "object"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"type": "object"', "schema: its JSON, line 1, column 18: no JSON"),
        ("[1]", "schema: its JSON: a JSON Schema is a JSON object (got a list)"),
        ('{"type": "text"}', "schema: its JSON: no valid JSON Schema at type"),
    ],
)
def test_a_bad_schema_that_is_given_itself_is_told(resolve: Resolver, text: str, message: str):
    (problem,) = problems_of(resolve, f"schema={text}")
    assert problem.startswith(message)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "schema: s.json: cannot be read: No such file or directory"),
        ('{"type": "object",\n }', "schema: s.json, line 2, column 2: no JSON"),
        ('{"default": NaN}', "schema: s.json: no JSON: NaN is no JSON value"),
        ("[1]", "schema: s.json: a JSON Schema is a JSON object (got a list)"),
        ('{"properties": {"a": {"type": "text"}}}', "schema: s.json: no valid JSON Schema at properties/a/type: 'text' is not valid"),
    ],
)  # fmt: skip
def test_a_bad_json_schema_is_told(
    resolve: Resolver, tmp_path: Path, content: str | None, message: str
):
    if content is not None:
        (tmp_path / "s.json").write_text(content)
    (problem,) = problems_of(resolve, "schema=s.json")
    assert problem.startswith(message)


def test_an_image_takes_the_place_of_a_stage_or_of_one_step(resolve: Resolver):
    digest = "registry/pick@sha256:" + "a" * 64
    recipe = resolve(images={"pick": digest})
    assert (recipe.step("pick").image, recipe.step("pick").identity) == (digest, digest)
    assert (recipe.step("tune").image, recipe.warnings) == ("", ())
    by_step = resolve(images={"tune": "registry/learn:1"})
    assert by_step.step("tune").identity == "registry/learn:1"
    (warning,) = by_step.warnings
    assert warning.startswith("image registry/learn:1 of stage 'learn' is named by a tag")


def test_an_image_for_nothing_is_told(resolve: Resolver):
    assert problems_of(resolve, images={"lern": "x:1"}) == [
        "--image: no step uses the stage 'lern' — did you mean 'learn'?"
    ]


def test_a_stage_that_is_not_installed_is_told(resolve: Resolver):
    def code(stage: str, catalog: object) -> object:
        if stage == "learn":
            raise ConfigError("the Python package 'graftline_learn' is not installed here")
        return toy_code(stage, catalog)

    assert problems_of(replace(resolve, code=code)) == [
        "tune.uses: the Python package 'graftline_learn' is not installed here"
    ]
