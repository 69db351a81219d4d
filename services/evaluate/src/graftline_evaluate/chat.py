"""Conversations as the model's own chat template writes them, and as tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from graftline.domain.dates import TEMPLATE_DATE
from graftline.domain.rendering import answer_behind, with_call_arguments
from graftline.errors import DataError

if TYPE_CHECKING:
    from graftline_evaluate.dataset import EvalRow

Messages = list[dict[str, Any]]


def prompt_tokens(
    tokenizer: Any, messages: Messages, row: EvalRow, *, with_gold: bool = False
) -> tuple[list[int], list[int]]:
    """Give a prompt's tokens, and those of the row's gold answer behind it.

    The answer is what `format` has a model learn of it: as the chat template writes it, with what
    ends it; blanks behind the special token that ends it are left out. The prompt's tokens are
    always those of the prompt alone: an answer whose first characters would join the prompt's
    last is tokenised apart. (Where a tokenizer puts a space before every text, `format` rejects
    such an answer; here that space counts.)

    Args:
        tokenizer: With a chat template.
        messages: The conversation up to the question.
        row: Whose question it is; it gives the tools and the gold answer.
        with_gold: Whether the answer is wanted; without, it has no tokens.

    Raises:
        DataError: The template refuses the messages, or does not write the answer behind them.
    """
    prompt = _render(tokenizer, messages, row, generation_prompt=True)
    asked = _tokens_of(tokenizer, prompt)
    if not with_gold:
        return asked, []
    answered = [*messages, {"role": "assistant", "content": row.gold}]
    whole = _render(tokenizer, answered, row, generation_prompt=False)
    answer = _without_blank_end(tokenizer, answer_behind(prompt, whole, answered) or "")
    both = _tokens_of(tokenizer, prompt + answer)
    joined = both[: len(asked)] != asked
    gold = _tokens_of(tokenizer, answer) if joined else both[len(asked) :]
    if not gold:
        raise DataError(
            f"row {row.name}: the model's chat template does not write the answer behind the "
            "prompt that asks for it, so that its probability cannot be told"
        )
    return asked, gold


def _render(tokenizer: Any, messages: Messages, row: EvalRow, *, generation_prompt: bool) -> str:
    try:
        text: str = tokenizer.apply_chat_template(
            [with_call_arguments(message) for message in messages],
            tools=list(row.tools) if row.tools else None,
            add_generation_prompt=generation_prompt,
            tokenize=False,
            date_string=TEMPLATE_DATE,
        )
    except Exception as error:  # templates raise whatever their author liked
        raise DataError(
            f"row {row.name}: the model's chat template refuses its messages: {error}"
        ) from error
    return text


def _tokens_of(tokenizer: Any, text: str) -> list[int]:
    """Tokenise a rendered text, which has its special tokens in it."""
    tokens: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    return tokens


def _without_blank_end(tokenizer: Any, answer: str) -> str:
    kept = answer.rstrip()
    if kept == answer:
        return answer
    added = tokenizer.added_tokens_decoder.values()
    ends = tuple(token.content for token in added if token.special)
    return kept if kept.endswith(ends) else answer
