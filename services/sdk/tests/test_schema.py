from __future__ import annotations

import importlib
import math
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field, ValidationError

from graftline.canonical import canonical_json
from graftline.config import Config, Settings, SourceUri
from graftline.errors import BugError, ConfigError
from graftline.schema import (
    check_settings,
    fill_defaults,
    setting_names,
    source_settings,
)
from graftline.stage import Stage

SERVICES = Path(__file__).parents[2]


class Inner(Settings):
    rate: float = 1.0
    name: str = "x"


class Cosine(Settings):
    kind: Literal["cosine"] = "cosine"
    warmup: float = Field(0.1, ge=0, le=1)


class Linear(Settings):
    kind: Literal["linear"]
    steps: int = Field(100, ge=1)
    inner: Inner = Inner()


class Plain(Config):
    number: float = 0.5
    count: int = Field(3, ge=0, lt=1000)
    flag: bool = False
    text: str = "a"
    word: Literal["a", "b", "c"] = "a"
    mixed_word: Literal["a", 1, None] = None
    required: float


class Nested(Config):
    inner: Inner = Inner()
    required: Inner
    maybe: Inner | None = None
    deep: list[Inner] = []
    table: dict[str, Inner] = {}


class Unions(Config):
    schedule: Annotated[Cosine | Linear, Field(discriminator="kind")] = Cosine()
    schedules: list[Annotated[Cosine | Linear, Field(discriminator="kind")]] = []
    maybe: Annotated[Cosine | Linear, Field(discriminator="kind")] | None = None
    number_or_none: float | None = None
    int_or_text: int | str = 1
    int_or_float: int | float = 1
    float_or_int: float | int = 1.0
    list_or_number: list[float] | float = 1.0


class Shapes(Config):
    pair: tuple[float, int] = (1.0, 2)
    many: tuple[float, ...] = ()
    matrix: list[list[float]] = [[1.0]]
    table: dict[str, float] = {}
    tables: dict[str, dict[str, list[float]]] = {}
    anything: Any = None
    free: dict[str, Any] = {}
    source: SourceUri = ""
    maybe_source: SourceUri | None = None


class Made(Config):
    many: list[float] = Field(default_factory=list)
    table: dict[str, float] = Field(default_factory=dict)


class Aliased(Config):
    schema_: dict[str, Any] = Field({}, alias="schema")
    from_: float = Field(1.0, alias="from")


class Tree(Settings):
    weight: float = 1.0
    children: list[Tree] = []


class Recursive(Config):
    tree: Tree = Tree()


MODELS: list[type[BaseModel]] = [Plain, Nested, Unions, Shapes, Made, Aliased, Recursive]


def stage_models() -> list[type[BaseModel]]:
    """The settings of every stage in the checkout, installed or not."""
    found: list[type[BaseModel]] = []
    for path in sorted(SERVICES.glob("*/src/graftline_*/descriptor.py")):
        sys.path.append(str(path.parents[1]))
        try:
            stage: Stage = importlib.import_module(f"{path.parent.name}.descriptor").STAGE
        finally:
            sys.path.pop()
        found += [stage.config, stage.runtime]
    return found


STAGE_MODELS = stage_models()


# Values for a schema: mostly what it asks for, ints where it says number, parts left out.
NUMBERS = st.floats(-1e6, 1e6, allow_nan=False) | st.integers(-5, 1000)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(-9, 9) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner),
    max_leaves=4,
)


def values_for(root: dict[str, Any], part: Any, depth: int = 0) -> st.SearchStrategy[Any]:
    if part is True or not part:
        return JSON
    if "$ref" in part:
        return values_for(root, root["$defs"][part["$ref"].rpartition("/")[2]], depth)
    if "enum" in part:
        return st.sampled_from(part["enum"])
    if "const" in part:
        return st.just(part["const"])
    for keyword in ("anyOf", "oneOf"):
        if keyword in part:
            return st.one_of([values_for(root, item, depth) for item in part[keyword]])
    low, high = part.get("minimum"), part.get("maximum")
    above, below = part.get("exclusiveMinimum"), part.get("exclusiveMaximum")
    match part.get("type"):
        case "object":
            return objects_for(root, part, depth)
        case "array":
            first = [values_for(root, item, depth) for item in part.get("prefixItems", [])]
            if first:
                return st.tuples(*first).map(list)
            if depth > 3:
                return st.just([])
            return st.lists(
                values_for(root, part.get("items", True), depth + 1),
                min_size=part.get("minItems", 0),
                max_size=part.get("minItems", 0) + 2,
            )
        case "integer":
            least = low if low is not None else (above + 1 if above is not None else -5)
            most = high if high is not None else (below - 1 if below is not None else least + 50)
            whole = st.integers(least, most)
            return whole | whole.map(float)
        case "number":
            least = low if low is not None else (above if above is not None else -1e6)
            most = high if high is not None else (below if below is not None else least + 1e6)
            floats = st.floats(
                least, most, exclude_min=above is not None, exclude_max=below is not None
            )
            if math.floor(most) - math.ceil(least) < 2:
                return floats
            return floats | st.integers(math.ceil(least) + 1, math.floor(most) - 1)
        case "string":
            return st.text("abc", min_size=part.get("minLength", 0), max_size=8)
        case "boolean":
            return st.booleans()
        case "null":
            return st.none()
    return JSON


def objects_for(root: dict[str, Any], part: Any, depth: int) -> st.SearchStrategy[Any]:
    properties = {
        name: values_for(root, item, depth + 1) for name, item in part.get("properties", {}).items()
    }
    required = set(part.get("required", []))
    if "kind" in properties:
        required.add("kind")  # a discriminated union is told apart by it
    fixed = st.fixed_dictionaries(
        {name: item for name, item in properties.items() if name in required},
        optional={name: item for name, item in properties.items() if name not in required},
    )
    rest = part.get("additionalProperties", True)
    if rest is False or properties or depth > 3:
        return fixed
    return st.dictionaries(st.text("pq", max_size=3), values_for(root, rest, depth + 1), max_size=2)


def test_every_stage_in_the_checkout_is_covered():
    names = {model.__name__ for model in STAGE_MODELS}
    assert {"ModelConfig", "GenerateConfig", "IngestConfig"} <= names


@pytest.mark.parametrize("model", MODELS + STAGE_MODELS, ids=lambda model: model.__name__)
def test_fills_in_what_pydantic_would(model: type[BaseModel]):
    schema = model.model_json_schema()
    agreed = []

    @given(values_for(schema, schema))
    @settings(
        max_examples=60,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )
    def law(values: dict[str, Any]) -> None:
        try:
            expected = model.model_validate(values).model_dump(mode="json", by_alias=True)
        except ValidationError:
            return  # a rule between fields, which a schema does not say
        filled = fill_defaults(schema, values)
        # Equal as JSON text, where 1 and 1.0 and True differ; but pydantic leaves defaults such as
        # `x: float = 1` as they were written, so those are read back once more.
        again = model.model_validate(expected).model_dump(mode="json", by_alias=True)
        assert canonical_json(filled) == canonical_json(again)
        assert fill_defaults(schema, filled) == filled
        agreed.append(values)

    law()
    assert agreed, "no value that the model allows was tried"


def test_defaults_are_there_and_numbers_have_their_type():
    filled = fill_defaults(Plain.model_json_schema(), {"required": 2})
    assert canonical_json(filled) == canonical_json(
        {
            "number": 0.5,
            "count": 3,
            "flag": False,
            "text": "a",
            "word": "a",
            "mixed_word": None,
            "required": 2.0,
        }
    )


def test_a_whole_float_is_an_int_where_the_schema_says_so():
    filled = fill_defaults(Plain.model_json_schema(), {"required": 1, "count": 7.0})
    assert isinstance(filled["count"], int)


def test_all_problems_are_told_at_once_with_path_value_and_what_is_allowed():
    problems = check_settings(
        Plain.model_json_schema(),
        {"count": -1, "flag": "yes", "word": "B", "nummber": 1},
        "adapter",
    )
    assert [str(problem) for problem in problems] == [
        "adapter.count: must be at least 0 (got -1)",
        "adapter.flag: must be true or false (got 'yes')",
        "adapter.nummber: unknown setting — did you mean 'number'?",
        "adapter.required: is required: a number",
        "adapter.word: must be one of a, b, c (got 'B')",
    ]


def test_a_name_without_a_neighbour_lists_what_is_allowed():
    problems = check_settings(Inner.model_json_schema(), {"zzzzzz": 1})
    assert [str(item) for item in problems] == ["zzzzzz: unknown setting; allowed: name, rate"]


def test_problems_in_nested_parts_have_their_whole_path():
    problems = check_settings(
        Nested.model_json_schema(),
        {"required": {"raet": 1}, "deep": [{}, {"rate": "fast"}], "maybe": {"rate": []}},
        "step",
    )
    assert [str(problem) for problem in problems] == [
        "step.deep.1.rate: must be a number (got 'fast')",
        "step.maybe.rate: must be a number (got [])",
        "step.required.raet: unknown setting — did you mean 'rate'?",
    ]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({}, "schedule.kind: is required; one of cosine, linear"),
        (
            {"kind": "liner"},
            "schedule.kind: must be one of cosine, linear (got 'liner') — did you mean 'linear'?",
        ),
        ({"kind": "linear", "steps": 0}, "schedule.steps: must be at least 1 (got 0)"),
        ({"kind": "cosine", "steps": 5}, "schedule.steps: unknown setting; allowed: kind, warmup"),
        ("cosine", "schedule: must be a mapping (got 'cosine')"),
    ],
)
def test_a_discriminated_union_is_judged_by_its_tag(value: Any, message: str):
    problems = check_settings(Unions.model_json_schema(), {"schedule": value})
    assert [str(problem) for problem in problems] == [message]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_json_is_refused(value: float):
    problems = check_settings(Plain.model_json_schema(), {"required": value})
    assert [str(problem) for problem in problems] == [
        f"required: must be a finite number (got {value})"
    ]
    with pytest.raises(ConfigError, match="finite"):
        fill_defaults(Plain.model_json_schema(), {"required": value})


def test_a_key_that_is_no_text_is_refused():
    problems = check_settings(Shapes.model_json_schema(), {"table": {1: 2.0}})
    assert [str(problem) for problem in problems] == [
        "table: the name 1 must be text: put it in quotes"
    ]


def test_an_optional_setting_without_a_default_is_a_bug_of_the_stage():
    class Computed(Config):
        count: int = Field(default_factory=lambda: 1)

    with pytest.raises(BugError, match="'count' is optional, but its schema has no default"):
        fill_defaults(Computed.model_json_schema(), {})


def test_sources_are_known_by_their_mark():
    assert source_settings(Shapes.model_json_schema()) == ["source", "maybe_source"]
    assert source_settings(Plain.model_json_schema()) == []
    assert setting_names(Inner.model_json_schema()) == ["rate", "name"]
