"""Conversations as the model's own chat template writes them, and as tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from graftline.domain.rendering import answer_behind
from graftline.domain.template import ChatTemplate, TemplateRefusal
from graftline.errors import DataError

if TYPE_CHECKING:
    from graftline_evaluate.dataset import EvalRow

Messages = list[dict[str, Any]]


@dataclass(frozen=True)
class Chat:
    """What makes tokens of a conversation.

    Args:
        tokenizer: The model's, of transformers.
        template: The model's chat template.
    """

    tokenizer: Any
    template: ChatTemplate

    def tokens_of(self, text: str) -> list[int]:
        """Tokenise a rendered text, which has its special tokens in it."""
        tokens: list[int] = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        return tokens


def prompt_tokens(
    chat: Chat, messages: Messages, row: EvalRow, *, with_gold: bool = False
) -> tuple[list[int], list[int]]:
    """Give a prompt's tokens, and those of the row's gold answer behind it.

    The answer is what `format` has a model learn of it: as the chat template writes it, with what
    ends it; blanks behind the special token that ends it are left out. The prompt's tokens are
    always those of the prompt alone: an answer whose first characters would join the prompt's
    last is tokenised apart. (Where a tokenizer puts a space before every text, `format` rejects
    such an answer; here that space counts.)

    Args:
        chat: The model's tokenizer and chat template.
        messages: The conversation up to the question.
        row: Whose question it is; it gives the tools and the gold answer.
        with_gold: Whether the answer is wanted; without, it has no tokens.

    Raises:
        DataError: The template refuses the messages, or does not write the answer behind them.
    """
    prompt = _render(chat.template, messages, row, generation_prompt=True)
    asked = chat.tokens_of(prompt)
    if not with_gold:
        return asked, []
    answered = [*messages, {"role": "assistant", "content": row.gold}]
    whole = _render(chat.template, answered, row, generation_prompt=False)
    answer = _without_blank_end(chat.tokenizer, answer_behind(prompt, whole, answered) or "")
    both = chat.tokens_of(prompt + answer)
    joined = both[: len(asked)] != asked
    gold = chat.tokens_of(answer) if joined else both[len(asked) :]
    if not gold:
        raise DataError(
            f"row {row.name}: the model's chat template does not write the answer behind the "
            "prompt that asks for it, so that its probability cannot be told"
        )
    return asked, gold


def _render(
    template: ChatTemplate, messages: Messages, row: EvalRow, *, generation_prompt: bool
) -> str:
    tools = list(row.tools) if row.tools else None
    try:
        return template.render(messages, tools, generation_prompt=generation_prompt)
    except TemplateRefusal as error:
        raise DataError(
            f"row {row.name}: the model's chat template refuses its messages: {error}"
        ) from error


def _without_blank_end(tokenizer: Any, answer: str) -> str:
    kept = answer.rstrip()
    if kept == answer:
        return answer
    added = tokenizer.added_tokens_decoder.values()
    ends = tuple(token.content for token in added if token.special)
    return kept if kept.endswith(ends) else answer
