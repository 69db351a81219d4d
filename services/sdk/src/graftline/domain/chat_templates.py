"""Chat templates of model families, for base models that have none of their own.

Each is Jinja, in the layout that the family's instruction-tuned models publish, except that

- contents are written as they are, where some families trim them: a template language without
  `trim` (Ollama's) must be able to say the same;
- a system prompt stands before the first question in families without a system role (Gemma,
  Mistral), and stays there, so that a conversation's beginning never changes while it grows;
- nothing depends on the day.

The begin token is not part of them: see `with_begin`.
"""

from __future__ import annotations

from dataclasses import dataclass

_ALTERNATE = (
    "{%- if message['role'] != ('user' if loop.index0 % 2 == 0 else 'assistant') -%}"
    "{{- raise_exception('after an optional system message, user and assistant must alternate') -}}"
    "{%- endif -%}"
)
_TURNS = (
    "{%- set system = messages[0]['content'] if messages[0]['role'] == 'system' else '' -%}"
    "{%- set turns = messages[1:] if messages[0]['role'] == 'system' else messages -%}"
    "{%- for message in turns -%}" + _ALTERNATE
)
_OPENING = "{{- system + '\\n\\n' if loop.first and system else '' -}}"
_MARKED = (
    "{%- for message in messages -%}"
    "{{- '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' -}}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n' -}}{%- endif -%}"
)


@dataclass(frozen=True)
class ChatFamily:
    """A family's layout of conversations.

    Args:
        name: What users call it.
        template: The Jinja text, without the begin token.
        marks: Tokens that a tokenizer must have for it; `eos_token` stands for its end token.
    """

    name: str
    template: str
    marks: tuple[str, ...]


FAMILIES = {
    family.name: family
    for family in (
        # https://github.com/tatsu-lab/stanford_alpaca#data-release; a system prompt takes the
        # place of the first line.
        ChatFamily(
            "alpaca",
            _TURNS + "{%- if message['role'] == 'user' -%}"
            "{%- if loop.first -%}"
            "{{- system or 'Below is an instruction that describes a task. Write a response that "
            "appropriately completes the request.' -}}"
            "{{- '\\n\\n' -}}"
            "{%- endif -%}"
            "{{- '### Instruction:\\n' + message['content'] + '\\n\\n' -}}"
            "{%- else -%}"
            "{{- '### Response:\\n' + message['content'] + eos_token + '\\n\\n' -}}"
            "{%- endif -%}"
            "{%- endfor -%}"
            "{%- if add_generation_prompt -%}{{- '### Response:\\n' -}}{%- endif -%}",
            ("eos_token",),
        ),
        ChatFamily("chatml", _MARKED, ("<|im_start|>", "<|im_end|>")),
        # Llama 3, without the dates that 3.1 and later put before the system prompt.
        ChatFamily(
            "llama",
            "{%- for message in messages -%}"
            "{{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' -}}"
            "{{- message['content'] + '<|eot_id|>' -}}"
            "{%- endfor -%}"
            "{%- if add_generation_prompt -%}"
            "{{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' -}}"
            "{%- endif -%}",
            ("<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"),
        ),
        # https://ai.google.dev/gemma/docs/core/prompt-structure
        ChatFamily(
            "gemma",
            _TURNS
            + "{{- '<start_of_turn>' + ('model' if message['role'] == 'assistant' else 'user') -}}"
            + "{{- '\\n' -}}"
            + _OPENING
            + "{{- message['content'] + '<end_of_turn>\\n' -}}"
            "{%- endfor -%}"
            "{%- if add_generation_prompt -%}{{- '<start_of_turn>model\\n' -}}{%- endif -%}",
            ("<start_of_turn>", "<end_of_turn>"),
        ),
        # ChatML with the default system prompt of Qwen 2.5, which its models were tuned with.
        ChatFamily(
            "qwen",
            "{%- if messages[0]['role'] != 'system' -%}"
            "{{- '<|im_start|>system\\nYou are Qwen, created by Alibaba Cloud. You are a helpful "
            "assistant.<|im_end|>\\n' -}}"
            "{%- endif -%}" + _MARKED,
            ("<|im_start|>", "<|im_end|>"),
        ),
        # Mistral 7B v0.3: one space after [INST] and before an answer, none before [/INST].
        ChatFamily(
            "mistral",
            _TURNS + "{%- if message['role'] == 'user' -%}"
            "{{- '[INST] ' -}}" + _OPENING + "{{- message['content'] + '[/INST]' -}}"
            "{%- else -%}"
            "{{- ' ' + message['content'] + eos_token -}}"
            "{%- endif -%}"
            "{%- endfor -%}",
            ("eos_token",),
        ),
    )
}


def with_begin(family: ChatFamily, *, begins: bool) -> str:
    """Give a family's template for a tokenizer.

    Args:
        family: Which.
        begins: Whether the tokenizer puts its begin token before every text. A chat template has
            to say that token itself, because its text is tokenised without additions.
    """
    return ("{{- bos_token -}}" if begins else "") + family.template
