from typing import Annotated, Literal

import pytest
from pydantic import Field

from graftline.config import Config, Settings, nearest, parse_settings
from graftline.errors import EXIT_CONFIG, ConfigError


class Optimiser(Settings):
    learning_rate: float = Field(default=2e-4, gt=0)


class TrainConfig(Config):
    lora_r: int = Field(default=16, ge=1)
    mode: Literal["sft", "dpo"] = "sft"
    optimiser: Optimiser = Optimiser()
    base: str


def problems_of(values):
    with pytest.raises(ConfigError) as caught:
        parse_settings(TrainConfig, values, "step 'adapter'")
    assert caught.value.exit_code == EXIT_CONFIG
    return caught.value


def test_good_settings_are_frozen():
    parsed = parse_settings(TrainConfig, {"base": "m"}, "step 'adapter'")
    with pytest.raises(ValueError, match="frozen"):
        parsed.lora_r = 3


def test_all_problems_are_told_at_once_with_path_value_and_what_is_allowed():
    error = problems_of({"lora_r": "many", "mode": "ppo", "optimiser": {"learning_rate": -1}})
    told = {problem.path: problem.message for problem in error.problems}
    assert set(told) == {"lora_r", "mode", "optimiser.learning_rate", "base"}
    assert "'many'" in told["lora_r"]
    assert "'sft' or 'dpo'" in told["mode"]
    assert "greater than 0" in told["optimiser.learning_rate"]
    assert "-1" in told["optimiser.learning_rate"]
    assert told["base"] == "is required"
    assert "step 'adapter'" in str(error)


@pytest.mark.parametrize(
    ("values", "path", "near"),
    [
        ({"lora_rr": 3, "base": "m"}, "lora_rr", "lora_r"),
        (
            {"optimiser": {"learningrate": 1}, "base": "m"},
            "optimiser.learningrate",
            "learning_rate",
        ),
    ],
)
def test_an_unknown_name_comes_with_the_nearest_one(values, path, near):
    (problem,) = problems_of(values).problems
    assert problem.path == path
    assert f"did you mean '{near}'" in problem.message


def test_without_a_near_name_all_are_listed():
    (problem,) = problems_of({"zzzzzz": 3, "base": "m"}).problems
    assert "allowed: base, lora_r, mode, optimiser" in problem.message


def test_nearest_is_silent_when_nothing_is_near():
    assert nearest("abc", ["xyz"]) == ""


class Long(Settings):
    kind: Literal["long"]
    words: int = Field(ge=1)


class Short(Settings):
    kind: Literal["short"]
    marks: list[Long | None] = []


class Choosing(Config):
    way: Annotated[Long | Short, Field(discriminator="kind")]
    more: list[Annotated[Long | Short, Field(discriminator="kind")]] = []


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"way": {"kind": "long", "wrds": 1, "words": 1}}, "way.wrds: unknown setting — did you"),
        ({"way": {"kind": "long"}}, "way.words: is required"),
        ({"way": {"kind": "long", "words": 0}}, "way.words: Input should be greater"),
        ({"way": {}}, "way.kind: is required"),
        ({"way": {"kind": "odd"}}, "way.kind: must be one of 'long', 'short' (got 'odd')"),
        (
            {"way": {"kind": "short"}, "more": [{"kind": "short", "mark": []}]},
            "more.0.mark: unknown setting — did you mean 'marks'?",
        ),
        (
            {"way": {"kind": "short", "marks": [{"kind": "long", "words": "x"}]}},
            "way.marks.0.words: Input should be a valid integer",
        ),
    ],
)
def test_a_mistake_in_one_of_several_forms_has_the_path_that_was_written(values, problem):
    with pytest.raises(ConfigError) as caught:
        parse_settings(Choosing, values, "step 'x'")
    assert problem in str(caught.value)
