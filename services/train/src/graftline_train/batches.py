"""Which rows each optimiser step learns from, and how they are packed into forward passes.

The whole stream is a pure function of the rows' number and lengths, the config and the seed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Sequence

    from graftline_train.config import TrainConfig


def rows_per_step(config: TrainConfig) -> int:
    """Give how many rows an optimiser step learns from."""
    return config.per_device_train_batch_size * config.gradient_accumulation_steps


def count_steps(rows: int, config: TrainConfig) -> int:
    """Give the number of optimiser steps."""
    if config.max_steps is not None:
        return config.max_steps
    return max(1, math.ceil(_planned_rows(rows, config) / rows_per_step(config)))


def _planned_rows(rows: int, config: TrainConfig) -> int:
    return math.ceil(rows * (config.num_epochs or 0))


@dataclass
class BatchStream:
    """Rows by optimiser step: epoch after epoch, each in an order of its own.

    Args:
        rows: How many training rows there are.
        config: How many a step takes, and how many there are in all.
        shuffler: Gives the generator for a purpose (`ctx.random`).
    """

    rows: int
    config: TrainConfig
    shuffler: Callable[[str], random.Random]
    _epoch: int = -1
    _order: Sequence[int] = ()

    def step(self, number: int) -> list[int]:
        """Give the rows of a step, counted from 0."""
        first = number * rows_per_step(self.config)
        last = first + rows_per_step(self.config)
        if self.config.max_steps is None:
            last = min(last, _planned_rows(self.rows, self.config))
        return [self._row(place) for place in range(first, last)]

    def _row(self, place: int) -> int:
        epoch, within = divmod(place, self.rows)
        if epoch != self._epoch:
            order = list(range(self.rows))
            self.shuffler(f"epoch {epoch}").shuffle(order)
            self._epoch, self._order = epoch, order
        return self._order[within]


def pack(lengths: Sequence[int], config: TrainConfig, padded: bool = False) -> list[list[int]]:
    """Divide a step's rows into forward passes.

    Without packing, passes take per_device_train_batch_size rows in order. With it, they are
    filled longest first, so that rows of similar length meet, up to
    per_device_train_batch_size × max_length tokens. No row is cut, left out or repeated.

    Args:
        lengths: Tokens of each row; none above max_length.
        config: The batch size and the longest row.
        padded: Whether rows are padded to their pass's longest, and pads count.

    Returns:
        Indices into `lengths`, by pass.
    """
    size = config.per_device_train_batch_size
    if not config.packing:
        return [list(range(i, min(i + size, len(lengths)))) for i in range(0, len(lengths), size)]
    budget = size * config.max_length
    passes: list[list[int]] = []
    for index in sorted(range(len(lengths)), key=lambda item: -lengths[item]):
        if passes:
            current = passes[-1]
            held = (
                lengths[current[0]] * (len(current) + 1)
                if padded
                else sum(lengths[item] for item in current) + lengths[index]
            )
            if held <= budget:
                current.append(index)
                continue
        passes.append([index])
    return passes
