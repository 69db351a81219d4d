"""A tiny model with a byte-level tokenizer, and an adapter that makes it answer in JSON."""

from __future__ import annotations

import json
import warnings
from contextlib import contextmanager

import torch
from evaluate_rows import ANSWER, SYSTEM
from peft import LoraConfig, get_peft_model
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from graftline.domain.template import ChatTemplate
from graftline_evaluate.chat import Chat

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}"
    "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def make_tokenizer():
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    specials = ["<pad>", "<|im_start|>", "<|im_end|>"]
    vocabulary = {token: index for index, token in enumerate([*specials, *alphabet])}
    tokenizer = Tokenizer(models.BPE(vocabulary, [], unk_token=None))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<|im_end|>"
    )
    fast.add_special_tokens({"additional_special_tokens": ["<|im_start|>"]})
    # An answer that is one token is soon learned.
    fast.add_tokens([ANSWER])
    fast.chat_template = CHATML
    return fast


def make_chat(template=CHATML):
    return Chat(make_tokenizer(), ChatTemplate({"default": template}, {}))


def make_model(vocabulary, *, seed=0, context=1024):
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=48,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=context,
        initializer_range=0.2,
        bos_token_id=None,
        eos_token_id=2,
        pad_token_id=0,
        tie_word_embeddings=True,
    )
    return LlamaForCausalLM(config).eval()


def save_model(folder, **options):
    tokenizer = make_tokenizer()
    model = make_model(len(tokenizer), **options)
    model.generation_config.eos_token_id = 2
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    (folder / "graftline-model.json").write_text(
        json.dumps({"name": "tiny/random", "revision": "r1", "uri": "test:"})
    )
    return folder


@contextmanager
def peft_warnings():
    """PEFT asks transformers for something under its old name; nothing else may warn."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)
        yield


def save_adapter(folder, model_folder, *, steps=30):
    """Train an adapter that always gives `ANSWER`; with 0 steps it changes nothing."""
    tokenizer = make_tokenizer()
    torch.manual_seed(1)
    base = LlamaForCausalLM.from_pretrained(model_folder)
    config = LoraConfig(r=8, lora_alpha=16, target_modules="all-linear", task_type="CAUSAL_LM")
    with peft_warnings():
        model = get_peft_model(base, config)
    prompts = [
        tokenizer.apply_chat_template(
            [{"role": "system", "content": SYSTEM}, {"role": "user", "content": text}],
            add_generation_prompt=True,
            tokenize=False,
        )
        for text in ("eval: refund ORD-001", "ood: please cancel it", "x")
    ]
    target = tokenizer(ANSWER + "<|im_end|>")["input_ids"]
    rows = [(tokenizer(prompt)["input_ids"], target) for prompt in prompts]
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=2e-2)
    model.train()
    for step in range(steps):
        prompt, wanted = rows[step % len(rows)]
        ids = torch.tensor([prompt + wanted])
        labels = torch.tensor([[-100] * len(prompt) + wanted])
        loss = model(input_ids=ids, labels=labels).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.save_pretrained(folder)
    return folder
