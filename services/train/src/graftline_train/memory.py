"""Whether a training run will fit, said before it starts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from graftline.errors import ConfigError
from graftline_train.batches import rows_per_step
from graftline_train.model import linear_layers

if TYPE_CHECKING:
    from graftline.context import Context
    from graftline_train.config import TrainConfig, TrainRuntime
    from graftline_train.model import BaseModel

_BYTES = {"bf16": 2, "fp32": 4}
# Weights, block scales and their own scales (double quantization), a weight.
_NF4_BYTES = 0.5 + 1 / 64 + 4 / (64 * 256)
# The interpreter, torch and transformers.
_PROGRAM_BYTES = 600e6
# An estimate is refused only where it is far over.
_TOLERANCE = 1.3


@dataclass(frozen=True)
class Estimate:
    """Bytes that a run will hold at its peak, by what they are for.

    Args:
        model: The frozen weights.
        adapter: LoRA weights, gradients, both AdamW moments.
        activations: What a pass keeps for its backward half, and the logits at work.
        pass_tokens: The longest pass's tokens.
    """

    model: float
    adapter: float
    activations: float
    pass_tokens: int

    @property
    def total(self) -> float:
        """All of it, with the program itself."""
        return self.model + self.adapter + self.activations + _PROGRAM_BYTES


def estimate(
    base: BaseModel, config: TrainConfig, dtype: str, longest: int, fast: bool
) -> Estimate:
    """Estimate the peak from the model's shapes.

    Args:
        base: The model.
        config: Ranks, batch and packing.
        dtype: `bf16` or `fp32`.
        longest: Tokens of the longest row.
        fast: Whether the fast path is taken.
    """
    layers = linear_layers(base)
    wide = {
        name: layer
        for name, layer in layers.items()
        if isinstance(config.target_modules, str)
        or name.rpartition(".")[2] in config.target_modules
    }
    size = _BYTES[dtype]
    weights = sum(parameter.numel() for parameter in base.skeleton.parameters())
    in_layers = sum(layer.weight.numel() for layer in layers.values())
    model = weights * size
    if config.quantization == "nf4":
        model = (weights - in_layers) * size + in_layers * _NF4_BYTES
    lora = sum(config.lora_r * (item.in_features + item.out_features) for item in wide.values())
    tokens = longest * config.per_device_train_batch_size
    if config.packing:
        budget = max(longest, config.per_device_train_batch_size * config.max_length)
        tokens = min(budget, longest * rows_per_step(config))
    through = sum(item.in_features + item.out_features for item in layers.values())
    heads = getattr(base.config, "num_attention_heads", 0)
    blocks = getattr(base.config, "num_hidden_layers", 0)
    scores = heads * blocks * longest
    head = base.skeleton.get_output_embeddings()
    vocabulary = head.weight.shape[0] if head is not None else 0
    if fast:
        activations = tokens * (1.3 * through + scores) * size + (64 << 20)
    else:
        # Transformers keeps more, and all logits: as computed, in fp32, and their gradient.
        activations = tokens * (2.2 * through + 2 * scores) * size + tokens * vocabulary * 10
    return Estimate(model, lora * (16 + size), activations, tokens)


def check_memory(ctx: Context[TrainRuntime], needed: Estimate, free: int, where: str) -> None:
    """Say what is needed and what is free; refuse what cannot fit.

    Raises:
        ConfigError: The frozen model and the optimiser alone do not fit, or the whole is far
            above what is free.
    """
    text = (
        f"memory: about {_gb(needed.total)} needed (model {_gb(needed.model)}, adapter and "
        f"optimiser {_gb(needed.adapter)}, passes of up to {needed.pass_tokens} tokens "
        f"{_gb(needed.activations)}); {_gb(free)} free on the {where}"
    )
    hint = (
        "lower per_device_train_batch_size (and raise gradient_accumulation_steps) or "
        "max_length, or set quantization: nf4"
    )
    if needed.model + needed.adapter > free or needed.total > _TOLERANCE * free:
        raise ConfigError(f"this training does not fit. {text}", hint)
    if needed.total > free:
        ctx.log(f"{text}: this may not fit; {hint}", "warning")
    else:
        ctx.log(text)


def _gb(size: float) -> str:
    return f"{size / 1e9:.1f} GB"
