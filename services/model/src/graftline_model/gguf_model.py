"""From a GGUF's tensors and metadata to the weights and config of a Hugging Face model.

Covers the plain decoders (Llama and Mistral, Qwen2, Qwen3), tensor by tensor and without torch.
What llama.cpp's converter changed is undone: names, and for Llama the order of the query and key
rows (its rotary embedding pairs neighbours, Hugging Face's pairs halves).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType
from gguf.quants import dequantize

from graftline.errors import ConfigError, DataError
from graftline_model.safetensors_file import PlannedTensor, to_bf16

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graftline_model.gguf_header import GgufHeader, GgufTensor

Array = np.ndarray[Any, Any]

_OUTER = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}
_INNER = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
_NAME = re.compile(r"^(?:blk\.(?P<layer>\d+)\.)?(?P<part>\w+)\.(?P<leaf>weight|bias)$")
_ROPE_FACTORS = "rope_freqs.weight"
_CHUNK_VALUES = 4 << 20


@dataclass(frozen=True)
class _Family:
    model_type: str
    class_name: str
    permuted: bool


FAMILIES = {
    "llama": _Family("llama", "LlamaForCausalLM", permuted=True),
    "qwen2": _Family("qwen2", "Qwen2ForCausalLM", permuted=False),
    "qwen3": _Family("qwen3", "Qwen3ForCausalLM", permuted=False),
}


def is_plain(header: GgufHeader) -> bool:
    """Whether this module knows the architecture and every tensor of the file."""
    if header.architecture not in FAMILIES or header.get("expert_count"):
        return False
    return all(_target(name) or name == _ROPE_FACTORS for name in header.tensors)


def _target(name: str) -> tuple[str, int | None] | None:
    """Give Hugging Face's name and the layer, or nothing for an unknown tensor."""
    match = _NAME.match(name)
    if not match:
        return None
    if match["layer"] is None:
        outer = _OUTER.get(match["part"])
        return (f"{outer}.{match['leaf']}", None) if outer else None
    inner = _INNER.get(match["part"])
    layer = int(match["layer"])
    return (f"model.layers.{layer}.{inner}.{match['leaf']}", layer) if inner else None


def plan_tensors(
    header: GgufHeader, keep_layers: int | None, dtype: str
) -> tuple[list[PlannedTensor], int]:
    """List the tensors to write and the number of layers they make.

    Args:
        header: A GGUF for which `is_plain` holds.
        keep_layers: How many layers to keep; nothing for all.
        dtype: `bf16`, `fp32` or `keep` (what is stored; quantised tensors as fp32).

    Raises:
        ConfigError: `keep_layers` is more than there are.
    """
    layers = check_layers(int(header.require("block_count")), keep_layers)
    permuted = FAMILIES[header.architecture].permuted
    planned = []
    for tensor in header.tensors.values():
        target = _target(tensor.name)
        if target is None or (target[1] is not None and target[1] >= layers):
            continue
        heads = _permuted_heads(header, tensor.name) if permuted else None
        planned.append(_plan(header, tensor, target[0], _stored_as(tensor, dtype), heads))
    return planned, layers


def check_layers(layers: int, keep_layers: int | None) -> int:
    """Give the number of layers that stay.

    Raises:
        ConfigError: More are asked for than there are.
    """
    if keep_layers is not None and keep_layers > layers:
        raise ConfigError(f"keep_layers: {keep_layers} layers asked for, the model has {layers}")
    return keep_layers or layers


def _stored_as(tensor: GgufTensor, dtype: str) -> str:
    kept = {GGMLQuantizationType.F16: "F16", GGMLQuantizationType.BF16: "BF16"}
    if dtype == "keep":
        return kept.get(tensor.type, "F32")
    return {"bf16": "BF16", "fp32": "F32"}[dtype]


def _permuted_heads(header: GgufHeader, name: str) -> int | None:
    part = name.rsplit(".", 2)[-2]
    if part == "attn_q":
        return int(header.require("attention.head_count"))
    if part == "attn_k":
        return int(header.get("attention.head_count_kv", header.require("attention.head_count")))
    return None


def _plan(
    header: GgufHeader, tensor: GgufTensor, name: str, dtype: str, heads: int | None
) -> PlannedTensor:
    def blocks() -> Iterator[Array]:
        parts = _values(header, tensor, whole=heads is not None)
        for part in parts if heads is None else (_unpermute(part, heads) for part in parts):
            if dtype == "BF16":
                yield to_bf16(part)
            else:
                yield part.astype(np.float16 if dtype == "F16" else np.float32, copy=False)

    return PlannedTensor(name, dtype, tensor.shape, blocks)


def _values(header: GgufHeader, tensor: GgufTensor, *, whole: bool) -> Iterator[Array]:
    """Stream a tensor's values as fp32 rows, at most about 16 MiB at once unless `whole`."""
    columns = tensor.shape[-1]
    rows = math.prod(tensor.shape[:-1])
    block, block_bytes = GGML_QUANT_SIZES[tensor.type]
    row_bytes = columns // block * block_bytes
    step = rows if whole else max(1, _CHUNK_VALUES // columns)
    with header.path.open("rb") as file:
        file.seek(tensor.start)
        for done in range(0, rows, step):
            count = min(step, rows - done)
            raw = np.frombuffer(file.read(count * row_bytes), np.uint8)
            yield dequantize(raw.reshape(count, row_bytes), tensor.type).reshape(count, columns)


def _unpermute(values: Array, heads: int) -> Array:
    """Put rows back from llama.cpp's rotary order (pairs of neighbours) to halves, by head."""
    rows = values.reshape(heads, -1, 2, values.shape[-1] if values.shape[0] > 1 else 1)
    return np.ascontiguousarray(rows.swapaxes(1, 2)).reshape(values.shape)


def model_config(header: GgufHeader, layers: int, dtype: str) -> dict[str, Any]:
    """Rebuild `config.json` from the metadata."""
    family = FAMILIES[header.architecture]
    heads = int(header.require("attention.head_count"))
    width = int(header.require("embedding_length"))
    head_dim = int(header.get("attention.key_length") or header.get("rope.dimension_count") or 0)
    ids, rope = token_ids(header), _rope(header)
    biases = {name.split(".", 2)[2] for name in header.tensors if name.endswith(".bias")}
    config = {
        "architectures": [family.class_name],
        "model_type": family.model_type,
        "bos_token_id": ids.get("bos"),
        "eos_token_id": ids.get("eos"),
        "pad_token_id": ids.get("padding"),
        "dtype": {"BF16": "bfloat16", "F16": "float16", "F32": "float32"}[dtype],
        "head_dim": head_dim or width // heads,
        "hidden_act": "silu",
        "hidden_size": width,
        "initializer_range": 0.02,
        "intermediate_size": int(header.require("feed_forward_length")),
        "max_position_embeddings": int(header.require("context_length")),
        "num_attention_heads": heads,
        "num_hidden_layers": layers,
        "num_key_value_heads": int(header.get("attention.head_count_kv", heads)),
        "rms_norm_eps": _shortest(header.require("attention.layer_norm_rms_epsilon")),
        # transformers 5 reads `rope_parameters`, earlier ones `rope_theta`.
        "rope_parameters": rope,
        "rope_theta": rope["rope_theta"],
        "tie_word_embeddings": "output.weight" not in header.tensors,
        "use_cache": True,
        "vocab_size": header.tensors["token_embd.weight"].shape[0],
    }
    if family.model_type == "llama":
        config["attention_bias"] = "attn_q.bias" in biases
        config["mlp_bias"] = "ffn_up.bias" in biases
    elif family.model_type == "qwen3":
        config["attention_bias"] = "attn_q.bias" in biases
    return config


def token_ids(header: GgufHeader) -> dict[str, int]:
    """Give the special tokens' ids that the file states: bos, eos, eot, padding, unknown."""
    names = ("bos", "eos", "eot", "padding", "unknown")
    found = {name: header.metadata.get(f"tokenizer.ggml.{name}_token_id") for name in names}
    return {name: int(value) for name, value in found.items() if value is not None}


def generation_config(header: GgufHeader) -> dict[str, Any]:
    """Rebuild `generation_config.json`: where generation begins and all the tokens that end it."""
    ids = token_ids(header)
    ends = sorted({ids[name] for name in ("eos", "eot") if name in ids})
    return {
        "bos_token_id": ids.get("bos"),
        "eos_token_id": ends[0] if len(ends) == 1 else ends,
        "pad_token_id": ids.get("padding"),
    }


def _shortest(value: float) -> float:
    """Give the decimal that was meant before the file rounded it to fp32 (1e-05)."""
    return float(str(np.float32(value)))


def _rope(header: GgufHeader) -> dict[str, Any]:
    base = _shortest(header.get("rope.freq_base", 10000.0))
    if _ROPE_FACTORS in header.tensors:
        return {"rope_theta": base, **_llama3_rope(header, base)}
    kind = header.get("rope.scaling.type", "none")
    if kind == "none":
        return {"rope_theta": base, "rope_type": "default"}
    if kind not in ("linear", "yarn"):
        raise DataError(f"{header.path.name}: unknown rope scaling '{kind}'")
    scaling = {
        "rope_theta": base,
        "rope_type": kind,
        "factor": _shortest(header.require("rope.scaling.factor")),
    }
    if kind == "yarn":
        original = header.require("rope.scaling.original_context_length")
        scaling["original_max_position_embeddings"] = int(original)
    return scaling


def _llama3_rope(header: GgufHeader, base: float) -> dict[str, Any]:
    """Find the Llama 3 scaling whose factors the file holds.

    The converter stores only the resulting divisor of each frequency. All published models share
    the other parameters, and the divisors are computed again to prove it.

    Raises:
        DataError: They are not those of a Llama 3 scaling.
    """
    stored = np.concatenate(list(_values(header, header.tensors[_ROPE_FACTORS], whole=True)))
    factors = stored.reshape(-1)
    factor, low, high, original = float(factors.max()), 1.0, 4.0, 8192
    wavelength = 2 * math.pi * base ** (np.arange(factors.size) / factors.size)
    smooth = np.clip((original / wavelength - low) / (high - low), 0, 1)
    expected = 1 / ((1 - smooth) / factor + smooth)
    if not np.allclose(expected, factors, rtol=1e-3):
        raise DataError(f"{header.path.name}: its rope factors are not a Llama 3 scaling")
    return {
        "rope_type": "llama3",
        "factor": factor,
        "low_freq_factor": low,
        "high_freq_factor": high,
        "original_max_position_embeddings": original,
    }
