"""One typed door to torch's autograd functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from torch import Tensor


def apply(function: type[torch.autograd.Function], *arguments: Any) -> Tensor:
    """Apply an autograd function that gives one tensor."""
    result: Tensor = function.apply(*arguments)  # type: ignore[no-untyped-call]
    return result
