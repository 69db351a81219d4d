"""Frozen matrices that share an input, and their LoRA updates, in one matrix product.

For projections j with weights W_j, LoRA factors A_j and B_j and scale s, all of the same input x:

    y = [x, x·Aᵀ] · [W, s·B]ᵀ      A = all A_j stacked, B = block-diagonal of all B_j

so that the update is added before the result is rounded (in bf16, adding a small update to an
already rounded product loses most of it), and q, k and v cost one product instead of nine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from graftline_train.fast.autograd import apply

if TYPE_CHECKING:
    from collections.abc import Sequence

ADAPTER = "default"


@dataclass(frozen=True)
class Branch:
    """One LoRA update inside a fused product.

    Args:
        down: A, [rank, inputs], fp32, trained.
        up: B, [outputs, rank], fp32, trained.
        scale: alpha/r, or alpha/√r with rank stabilisation.
        outputs: The rows of the fused product that it adds to.
        ranks: Its columns among all branches' ranks.
    """

    down: nn.Parameter
    up: nn.Parameter
    scale: float
    outputs: slice
    ranks: slice


class FusedLinear:
    """Linear layers of one input as one product; takes over the layers' frozen weights.

    The layers' own weights become views of the fused one, so nothing is held twice.

    Args:
        layers: `nn.Linear`, or PEFT's LoRA layer around one.
        dropout: Share of the LoRA input that is dropped in training; all layers share the draw.
    """

    def __init__(self, layers: Sequence[Any], dropout: float) -> None:
        """Gather the weights; `refresh` must follow before the first product."""
        bases = [getattr(layer, "base_layer", layer) for layer in layers]
        self.dropout = dropout
        self.inputs: int = bases[0].in_features
        self.branches = _branches(layers, [base.out_features for base in bases])
        rank = self.branches[-1].ranks.stop if self.branches else 0
        outputs = sum(base.out_features for base in bases)
        self.weight = bases[0].weight.new_zeros(outputs, self.inputs + rank)
        self.down = self.weight.new_zeros(rank, self.inputs)
        self.bias = _fused_bias(bases)
        row = 0
        for base in bases:
            rows = self.weight[row : row + base.out_features, : self.inputs]
            rows.copy_(base.weight.data)
            base.weight.data = rows
            row += base.out_features

    @torch.no_grad()
    def refresh(self) -> None:
        """Copy the trained factors into the product, after they changed."""
        for branch in self.branches:
            self.down[branch.ranks].copy_(branch.down)
            columns = slice(self.inputs + branch.ranks.start, self.inputs + branch.ranks.stop)
            self.weight[branch.outputs, columns].copy_(branch.up * branch.scale)

    def __call__(self, x: Tensor, training: bool) -> Tensor:
        """Map [tokens, inputs] to [tokens, outputs of all layers]."""
        if not self.branches:
            return functional.linear(x, self.weight, self.bias)
        kept = _kept(x, self.dropout) if training and self.dropout else None
        factors = [factor for branch in self.branches for factor in (branch.down, branch.up)]
        return apply(_LoraProduct, x, kept, self, *factors)


class _LoraProduct(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, kept: Tensor | None, fused: FusedLinear, *_: Tensor) -> Tensor:
        extended = x.new_empty(x.shape[0], fused.weight.shape[1])
        extended[:, : fused.inputs] = x
        dropped = x if kept is None else x * kept
        torch.mm(dropped, fused.down.t(), out=extended[:, fused.inputs :])
        ctx.fused = fused
        ctx.save_for_backward(extended, kept)
        return functional.linear(extended, fused.weight, fused.bias)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Any, ...]:
        (gradient,) = gradients
        extended, kept = ctx.saved_tensors
        fused: FusedLinear = ctx.fused
        x, low = extended[:, : fused.inputs], extended[:, fused.inputs :]
        if ctx.needs_input_grad[0]:
            both = gradient @ fused.weight
            to_x, to_low = both[:, : fused.inputs], both[:, fused.inputs :]
        else:
            to_x, to_low = None, gradient @ fused.weight[:, fused.inputs :]
        if to_x is not None:
            to_x = (
                torch.addmm(to_x, to_low, fused.down)
                if kept is None
                else torch.addcmul(to_x, to_low @ fused.down, kept)
            )
        to_down = to_low.t() @ (x if kept is None else x * kept)
        factors: list[Tensor] = []
        for branch in fused.branches:
            # The short side first: a third faster than its transpose on a CPU.
            to_up = (low[:, branch.ranks].t() @ gradient[:, branch.outputs]).t()
            factors.append(to_down[branch.ranks].to(branch.down.dtype))
            factors.append(to_up.to(branch.up.dtype).mul_(branch.scale))
        return (to_x, None, None, *factors)


def _branches(layers: Sequence[Any], widths: Sequence[int]) -> list[Branch]:
    branches: list[Branch] = []
    row = rank = 0
    for layer, width in zip(layers, widths, strict=True):
        if hasattr(layer, "lora_A"):
            down, up = layer.lora_A[ADAPTER].weight, layer.lora_B[ADAPTER].weight
            size = down.shape[0]
            branches.append(
                Branch(
                    down,
                    up,
                    float(layer.scaling[ADAPTER]),
                    slice(row, row + width),
                    slice(rank, rank + size),
                )
            )
            rank += size
        row += width
    return branches


def _fused_bias(bases: Sequence[Any]) -> Tensor | None:
    if all(base.bias is None for base in bases):
        return None
    return torch.cat(
        [
            base.weight.new_zeros(base.out_features) if base.bias is None else base.bias.data
            for base in bases
        ]
    )


def _kept(x: Tensor, dropout: float) -> Tensor:
    """Draw 0 or 1/(1 - dropout) for every element."""
    return torch.empty_like(x).bernoulli_(1 - dropout).div_(1 - dropout)
