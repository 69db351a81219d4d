"""Settings that say which language models a step asks, held against the SDK's own models.

A schema cannot say all of their rules, and a step that could refuses them when they stand in the
run's record already. Nothing said of endpoints repeats what was given: it may be a password.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from graftline.config import Settings, parse_settings
from graftline.errors import ConfigError, Problem
from graftline.llm.config import Endpoint, LlmConfig, LlmRuntime
from graftline.schema_words import Schema, resolve_reference

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_SECRET = "endpoints"
_GIVEN = " (got "
_UNKNOWN = "unknown setting"


def asks_by(schema: Schema) -> list[str]:
    """Name the runtime settings that say how language models are asked."""
    properties = schema.get("properties", {})
    return [name for name, part in properties.items() if _is(schema, part, LlmRuntime)]


def without_secrets(
    schema: Schema, runtime: Mapping[str, Any], path: str, problems: list[Problem]
) -> list[Problem]:
    """Add what the SDK's models say of a step's language models to what the schema says.

    Args:
        schema: The stage's runtime schema.
        runtime: What is known of its runtime settings.
        path: The step's name.
        problems: What the schema says of them; where a secret may be, its words about values go.
    """
    for name in asks_by(schema):
        own = f"{path}.{name}"
        hidden = [item for item in problems if _may_show(item.path, own)]
        problems = [item for item in problems if item not in hidden]
        told = [_hide(item, f"{own}.{_SECRET}") for item in hidden]
        value = runtime.get(name)
        if value is not None:
            told += [item for item in _rules(value, own) if not _told(item, problems + told)]
        problems += told
    return problems


def asking_problems(
    schemas: tuple[Schema, Schema], config: Mapping[str, Any], runtime: Mapping[str, Any], path: str
) -> list[Problem]:
    """Refuse what a step's client would: endpoints of another model, money without a price.

    Args:
        schemas: The stage's of config and runtime.
        config: A step's config; it and the next one fit their schemas.
        runtime: Its runtime settings.
        path: Its name.
    """
    from graftline.llm.budget import Budget
    from graftline.llm.endpoints import check_endpoints

    of_config, of_runtime = schemas
    problems = []
    for name in asks_by(of_runtime):
        settings = LlmRuntime.model_validate(runtime.get(name) or {})
        for asked in _asked(of_config, of_config, config):
            try:
                model = parse_settings(LlmConfig, dict(asked), "the language model")
                Budget(settings, model.model)
                if settings.endpoints:
                    check_endpoints(model, settings)
            except ConfigError as error:
                problems.append(Problem(f"{path}.{name}", str(error)))
    return problems


def _is(root: Schema, part: Any, model: type[Settings]) -> bool:
    part = resolve_reference(root, part)
    branches = part.get("anyOf", ())
    return part.get("title") == model.__name__ or any(_is(root, item, model) for item in branches)


def _asked(root: Schema, part: Any, value: Any) -> Iterator[Mapping[str, Any]]:
    """Find the settings of models that are asked, wherever they stand in a step's config."""
    if not isinstance(value, dict):
        return
    if _is(root, part, LlmConfig):
        yield value
        return
    part = resolve_reference(root, part)
    for branch in (*part.get("anyOf", ()), *part.get("oneOf", ())):
        branch = resolve_reference(root, branch)
        # Of a union, the branch that knows all the names.
        if value.keys() <= branch.get("properties", {}).keys():
            yield from _asked(root, branch, value)
            return
    for name, inner in part.get("properties", {}).items():
        yield from _asked(root, inner, value.get(name))


def _may_show(path: str, own: str) -> bool:
    return path == own or _within(path, f"{own}.{_SECRET}")


def _within(path: str, outer: str) -> bool:
    return path == outer or path.startswith(f"{outer}.")


def _told(problem: Problem, others: list[Problem]) -> bool:
    """Whether something was said already of the place, or of what is in it or around it."""
    path = problem.path
    return any(_within(item.path, path) or _within(path, item.path) for item in others)


def _hide(problem: Problem, endpoints: str) -> Problem:
    """Take what was given out of a problem: values, and names that are near none of ours."""
    message = problem.message.partition(_GIVEN)[0]
    if not _within(problem.path, endpoints) or " — did you mean" in message:
        return Problem(problem.path, message)
    if message.startswith(_UNKNOWN):
        message = f"{_UNKNOWN}; allowed: {', '.join(sorted(Endpoint.model_fields))}"
    names = "|".join(Endpoint.model_fields)
    known = re.compile(rf"{re.escape(endpoints)}(\.\d+(\.({names})(?=\.|$))?)?")
    place = known.match(problem.path)
    return Problem(place[0] if place else endpoints, message)


def _rules(value: Any, own: str) -> Iterator[Problem]:
    try:
        LlmRuntime.model_validate(value)
    except ValidationError as error:
        for detail in error.errors(include_input=False, include_url=False, include_context=False):
            where = ".".join(str(part) for part in (own, *detail["loc"]))
            message = detail["msg"].removeprefix("Value error, ")
            yield _hide(Problem(where, message), f"{own}.{_SECRET}")
