"""The base of every stage's settings, and how their mistakes are told.

A stage has two models: `Config` decides its output and is in its key, `Runtime` (devices,
concurrency, checkpoint intervals) changes only how it gets there and is in no key.
"""

from __future__ import annotations

import difflib
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError, WithJsonSchema

from graftline.errors import ConfigError, Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

SOURCE_MARK = "x-graftline-source"

SourceUri = Annotated[str, WithJsonSchema({"type": "string", SOURCE_MARK: True})]
"""A top-level config setting that names something outside the store (a path, `s3://`, `hf://`).

In the step's key stands the fingerprint of what it names, not the name itself; the runner puts
the files under `inputs.source(<setting>)`.
"""


class Settings(BaseModel):
    """Frozen, strict about names; the base of `Config` and `Runtime`."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Config(Settings):
    """Settings that decide a step's output; all of them are in its key."""


class Runtime(Settings):
    """Settings that do not change a step's output; none of them is in its key."""


SettingsT = TypeVar("SettingsT", bound=Settings)


def nearest(name: str, allowed: Iterable[str]) -> str:
    """Give ` — did you mean 'x'?`, or nothing when no allowed name is near."""
    near = difflib.get_close_matches(name, list(allowed), n=1, cutoff=0.6)
    return f" — did you mean '{near[0]}'?" if near else ""


def parse_settings(model: type[SettingsT], values: dict[str, Any], subject: str) -> SettingsT:
    """Validate settings, with every problem at once.

    Args:
        model: The pydantic model.
        values: What the user or the planner gave.
        subject: Whose settings they are, for the message (`step 'adapter'`).

    Raises:
        ConfigError: With one `Problem` for each mistake.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        problems = [_problem(model, dict(detail)) for detail in error.errors()]
        raise ConfigError.of(problems, subject) from error


def _problem(model: type[BaseModel], detail: dict[str, Any]) -> Problem:
    where, settings = _written(model, detail["loc"])
    path = ".".join(where)
    if detail["type"] == "extra_forbidden":
        allowed = _names(settings) if settings else []
        hint = nearest(where[-1], allowed)
        known = f"; allowed: {', '.join(allowed)}" if allowed and not hint else ""
        return Problem(path, f"unknown setting{hint}{known}")
    if detail["type"] == "missing":
        return Problem(path, "is required")
    if detail["type"] in ("union_tag_not_found", "union_tag_invalid"):
        path = f"{path}.{detail['ctx']['discriminator'].strip(chr(39))}"
        if detail["type"] == "union_tag_not_found":
            return Problem(path, "is required")
        allowed_tags, tag = detail["ctx"]["expected_tags"], detail["ctx"]["tag"]
        return Problem(path, f"must be one of {allowed_tags} (got {tag!r})")
    message = detail["msg"].removeprefix("Value error, ")
    # A rule about several settings has no single value to show.
    value = detail.get("input")
    return Problem(path, message if isinstance(value, dict) else f"{message} (got {value!r})")


def _written(
    model: type[BaseModel], where: Sequence[int | str]
) -> tuple[list[str], type[BaseModel] | None]:
    """Give a mistake's path as the user wrote it, and the settings that its last name is of.

    Pydantic puts the tag of a union's member into the path (`task.qa.prompt`); the user did not.
    """
    path: list[str] = []
    owner: type[BaseModel] | None = model
    members: list[Any] = [model]
    for part in where:
        chosen = [member for member in members if _is_tag(member, part)]
        if len(members) > 1 and chosen:
            members = chosen
            continue
        owner = members[0] if len(members) == 1 and _is_settings(members[0]) else None
        path.append(str(part))
        members = _members(owner, members, part)
    return path, owner


def _members(owner: type[BaseModel] | None, around: list[Any], part: int | str) -> list[Any]:
    """Give the types that may stand at a name of settings, or at an item of a list."""
    annotation: Any = None
    if owner is not None:
        fields = {field.alias or name: field for name, field in owner.model_fields.items()}
        annotation = fields[str(part)].annotation if str(part) in fields else None
    elif len(around) == 1 and get_origin(around[0]) is list:
        annotation = get_args(around[0])[0]
    if get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if get_origin(annotation) in (Union, UnionType):
        return [member for member in get_args(annotation) if member is not type(None)]
    return [annotation]


def _is_settings(member: Any) -> bool:
    return isinstance(member, type) and issubclass(member, BaseModel)


def _is_tag(member: Any, part: int | str) -> bool:
    """Whether a name is what tells this member of a union from the others (`kind: qa`)."""
    return _is_settings(member) and any(
        get_origin(field.annotation) is Literal and part in get_args(field.annotation)
        for field in member.model_fields.values()
    )


def _names(settings: type[BaseModel]) -> list[str]:
    return sorted(field.alias or name for name, field in settings.model_fields.items())
