"""From a setting to its operation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graftline_curate.config import (
    Decontaminate,
    Dedupe,
    Filter,
    Normalise,
    Sample,
    Validate,
)
from graftline_curate.operations.decontaminate import DecontaminateOperation
from graftline_curate.operations.dedupe import DedupeOperation
from graftline_curate.operations.filtering import FilterOperation
from graftline_curate.operations.normalise import NormaliseOperation
from graftline_curate.operations.sample import SampleOperation
from graftline_curate.operations.validate import ValidateOperation

if TYPE_CHECKING:
    from typing import Any

    from graftline_curate.operations.base import Operation


def make_operation(settings: Any, seed: int) -> Operation:
    """Make the operation of one entry of `operations`.

    Raises:
        ConfigError: Its settings cannot be used.
    """
    match settings:
        case Normalise():
            return NormaliseOperation(settings)
        case Filter():
            return FilterOperation(settings)
        case Validate():
            return ValidateOperation(settings)
        case Dedupe():
            return DedupeOperation(settings)
        case Decontaminate():
            return DecontaminateOperation(settings)
        case Sample():
            return SampleOperation(settings, seed)
    raise TypeError(f"no operation for {type(settings).__name__}")
