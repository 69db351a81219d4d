"""The learning rate of each optimiser step."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from graftline_train.config import TrainConfig


def warmup_steps(config: TrainConfig, steps: int) -> int:
    """Give the number of warm-up steps."""
    if config.warmup_steps is not None:
        return config.warmup_steps
    return math.ceil(steps * (config.warmup_ratio or 0.0))


def learning_rate(config: TrainConfig, step: int, steps: int) -> float:
    """Give the rate of a step, counted from 0.

    As Transformers' schedules, but for the warm-up, which begins above 0: no step is wasted.
    """
    warmup = warmup_steps(config, steps)
    if step < warmup:
        return config.learning_rate * (step + 1) / (warmup + 1)
    if config.lr_scheduler_type == "constant":
        return config.learning_rate
    done = (step - warmup) / max(1, steps - warmup)
    cosine = config.lr_scheduler_type == "cosine"
    share = 0.5 * (1 + math.cos(math.pi * done)) if cosine else 1 - done
    return config.learning_rate * max(0.0, share)
