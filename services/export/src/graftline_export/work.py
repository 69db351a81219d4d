"""What every part of an export needs, and what base + adapter answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from graftline_export.modelfile import safe_name

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import torch

    from graftline.context import Context
    from graftline.domain.template import ChatTemplate
    from graftline.ports import Inputs
    from graftline_export.adapter import BaseModel
    from graftline_export.config import ExportConfig, ExportRuntime
    from graftline_export.prompts import Prompt

MOST_CONTEXT = 8192
STEPS = ("load", "merge", "answers", "merged", "gguf", "llama.cpp", "ollama", "files")


@dataclass(frozen=True)
class Work:
    """What every part of this step needs.

    Args:
        ctx: The step's context.
        config: Its settings.
        inputs: Its inputs.
        target: The bundle's folder.
        base: The base model's identity.
        lora: The adapter's PEFT config.
        tokenizer: The model's.
        template: The model's chat template.
        threads: CPU threads.
        system: The system prompt of the Modelfiles; empty for none.
    """

    ctx: Context[ExportRuntime]
    config: ExportConfig
    inputs: Inputs
    target: Path
    base: BaseModel
    lora: dict[str, Any]
    tokenizer: Any
    template: ChatTemplate
    threads: int
    system: str

    @property
    def name(self) -> str:
        """The exported model's name."""
        return safe_name(self.config.name or f"{self.base.name.rsplit('/', 1)[-1]}-lora")

    @property
    def gguf_file(self) -> str:
        """The merged GGUF's file name."""
        return f"{self.name}.{self.config.gguf_type}.gguf"

    @property
    def adapter_file(self) -> str:
        """The GGUF adapter's file name."""
        return f"{self.name}.adapter.gguf"

    @property
    def base_name(self) -> str:
        """The base model's name as file names take it."""
        return safe_name(self.base.name.rsplit("/", 1)[-1])

    @property
    def base_file(self) -> str:
        """The base model's GGUF's file name."""
        return f"{self.base_name}.base.{self.config.gguf_type}.gguf"

    @property
    def begin_text(self) -> str:
        """The token that the tokenizer, and so llama.cpp, puts before every text by itself."""
        tokenizer = self.tokenizer
        ids = tokenizer("a", add_special_tokens=True)["input_ids"]
        bare = tokenizer("a", add_special_tokens=False)["input_ids"]
        begins = tokenizer.bos_token_id is not None and ids[: len(ids) - len(bare)][:1] == [
            tokenizer.bos_token_id
        ]
        return str(tokenizer.bos_token) if begins else ""

    def at(self, step: str) -> None:
        """Say which of `STEPS` begins, and leave if somebody asked to stop."""
        self.ctx.raise_if_stopping()
        self.ctx.progress(STEPS.index(step), len(STEPS), "parts")

    def render_chat(self, messages: list[dict[str, Any]]) -> str:
        """Render a conversation by the model's chat template, ready for an answer.

        Raises:
            TemplateRefusal: The template does not take it.
        """
        return self.template.render(messages, generation_prompt=True)

    def tokenize(self, text: str) -> list[int]:
        """Tokenise a text without additions."""
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def decode(self, tokens: list[int]) -> str:
        """Give the text of tokens, special ones included."""
        text: str = self.tokenizer.decode(tokens, clean_up_tokenization_spaces=False)
        return text

    def shown(self, token: int) -> str:
        """Give a token as messages show it."""
        return self.decode([token]) if token >= 0 else "(the end)"


@dataclass(frozen=True)
class Reference:
    """What base + adapter answers.

    Args:
        prompts: The questions.
        split: The examples' split that they are from; empty for built-in ones.
        answers: The greedy answer to each, as tokens.
        logits: Its logits, for each answer (answer, vocabulary).
        ends: Tokens that end an answer.
    """

    prompts: list[Prompt]
    split: str
    answers: list[list[int]]
    logits: list[torch.Tensor]
    ends: list[int]

    def gap(self, number: int) -> Callable[[int, int], float]:
        """Give the function that says how far a token is below the reference's own choice."""

        def measure(position: int, token: int) -> float:
            row = self.logits[number][position]
            chosen = row[self.answers[number][position]]
            return float(chosen - row[token]) if 0 <= token < len(row) else float("inf")

        return measure
