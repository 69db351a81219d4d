"""One of several settings models, chosen by `kind`; mistakes are told in the users' own paths.

Pydantic's own tagged unions put the tag into the path (`task.support-tickets.eval.messy`) and know
no names near a wrong one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import ValidationError, WrapValidator
from pydantic_core import InitErrorDetails, PydanticCustomError

from graftline.config import Settings, nearest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import ValidatorFunctionWrapHandler


def by_kind(models: Mapping[str, type[Settings]]) -> WrapValidator:
    """Make the validator that goes around a union discriminated by `kind`."""

    def validate(value: Any, union: ValidatorFunctionWrapHandler) -> Any:
        kind = value.get("kind") if isinstance(value, dict) else None
        model = models.get(kind) if isinstance(kind, str) else None
        if model is None:
            return union(value)
        try:
            return model.model_validate(value)
        except ValidationError as error:
            details = [_detail(model, dict(found)) for found in error.errors()]
            raise ValidationError.from_exception_data(model.__name__, details) from error

    return WrapValidator(validate)


def _detail(model: type[Settings], found: dict[str, Any]) -> InitErrorDetails:
    """Spell a mistake anew, a wrong name with the one that may be meant."""
    where, words = found["loc"], found["msg"].removeprefix("Value error, ")
    if found["type"] == "extra_forbidden":
        names = _names(model, where[:-1])
        near = nearest(str(where[-1]), names)
        known = f"; allowed: {', '.join(names)}" if names and not near else ""
        words = f"unknown setting{near}{known}"
    elif found["type"] == "missing":
        return InitErrorDetails(type="missing", loc=where, input=found["input"])
    kind = PydanticCustomError("setting", "{words}", {"words": words})
    return InitErrorDetails(type=kind, loc=where, input=found["input"])


def _names(model: type[Settings], where: tuple[int | str, ...]) -> list[str]:
    current: Any = model
    for part in where:
        field = current.model_fields.get(str(part))
        current = field.annotation if field else None
        if not (isinstance(current, type) and issubclass(current, Settings)):
            return []
    return sorted(current.model_fields)
