"""Prompts: messages rendered by the model's own chat template, as tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from graftline.domain.dates import TEMPLATE_DATE
from graftline.errors import DataError
from graftline_evaluate.dataset import name_some

if TYPE_CHECKING:
    from collections.abc import Sequence

    from graftline_evaluate.dataset import EvalRow
    from graftline_evaluate.few_shot import FewShotPrompt

_SENTINEL = "graftline sentinel"


@dataclass(frozen=True)
class Prompts:
    """All prompts of a variant.

    Args:
        prefix: Tokens that every prompt begins with.
        rests: What follows, for each row; at least one token.
    """

    prefix: tuple[int, ...]
    rests: tuple[tuple[int, ...], ...]

    def length(self, row: int) -> int:
        """Give the tokens of a whole prompt."""
        return len(self.prefix) + len(self.rests[row])


def make_prompts(
    tokenizer: Any, rows: Sequence[EvalRow], few_shot: FewShotPrompt | None, longest: int
) -> Prompts:
    """Render and tokenise every row's prompt.

    Args:
        tokenizer: With a chat template.
        rows: The rows; at least one.
        few_shot: What stands before each question; nothing for the training prompt.
        longest: Tokens that a prompt may have at most.

    Raises:
        DataError: The template refuses the messages, or prompts are too long.
    """
    prompts = []
    for row in rows:
        text = render(tokenizer, question(row, few_shot), row, generation_prompt=True)
        prompts.append(tokens_of(tokenizer, text))
    _refuse_long(rows, prompts, longest, few_shot is not None)
    shared = common_length(prompts)
    return Prompts(tuple(prompts[0][:shared]), tuple(tuple(p[shared:]) for p in prompts))


def stop_tokens(tokenizer: Any, model: Any) -> frozenset[int]:
    """Give the tokens that end an answer.

    They are the end tokens of tokenizer, model and generation config, and the special token that
    the chat template writes after an assistant's message.
    """
    found: set[int] = set()
    for holder in (tokenizer, model.config, model.generation_config):
        value = getattr(holder, "eos_token_id", None)
        if value is not None:
            found.update(value if isinstance(value, list) else [value])
    messages = [{"role": "user", "content": "?"}, {"role": "assistant", "content": _SENTINEL}]
    try:
        text = tokenizer.apply_chat_template(messages, tokenize=False)
    except Exception:  # noqa: BLE001 - a template that refuses this conversation tells nothing
        return frozenset(found)
    after = tokenizer(text.rpartition(_SENTINEL)[2], add_special_tokens=False)["input_ids"]
    added = tokenizer.added_tokens_decoder.get(after[0]) if after else None
    if added is not None and added.special:
        found.add(after[0])
    return frozenset(found)


def question(row: EvalRow, few_shot: FewShotPrompt | None) -> list[dict[str, Any]]:
    """Give the messages that ask for a row's answer."""
    return few_shot.around(row.messages) if few_shot else list(row.messages)


def render(
    tokenizer: Any, messages: list[dict[str, Any]], row: EvalRow, *, generation_prompt: bool
) -> str:
    """Write messages as the chat template has them.

    Args:
        tokenizer: With a chat template.
        messages: What is written.
        row: Whose messages they are; it gives the tools.
        generation_prompt: Whether the beginning of an answer is to follow.

    Raises:
        DataError: The template refuses them.
    """
    try:
        text: str = tokenizer.apply_chat_template(
            messages,
            tools=list(row.tools) if row.tools else None,
            add_generation_prompt=generation_prompt,
            tokenize=False,
            date_string=TEMPLATE_DATE,
        )
    except Exception as error:  # templates raise whatever their author liked
        raise DataError(
            f"row {row.id} ({row.split}): the model's chat template refuses its messages: {error}"
        ) from error
    return text


def tokens_of(tokenizer: Any, text: str) -> list[int]:
    """Tokenise a rendered text, which has its special tokens in it."""
    tokens: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    return tokens


def _refuse_long(
    rows: Sequence[EvalRow], prompts: list[list[int]], longest: int, few_shot: bool
) -> None:
    long = [
        f"{row.id} ({row.split}): {len(prompt)} tokens"
        for row, prompt in zip(rows, prompts, strict=True)
        if len(prompt) > longest
    ]
    if long:
        what = "few_shot prompts" if few_shot else "prompts"
        hint = "lower few_shot.rows" if few_shot else "lower decoding.max_new_tokens or reject them"
        raise DataError(
            f"{len(long)} {what} are longer than the {longest} tokens that the model's context "
            f"leaves beside the answer: {name_some(long)}",
            hint,
        )


def common_length(prompts: list[list[int]]) -> int:
    """Count the tokens that all prompts begin with, leaving each at least one of its own."""
    first, last = min(prompts), max(prompts)
    most = min(len(prompt) for prompt in prompts) - 1
    for index in range(most):
        if first[index] != last[index]:
            return index
    return most
