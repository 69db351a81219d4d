"""Perplexity is of exactly the tokens that training has targets for: held against `format`."""

from __future__ import annotations

import json

import evaluate_rows
import pyarrow.parquet as pq
import pytest
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from graftline.domain.chat_templates import FAMILIES, with_begin
from graftline.domain.examples import example, message
from graftline.testkit.local import run_stage
from graftline_evaluate.dataset import read_eval_rows
from graftline_evaluate.loading import load_chat
from graftline_evaluate.prompts import make_prompts
from graftline_evaluate.targets import gold_targets

ANSWERS = [
    "Because it is.",
    "\n\nIt begins with line breaks.",
    "  It begins with blanks.",
    "It ends with blanks. \n\n",
    "Änna says: 🙂",
    "It holds <|im_end|> and </s>, and ends with one: <|im_end|>",
    '{"intent": "shipping", "order_id": null}',
]
CORPUS = [
    *ANSWERS,
    "### Response: assistant user model [INST] why is it?\n\n\n\n",
    "\n\n\n",
    "]\n\n",
]
# As Mistral-7B-Instruct-v0.3: with an answer behind it, the system message is gone.
MOVING = (
    "{{- bos_token -}}"
    "{%- set system = messages[0]['content'] if messages[0]['role'] == 'system' else '' -%}"
    "{%- for m in messages if m['role'] != 'system' -%}"
    "{%- if m['role'] == 'user' -%}"
    "{{- '[INST] ' + (system + '\\n\\n' if loop.last and system else '') + m['content'] -}}"
    "{{- '[/INST]' -}}"
    "{%- else -%}{{- ' ' + m['content'] + eos_token -}}{%- endif -%}"
    "{%- endfor -%}"
)
THINKING = (
    "{%- for m in messages -%}{{- '<|im_start|>' + m['role'] + '\\n' -}}"
    "{%- if m['role'] == 'assistant' and loop.last -%}{{- '<think>\\n\\n</think>\\n\\n' -}}"
    "{%- endif -%}{{- m['content'] + '<|im_end|>\\n' -}}{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\\n' }}{%- endif -%}"
)
WITHOUT_END = (
    "{%- for m in messages -%}{{- '### ' + m['role'] + ':\\n' + m['content'] + '\\n\\n' -}}"
    "{%- endfor -%}{%- if add_generation_prompt -%}{{ '### assistant:\\n' }}{%- endif -%}"
)
CALLING = (
    "{%- for t in tools or [] -%}{{- t | tojson -}}{%- endfor -%}"
    "{%- for m in messages -%}{{- '<|im_start|>' + m['role'] + '\\n' -}}"
    "{{- m['tool_calls'][0].function.arguments.city if m['tool_calls'] else m['content'] -}}"
    "{{- '<|im_end|>\\n' -}}{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\\n' }}{%- endif -%}"
)
# As SmolLM3: it asks for the day and nothing else.
DATED = (
    "{{- '<|im_start|>system\\nToday: ' + strftime_now('%d %B %Y') + '<|im_end|>\\n' -}}"
    "{%- for m in messages -%}"
    "{{- '<|im_start|>' + m['role'] + '\\n' + m['content'] + '<|im_end|>\\n' -}}{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\\n' }}{%- endif -%}"
)
TEMPLATES = {
    **{name: (with_begin(family, begins=True), family.marks) for name, family in FAMILIES.items()},
    "moving system": (MOVING, ()),
    "thinking": (THINKING, ("<|im_start|>", "<|im_end|>")),
    "without end": (WITHOUT_END, ()),
    "dated": (DATED, ("<|im_start|>", "<|im_end|>")),
    "calling": (CALLING, ("<|im_start|>", "<|im_end|>")),
}


def byte_level(special):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    train(tokenizer, special, alphabet, 450)
    return tokenizer


def piece_level(special):
    """Of SentencePiece's kind: a text of its own begins with a space."""
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("\n+|▁?[^▁\n]+"), "isolated")
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.Fuse()])
    train(tokenizer, ["<unk>", *special], sorted(set("".join(CORPUS)) | {"▁"}), 250)
    return tokenizer


def train(tokenizer, special, alphabet, size):
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(CORPUS, trainer)


def write_model(folder, make, template, marks):
    folder.mkdir()
    special = dict.fromkeys(["<s>", "</s>", *(mark for mark in marks if mark != "eos_token")])
    make(list(special)).save(str(folder / "tokenizer.json"))
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<s>"}
    settings["eos_token"] = "</s>"
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    (folder / "chat_template.jinja").write_text(template)
    (folder / "config.json").write_text(json.dumps({"max_position_embeddings": 4096}))
    return folder


def make_rows():
    rows = []
    for number, answer in enumerate(ANSWERS):
        for system in ("", "Be brief."):
            turns = [message("system", system)] if system else []
            turns += [message("user", f"why is it {number}?"), message("assistant", answer)]
            rows.append(example(messages=turns, split="eval", group=str(number), task="t"))
    return rows


def make_call():
    function = {"name": "weather", "arguments": '{"city": "Łódź"}'}
    call = {"id": "1", "type": "function", "function": function}
    turns = [message("user", "How is it?"), message("assistant", None, tool_calls=[call])]
    turns += [message("tool", "rain", tool_call_id="1"), message("assistant", "Wet.")]
    tools = [{"type": "function", "function": {"name": "weather"}}]
    return example(messages=turns, split="eval", group="call", task="t", tools=tools)


@pytest.mark.parametrize("make", [byte_level, piece_level])
@pytest.mark.parametrize("name", TEMPLATES)
def test_what_counts_is_what_is_learned(tmp_path, name, make):
    descriptor = pytest.importorskip(
        "graftline_format.descriptor", reason="graftline-format is not installed beside evaluate"
    )
    model = write_model(tmp_path / "model", make, *TEMPLATES[name])
    rows = [make_call()] if name == "calling" else make_rows()
    examples = evaluate_rows.write_examples(tmp_path / "examples", rows)
    config = {"splits": ["eval"], "validation_share": 0, "exports": []}
    inputs = {"examples": examples, "model": model}
    run = run_stage(descriptor.STAGE, tmp_path / "work", config=config, inputs=inputs)
    learned = {
        row["id"]: (row["input_ids"], [at for at, learn in enumerate(row["loss_mask"]) if learn])
        for path in run.outputs["training_set"].glob("*.parquet")
        for row in pq.read_table(path).to_pylist()
    }
    assert run.result.rejected.keys() <= {"answer-joins-prompt"}
    assert len(learned) >= len(rows) - 4

    chat = load_chat(model)
    asked = read_eval_rows(examples, ["eval"], None)
    targets = gold_targets(asked, make_prompts(chat, asked, None, 5000, with_gold=True), 5000)
    apart = 0
    for index, row in enumerate(asked):
        if row.id not in learned:
            continue
        tokens = [*targets.prefix, *targets.rests[index]]
        start = len(targets.prefix) + targets.starts[index]
        assert (tokens, list(range(start, len(tokens)))) == learned[row.id], row.gold
        text = chat.tokenizer.decode(tokens, clean_up_tokenization_spaces=False)
        apart += chat.tokens_of(text) != tokens
    # Rows of both ways of tokenising are among them, where a template ends with a line break.
    if make is byte_level and name in {"alpaca", "chatml", "llama", "gemma", "qwen"}:
        assert 0 < apart < len(learned)
