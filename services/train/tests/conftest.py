"""Tiny random models and training sets."""

import json
import random
import warnings
from types import SimpleNamespace

import pytest
import torch
from peft import PeftModel
from transformers import (
    AutoModelForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
)

from graftline.domain.rows import TRAINING_ROWS, RowWriter

VOCABULARY = 97
SHAPE = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 56,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}


@pytest.fixture(autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def random_model(family):
    """Make a tiny model with weights large enough for every part to matter."""
    torch.manual_seed(5)
    if family == "llama":
        model = LlamaForCausalLM(LlamaConfig(**SHAPE, tie_word_embeddings=True))
    elif family == "mistral":
        model = MistralForCausalLM(MistralConfig(**SHAPE, head_dim=16, sliding_window=None))
    elif family == "qwen2":
        model = Qwen2ForCausalLM(Qwen2Config(**SHAPE, tie_word_embeddings=False))
    else:
        model = GPT2LMHeadModel(
            GPT2Config(vocab_size=VOCABULARY, n_positions=256, n_embd=32, n_layer=2, n_head=2)
        )
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return model


def save_model(family, folder):
    folder.mkdir(parents=True, exist_ok=True)
    random_model(family).save_pretrained(folder)
    card = {"name": f"tests/{family}", "revision": "abc123", "uri": "test://"}
    (folder / "graftline-model.json").write_text(json.dumps(card))
    return folder


def token_rows(count, seed=3, split="train", shared=20):
    """Make rows with a common beginning, a prompt, and an answer that follows from the prompt."""
    generator = random.Random(f"{seed} {split}")
    beginning = [3 + (i * 7) % 90 for i in range(shared)]
    rows = []
    for index in range(count):
        prompt = [generator.randrange(3, VOCABULARY) for _ in range(generator.randint(2, 30))]
        answer = [prompt[0]] * generator.randint(2, 8) + [2]
        ids = beginning + prompt + answer
        mask = [False] * (len(beginning) + len(prompt)) + [True] * len(answer)
        rows.append(
            {"id": f"{split}-{index:04d}", "split": split, "input_ids": ids, "loss_mask": mask}
        )
    return rows


def save_rows(rows, folder):
    folder.mkdir(parents=True, exist_ok=True)
    with RowWriter(folder, TRAINING_ROWS) as writer:
        for row in rows:
            writer.write(row)
    return folder


def load_adapter(model_folder, adapter_folder):
    """Load an adapter as its users do, in fp32."""
    base = AutoModelForCausalLM.from_pretrained(model_folder, dtype=torch.float32)
    with warnings.catch_warnings():
        # PEFT asks Transformers for a property that Transformers has renamed.
        warnings.simplefilter("ignore", FutureWarning)
        return PeftModel.from_pretrained(base, adapter_folder).eval()


@pytest.fixture
def llama(tmp_path):
    return save_model("llama", tmp_path / "llama")


@pytest.fixture
def training_set(tmp_path):
    rows = token_rows(24) + token_rows(5, split="eval")
    return save_rows(rows, tmp_path / "training-set")


@pytest.fixture(scope="session")
def kit():
    """The functions above, for tests (which cannot import this file)."""
    return SimpleNamespace(
        random_model=random_model,
        save_model=save_model,
        load_adapter=load_adapter,
        token_rows=token_rows,
        save_rows=save_rows,
        vocabulary=VOCABULARY,
    )
