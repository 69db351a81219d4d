"""A Llama-family decoder rebuilt from a PEFT model: the same parameters, far less work."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from graftline_train.fast.attention import attend
from graftline_train.fast.linear import FusedLinear
from graftline_train.fast.loss import head_loss
from graftline_train.fast.pointwise import rms_norm, rotate, swiglu

if TYPE_CHECKING:
    from torch import Tensor, nn

    from graftline_train.fast.layout import Layout

FAMILIES = ("llama", "mistral", "qwen2")
ROPE_TYPES = ("default", "linear", "llama3", "yarn")
LINEARS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


def why_not(config: Any, max_length: int) -> str:
    """Say why a model cannot take the fast path; an empty text if it can.

    Args:
        config: The model's Transformers config.
        max_length: The longest row's tokens.
    """
    rope = (getattr(config, "rope_parameters", None) or {}).get("rope_type", "default")
    windows = "sliding_attention" in (getattr(config, "layer_types", None) or ())
    window = getattr(config, "sliding_window", None)
    checks = (
        (config.model_type in FAMILIES, f"the architecture '{config.model_type}'"),
        (config.hidden_act == "silu" if config.model_type in FAMILIES else True, "its activation"),
        (rope in ROPE_TYPES, f"rope type '{rope}'"),
        (not getattr(config, "attention_dropout", 0.0), "attention dropout"),
        (
            not window or window >= max_length or (config.model_type == "qwen2" and not windows),
            f"a sliding window of {window} tokens",
        ),
    )
    return ", ".join(reason for fine, reason in checks if not fine)


@dataclass(frozen=True)
class _Block:
    before_attention: Tensor
    qkv: FusedLinear
    out: FusedLinear
    before_mlp: Tensor
    gate_up: FusedLinear
    down: FusedLinear


class FastDecoder:
    """Computes the summed loss of a pass with the PEFT model's own parameters.

    Args:
        model: A PEFT model of one of `FAMILIES`, with LoRA on some of `LINEARS`; its frozen
            weights are taken over (they become views) and must not be moved afterwards.
        dropout: LoRA dropout.
    """

    def __init__(self, model: Any, dropout: float) -> None:
        """Take the parameters over."""
        causal = model.get_base_model()
        self._config = causal.config
        decoder = causal.model
        self._embedding: Tensor = decoder.embed_tokens.weight
        self._rotary = decoder.rotary_emb
        self._norm: Tensor = decoder.norm.weight
        self._head: Tensor = causal.lm_head.weight
        self._epsilon = float(self._config.rms_norm_eps)
        self._blocks = [_block(layer, dropout) for layer in decoder.layers]
        self.refresh()

    def refresh(self) -> None:
        """Take up the trained factors after they changed."""
        for block in self._blocks:
            for linear in (block.qkv, block.out, block.gate_up, block.down):
                linear.refresh()

    def loss(self, layout: Layout, training: bool) -> Tensor:
        """Sum the loss over a pass's wanted positions, as an fp32 scalar.

        Args:
            layout: The pass.
            training: Whether LoRA dropout is drawn.
        """
        config = self._config
        queries, keys = config.num_attention_heads, config.num_key_value_heads
        x = self._embedding[layout.ids]
        cos, sin = self._rotary(x, layout.positions.unsqueeze(0))
        half = cos.shape[-1] // 2
        cos, sin = (part[0, :, None, :half].contiguous() for part in (cos, sin))
        for number, block in enumerate(self._blocks):
            normed = rms_norm(x, block.before_attention, self._epsilon)
            heads = block.qkv(normed, training).view(x.shape[0], queries + 2 * keys, -1)
            mixed = attend(rotate(heads, queries + keys, cos, sin), layout, queries, keys)
            if number == len(self._blocks) - 1:
                # Nothing after the last attention mixes positions: go on with the wanted ones.
                mixed, x = mixed[layout.wanted], x[layout.wanted]
            x = x + block.out(mixed, training)
            normed = rms_norm(x, block.before_mlp, self._epsilon)
            x = x + block.down(swiglu(block.gate_up(normed, training)), training)
        return head_loss(rms_norm(x, self._norm, self._epsilon), self._head, layout.targets)


def _block(layer: nn.Module, dropout: float) -> _Block:
    attention: Any = layer.self_attn
    mlp: Any = layer.mlp
    return _Block(
        before_attention=layer.input_layernorm.weight,  # type: ignore[union-attr,arg-type]
        qkv=FusedLinear([attention.q_proj, attention.k_proj, attention.v_proj], dropout),
        out=FusedLinear([attention.o_proj], dropout),
        before_mlp=layer.post_attention_layernorm.weight,  # type: ignore[union-attr,arg-type]
        gate_up=FusedLinear([mlp.gate_proj, mlp.up_proj], dropout),
        down=FusedLinear([mlp.down_proj], dropout),
    )
