"""Cross-entropy straight from hidden states, without ever holding all logits."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from graftline_train.fast.autograd import apply

CHUNK_LOGITS = 1 << 23


class _HeadLoss(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
        wanted = ctx.needs_input_grad[0]
        to_hidden = torch.empty_like(hidden) if wanted else None
        total = torch.zeros((), dtype=torch.float32, device=hidden.device)
        rows = max(1, CHUNK_LOGITS // weight.shape[0])
        for start in range(0, hidden.shape[0], rows):
            chunk = slice(start, start + rows)
            logits = (hidden[chunk] @ weight.t()).float()
            highest = logits.amax(-1, keepdim=True)
            index = targets[chunk].unsqueeze(-1)
            right = logits.gather(-1, index) - highest
            # From here on the buffer holds exp(logit - highest), then the softmax.
            sums = logits.sub_(highest).exp_().sum(-1, keepdim=True)
            total += (sums.log() - right).sum()
            if to_hidden is not None:
                logits.div_(sums).scatter_add_(-1, index, torch.full_like(right, -1.0))
                to_hidden[chunk] = logits.to(weight.dtype) @ weight
        ctx.save_for_backward(to_hidden)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Any, ...]:
        (to_hidden,) = ctx.saved_tensors
        return to_hidden * gradients[0].to(to_hidden.dtype), None, None


def head_loss(hidden: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
    """Sum the negative log-likelihoods of targets under softmax(hidden · weightᵀ).

    The gradient is made in the forward pass, chunk by chunk, so the logits are computed once.

    Args:
        hidden: [positions, width].
        weight: The frozen output embedding, [vocabulary, width].
        targets: [positions], int64.

    Returns:
        A scalar in fp32.
    """
    return apply(_HeadLoss, hidden, weight, targets)
