"""A recipe's file, as people write it."""

from __future__ import annotations

import re
from typing import Any, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from graftline.config import Settings, nearest, parse_settings
from graftline.errors import ConfigError, Problem
from graftline.schema import check_settings

ParameterType = Literal[
    "string", "int", "float", "bool", "json", "source", "json-file", "json-schema-file"
]

_STEP_NAME = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?")
_PARAMETER_NAME = re.compile(r"[a-z][a-z0-9_]*")


class Parameter(Settings):
    """A value that the user may give: `${name}` in the recipe stands for it."""

    type: ParameterType = Field(
        "string",
        description="string, int, float, bool, json (any YAML value), source (a path or URI), "
        "json-file (a file that is read and put in, or the JSON itself), json-schema-file (the "
        "same, and checked to be a JSON Schema).",
    )
    default: Any = Field(
        None,
        description="Its value if nobody gives one; without: required. `${name}` is the value of a "
        "parameter above it (not of a source or a file).",
    )
    help: str = Field("", description="One line for people.")
    allowed: list[Any] | None = Field(None, description="The only values that it may have.")
    follows: str = Field(
        "",
        description="A parameter that this one describes: if the user gives that one and not this "
        "one, what recipe and profile say here does not count and this one is empty.",
    )

    @property
    def required(self) -> bool:
        """Whether somebody must give it."""
        return "default" not in self.model_fields_set


class _Aliased(Settings):
    model_config = ConfigDict(populate_by_name=True)


class Step(_Aliased):
    """A stage used in a recipe."""

    uses: str = Field(description="The stage.")
    from_: dict[str, str | list[str]] = Field(
        {}, alias="from", description="By port: a step, `step.output`, or a list of these."
    )
    with_: dict[str, Any] = Field({}, alias="with", description="The stage's config.")
    runtime: dict[str, Any] = Field({}, description="The stage's runtime settings.")
    seed: int | str = Field(0, description="The step's seed.")
    if_: str = Field(
        "",
        alias="if",
        description="A parameter, or `not` and a parameter, or more of these joined by `and`: the "
        "step exists only if they are set (or not).",
    )


class StepOverlay(_Aliased):
    """What a profile changes in a step: mappings are merged, everything else is replaced."""

    with_: dict[str, Any] = Field({}, alias="with", description="Settings of its config.")
    runtime: dict[str, Any] = Field({}, description="Settings of its runtime.")
    seed: int | str | None = Field(None, description="The step's seed.")


class Profile(Settings):
    """A size of the same recipe."""

    description: str = Field("", description="One line for people.")
    parameters: dict[str, Any] = Field({}, description="Other defaults of the parameters.")
    steps: dict[str, StepOverlay] = Field({}, description="Changes to steps.")
    gate: dict[str, Any] = Field({}, description="Changes to the gate.")


class OldName(Settings):
    """What a name of an older system's configuration means here: one of four things."""

    set: list[str] = Field(
        [],
        description="Overrides, `path={}`: {} is the value; {model} the value as a model's source, "
        "`hf://…` unless it is a path or a URI.",
    )
    values: dict[str, list[str]] = Field(
        {}, description="Overrides by value; other values are errors."
    )
    secret: str = Field(
        "",
        description="It is an API key: the environment variable in which steps find it. It is in "
        "no record, log or key.",
    )
    ignored: str = Field("", description="Why it is not used, and what to do instead.")

    @model_validator(mode="after")
    def _one_meaning(self) -> Self:
        if sum(map(bool, (self.set, self.values, self.secret, self.ignored))) != 1:
            raise ValueError("give one of set, values, secret and ignored")
        return self


class Recipe(Settings):
    """A recipe's file."""

    recipe: str = Field(description="Its name.")
    description: str = Field("", description="What it builds, for people.")
    parameters: dict[str, Parameter] = Field({}, description="What the user may give.")
    environment: dict[str, OldName] = Field(
        {},
        description="What the names of an older system's configuration mean (`--env-file`, "
        "`--from-env`). Of two that set the same, the later one here counts.",
    )
    steps: dict[str, Step] = Field(min_length=1, description="By name.")
    gate: dict[str, Any] | None = Field(None, description="What must hold of the metrics.")
    profiles: dict[str, Profile] = Field({}, description="Sizes of the recipe, by name.")
    default_profile: str = Field("", description="The profile if the user names none.")


def parse_recipe(values: Any, subject: str) -> Recipe:
    """Read a recipe's values.

    Raises:
        ConfigError: With everything that is wrong with its form.
    """
    if not isinstance(values, dict):
        raise ConfigError(f"{subject}: is no recipe: a mapping with 'recipe' and 'steps' is wanted")
    problems = check_settings(Recipe.model_json_schema(), values)
    if problems:
        raise ConfigError.of(problems, subject)
    recipe = parse_settings(Recipe, values, subject)
    problems = [*_name_problems(recipe), *_reference_problems(recipe)]
    if problems:
        raise ConfigError.of(problems, subject)
    return recipe


def _name_problems(recipe: Recipe) -> list[Problem]:
    wrong_steps = [name for name in recipe.steps if not _STEP_NAME.fullmatch(name)]
    wrong_parameters = [name for name in recipe.parameters if not _PARAMETER_NAME.fullmatch(name)]
    return [
        Problem(f"steps.{name}", "a step's name is made of a-z, 0-9 and '-', from a letter on")
        for name in wrong_steps
    ] + [
        Problem(f"parameters.{name}", "a parameter's name is made of a-z, 0-9 and '_'")
        for name in wrong_parameters
    ]


def _reference_problems(recipe: Recipe) -> list[Problem]:
    """Check that profiles and conditions name what exists."""
    problems: list[Problem] = []
    for name, profile in recipe.profiles.items():
        for kind, given, there in (
            ("step", profile.steps, recipe.steps),
            ("parameter", profile.parameters, recipe.parameters),
        ):
            for item in given:
                if item not in there:
                    path = f"profiles.{name}.{kind}s.{item}"
                    problems.append(Problem(path, f"unknown {kind}{nearest(item, there)}"))
    if recipe.default_profile and recipe.default_profile not in recipe.profiles:
        hint = nearest(recipe.default_profile, recipe.profiles)
        message = f"unknown profile '{recipe.default_profile}'{hint}"
        problems.append(Problem("default_profile", message))
    for name, parameter in recipe.parameters.items():
        followed = parameter.follows
        if followed and followed not in recipe.parameters:
            message = f"unknown parameter '{followed}'{nearest(followed, recipe.parameters)}"
            problems.append(Problem(f"parameters.{name}.follows", message))
    for name, step in recipe.steps.items():
        for asked, _ in condition_terms(step.if_):
            if asked not in recipe.parameters:
                message = f"unknown parameter '{asked}'{nearest(asked, recipe.parameters)}"
                problems.append(Problem(f"steps.{name}.if", message))
    return problems


def condition_terms(condition: str) -> list[tuple[str, bool]]:
    """Give the parameters that a step's `if` asks for, and whether each is to be set."""
    terms = [" ".join(term.split()) for term in re.split(r"\sand\s", condition) if term.strip()]
    return [(term.removeprefix("not "), not term.startswith("not ")) for term in terms]


def condition_holds(condition: str, parameters: dict[str, Any]) -> bool:
    """Whether a step with this `if` exists: its parameters are set (or, with `not`, are not)."""
    return all(
        (parameters[name] not in (None, "", [], {}) and parameters[name] is not False) == wanted
        for name, wanted in condition_terms(condition)
    )
