"""The training loop."""

from __future__ import annotations

import math
import statistics
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch.nn.utils import clip_grad_norm_

from graftline.errors import Cancelled, DataError
from graftline_train import checkpoint
from graftline_train.batches import BatchStream, count_steps, pack
from graftline_train.checkpoint import Position
from graftline_train.schedule import learning_rate

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from torch import nn

    from graftline.context import Context
    from graftline_train.config import TrainConfig, TrainRuntime
    from graftline_train.passes import Passes
    from graftline_train.rows import Row, RowTable
    from graftline_train.trackers import Tracker


@dataclass
class Trainer:
    """One training run: all that a step needs, and where the run stands.

    Args:
        ctx: The step's context.
        config: The step's config.
        passes: How losses are computed.
        parameters: The adapter's trained parameters, by name.
        train: Rows to learn from.
        held_out: Rows whose loss is only measured.
        trackers: Where curves go besides the log.
        facts: What the adapter's bytes depend on besides config and seed.
    """

    ctx: Context[TrainRuntime]
    config: TrainConfig
    passes: Passes
    parameters: dict[str, nn.Parameter]
    train: RowTable
    held_out: Sequence[Row]
    trackers: Sequence[Tracker]
    facts: dict[str, Any]
    log: list[dict[str, Any]] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    step: int = 0
    tokens: int = 0

    def __post_init__(self) -> None:
        """Make the optimiser and the batch stream."""
        config = self.config
        self.steps = count_steps(len(self.train), config)
        self._stream = BatchStream(len(self.train), config, self.ctx.random)
        self._optimizer = torch.optim.AdamW(
            self.parameters.values(),
            lr=config.learning_rate,
            betas=(config.adam_beta1, config.adam_beta2),
            eps=config.adam_epsilon,
            weight_decay=config.weight_decay,
            fused=True,
        )
        self._saved_s = time.monotonic()
        self._saved_step = 0

    def resume(self, position: Position, folder: Path) -> None:
        """Go on from a checkpoint."""
        checkpoint.load(folder, position.step, self.parameters, self._optimizer)
        self.passes.refresh()
        self.step, self.tokens, self.log = position.step, position.tokens, position.log
        self._saved_step = position.step

    def run(self) -> None:
        """Train to the last step.

        Raises:
            Cancelled: Somebody asked to stop; a checkpoint was saved.
            DataError: The loss is no longer a number.
        """
        self.ctx.progress(self.step, self.steps, "steps")
        while self.step < self.steps:
            began = time.monotonic()
            rows = [self.train[index] for index in self._stream.step(self.step)]
            line = self._optimise(rows)
            tokens = sum(len(row.ids) for row in rows)
            self.rates.append(tokens / (time.monotonic() - began))
            self.step += 1
            self.tokens += tokens
            self._note({"step": self.step, **line, "tokens": self.tokens})
            self.ctx.progress(self.step, self.steps, "steps")
            last = self.step == self.steps
            if self.held_out and (last or _due(self.step, self.config.eval_steps)):
                self._note({"step": self.step, "eval_loss": self.evaluate()})
            if not last and self._save_is_due():
                self.save()

    def evaluate(self) -> float:
        """Give the mean loss over the learned tokens of the held-out rows."""
        total = 0.0
        with torch.no_grad():
            for chosen in self._packed(self.held_out):
                self._stop_if_asked()
                total += float(self.passes.loss(chosen, training=False))
        return total / sum(row.targets for row in self.held_out)

    def save(self) -> None:
        """Save a checkpoint."""
        position = Position(self.step, self.tokens, self.log, self.facts)
        checkpoint.save(self.ctx, self.parameters, self._optimizer, position)
        self._saved_s, self._saved_step = time.monotonic(), self.step

    def _optimise(self, rows: Sequence[Row]) -> dict[str, float]:
        """Do one optimiser step; give its loss, rate and gradient norm."""
        # What is random in a step depends on its number alone, so a checkpoint needs no RNG state.
        torch.manual_seed(self.ctx.random(f"step {self.step}").getrandbits(63))
        targets = sum(row.targets for row in rows)
        self._optimizer.zero_grad()
        total = 0.0
        for chosen in self._packed(rows):
            self._stop_if_asked()
            loss = self.passes.loss(chosen, training=True) / targets
            loss.backward()  # type: ignore[no-untyped-call]
            total += float(loss.detach())
        norm = float(
            clip_grad_norm_(self.parameters.values(), self.config.max_grad_norm or math.inf)
        )
        if not (math.isfinite(total) and math.isfinite(norm)):
            raise DataError(
                f"the loss is no longer a number (loss {total}, gradient norm {norm}) at step "
                f"{self.step + 1} of {self.steps}",
                "lower learning_rate or raise the warm-up; with dtype bf16, try fp32",
            )
        rate = learning_rate(self.config, self.step, self.steps)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        self._optimizer.step()
        self.passes.refresh()
        return {"loss": total, "learning_rate": rate, "grad_norm": norm}

    def _packed(self, rows: Sequence[Row]) -> list[list[Row]]:
        lengths = [len(row.ids) for row in rows]
        packs = pack(lengths, self.config, self.passes.padded)
        return [[rows[index] for index in indices] for indices in packs]

    def _stop_if_asked(self) -> None:
        """Leave between two passes; the step that was begun is done again after a resume."""
        if self.ctx.stopping:
            if self.step > self._saved_step:
                self.save()
            raise Cancelled(f"stopped on request after step {self.step} of {self.steps}")

    def _save_is_due(self) -> bool:
        runtime = self.ctx.runtime
        waited = time.monotonic() - self._saved_s
        return _due(self.step, runtime.checkpoint_every_steps) or bool(
            runtime.checkpoint_every_s and waited >= runtime.checkpoint_every_s
        )

    def _note(self, line: dict[str, Any]) -> None:
        """Put a line into the log and tell everybody."""
        self.log.append(line)
        step = int(line["step"])
        values = {name: float(value) for name, value in line.items() if name != "step"}
        for name in ("loss", "eval_loss", "learning_rate"):
            if name in values:
                self.ctx.metric(name, values[name], step)
        for tracker in self.trackers:
            tracker.point(values, step)
        if "eval_loss" in values:
            self.ctx.log(f"step {step}/{self.steps}: eval loss {values['eval_loss']:.4f}")
        elif _due(step, self.ctx.runtime.log_every) or step in (1, self.steps):
            rate = statistics.median(self.rates[-self.ctx.runtime.log_every :])
            self.ctx.log(
                f"step {step}/{self.steps}: loss {values['loss']:.4f}, {rate:,.0f} tokens/s"
            )


def _due(step: int, every: int) -> bool:
    return every > 0 and step % every == 0
