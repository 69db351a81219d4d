"""What has to be kept to go on after a stop exactly where it was."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from safetensors.torch import load_file, save_file

from graftline.errors import BugError

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor, nn
    from torch.optim import Optimizer

    from graftline.context import Context
    from graftline_train.config import TrainRuntime

NAME = "training"
_MOMENTS = ("exp_avg", "exp_avg_sq")


@dataclass(frozen=True)
class Position:
    """Where a training run stands; what is random in a step depends on its number alone.

    Args:
        step: Optimiser steps done.
        tokens: Tokens seen.
        log: Lines of the log so far.
        facts: What the bytes depend on besides config and seed: dtype, threads, versions.
    """

    step: int
    tokens: int
    log: list[dict[str, Any]]
    facts: dict[str, Any]


def save(
    ctx: Context[TrainRuntime],
    parameters: dict[str, nn.Parameter],
    optimizer: Optimizer,
    position: Position,
) -> None:
    """Keep adapter, optimiser and position; all of it or nothing becomes visible."""
    folder = ctx.scratch("checkpoint")
    save_file(
        {name: item.detach().cpu() for name, item in parameters.items()},
        folder / "adapter.safetensors",
    )
    moments: dict[str, Tensor] = {}
    for name, parameter in parameters.items():
        for moment in _MOMENTS:
            moments[f"{moment}.{name}"] = optimizer.state[parameter][moment].detach().cpu()
    save_file(moments, folder / "optimizer.safetensors")
    state = {"step": position.step, "tokens": position.tokens, "facts": position.facts}
    (folder / "state.json").write_text(json.dumps(state))
    (folder / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in position.log))
    ctx.checkpoint(NAME, folder)


def peek(ctx: Context[TrainRuntime]) -> tuple[Position, Path] | None:
    """Bring the last checkpoint back, if there is one; give its position and its folder."""
    folder = ctx.scratch("restored")
    if not ctx.restore(NAME, folder):
        return None
    state = json.loads((folder / "state.json").read_text())
    log = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return Position(state["step"], state["tokens"], log, state["facts"]), folder


def load(
    folder: Path, step: int, parameters: dict[str, nn.Parameter], optimizer: Optimizer
) -> None:
    """Put a checkpoint's tensors into a fresh adapter and optimiser.

    Raises:
        BugError: It is of another adapter; the step's key should have told them apart.
    """
    import torch

    weights = load_file(folder / "adapter.safetensors")
    moments = load_file(folder / "optimizer.safetensors")
    if weights.keys() != parameters.keys():
        raise BugError("the checkpoint holds other parameters than this adapter")
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(weights[name])
            optimizer.state[parameter] = {
                # AdamW counts its steps in a tensor of each parameter.
                "step": torch.tensor(float(step), device=parameter.device),
                **{moment: moments[f"{moment}.{name}"].to(parameter.device) for moment in _MOMENTS},
            }
