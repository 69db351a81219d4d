"""The base of every stage's settings, and how their mistakes are told.

A stage has two models: `Config` decides its output and is in its key, `Runtime` (devices,
concurrency, checkpoint intervals) changes only how it gets there and is in no key.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

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
    where: Sequence[int | str] = detail["loc"]
    path = ".".join(str(part) for part in where)
    if detail["type"] == "extra_forbidden":
        allowed = _allowed_names(model, where[:-1])
        hint = nearest(str(where[-1]), allowed)
        known = f"; allowed: {', '.join(allowed)}" if allowed and not hint else ""
        return Problem(path, f"unknown setting{hint}{known}")
    if detail["type"] == "missing":
        return Problem(path, "is required")
    message = detail["msg"].removeprefix("Value error, ")
    # A rule about several settings has no single value to show.
    value = detail.get("input")
    return Problem(path, message if isinstance(value, dict) else f"{message} (got {value!r})")


def _allowed_names(model: type[BaseModel], where: Sequence[int | str]) -> list[str]:
    """Follow plain nested models only; an unfollowable path has no suggestions."""
    current: type[BaseModel] = model
    for part in where:
        field = current.model_fields.get(str(part))
        annotation = field.annotation if field else None
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            return []
        current = annotation
    return sorted(field.alias or name for name, field in current.model_fields.items())
