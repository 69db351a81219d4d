"""RMS norm, rotary positions and SwiGLU, with backward passes that keep only what they need."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from graftline_train.fast.autograd import apply


class _RmsNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, epsilon: float) -> Tensor:
        wide = x.float()
        scale = wide.square().mean(-1, keepdim=True).add_(epsilon).rsqrt_()
        ctx.save_for_backward(x, weight, scale)
        return (wide * scale).to(x.dtype) * weight

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Any, ...]:
        x, weight, scale = ctx.saved_tensors
        gradient = (gradients[0] * weight).float()
        normed = x.float() * scale
        along = (gradient * normed).mean(-1, keepdim=True)
        return gradient.addcmul_(normed, along, value=-1).mul_(scale).to(x.dtype), None, None


def rms_norm(x: Tensor, weight: Tensor, epsilon: float) -> Tensor:
    """Scale rows to unit mean square, then by a frozen weight (Zhang & Sennrich, 2019)."""
    return apply(_RmsNorm, x, weight, epsilon)


class _Rotate(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, heads: Tensor, turned: int, cos: Tensor, sin: Tensor) -> Tensor:
        ctx.turned = turned
        ctx.save_for_backward(cos, sin)
        return _rotated(heads, turned, cos, sin)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Any, ...]:
        cos, sin = ctx.saved_tensors
        # The transpose of a rotation is the rotation by the opposite angle.
        return _rotated(gradients[0], ctx.turned, cos, -sin), None, None, None


def rotate(heads: Tensor, turned: int, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn the first `turned` heads by their tokens' positions (RoPE, Su et al., 2021).

    Args:
        heads: [tokens, heads, size]; queries and keys first, values last.
        turned: How many heads are queries or keys.
        cos: [tokens, 1, size / 2].
        sin: The same shape.
    """
    return apply(_Rotate, heads, turned, cos, sin)


def _rotated(heads: Tensor, turned: int, cos: Tensor, sin: Tensor) -> Tensor:
    half = heads.shape[-1] // 2
    first, second = heads[:, :turned, :half], heads[:, :turned, half:]
    out = torch.empty_like(heads)
    out[:, turned:] = heads[:, turned:]
    torch.mul(first, cos, out=out[:, :turned, :half]).addcmul_(second, sin, value=-1)
    torch.mul(second, cos, out=out[:, :turned, half:]).addcmul_(first, sin)
    return out


class _SwiGlu(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, gate_up: Tensor) -> Tensor:
        ctx.save_for_backward(gate_up)
        gate, up = gate_up.chunk(2, dim=-1)
        return functional.silu(gate).mul_(up)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Any, ...]:
        (gate_up,) = ctx.saved_tensors
        gate, up = gate_up.chunk(2, dim=-1)
        result = torch.empty_like(gate_up)
        to_gate, to_up = result.chunk(2, dim=-1)
        torch.mul(gradients[0], functional.silu(gate), out=to_up)
        torch.ops.aten.silu_backward.grad_input(gradients[0] * up, gate, grad_input=to_gate)
        return (result,)


def swiglu(gate_up: Tensor) -> Tensor:
    """Give silu(gate)·up for [tokens, 2 × width] that holds gate, then up (Shazeer, 2020)."""
    return apply(_SwiGlu, gate_up)
