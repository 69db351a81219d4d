"""Rounding to bf16 that keeps a small update.

bf16 has 8 significant bits. A LoRA update is often smaller than half a step of its weight, and the
weight itself lies on the grid: rounded to the nearest value, most of the update falls away, and
always in the direction of the base model. Stochastic rounding (Gupta et al., 2015,
arXiv:1502.02551) goes up with the probability of the part that is cut off: its error has mean zero,
so what many weights say together stays.
"""

from __future__ import annotations

from hashlib import sha256

import torch

_CUT = 1 << 16  # of fp32's bits, bf16 keeps the upper half


def round_unbiased(values: torch.Tensor, name: str) -> torch.Tensor:
    """Round to bf16 without bias, the same way for the same values and name on every machine.

    Args:
        values: Finite, fp32, any shape.
        name: What chooses the random numbers: the parameter's name.

    Gives:
        One of the two neighbours of every value, in bf16; a value that bf16 can hold stays.
    """
    seed = int.from_bytes(sha256(name.encode()).digest()[:8]) >> 1
    draw = torch.Generator().manual_seed(seed)
    # Added to the magnitude, whatever the sign: it carries as often as what is cut off is large.
    bits = values.contiguous().view(torch.int32)
    bits = bits + torch.randint(_CUT, values.shape, generator=draw, dtype=torch.int32)
    return (bits & -_CUT).view(torch.float32).bfloat16()
