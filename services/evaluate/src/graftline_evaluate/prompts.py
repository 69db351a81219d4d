"""All prompts of a variant as tokens, with their gold answers where these are wanted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from graftline.domain.template import TemplateRefusal
from graftline.errors import DataError
from graftline_evaluate.chat import Chat, prompt_tokens
from graftline_evaluate.dataset import name_some

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from graftline_evaluate.dataset import EvalRow
    from graftline_evaluate.few_shot import FewShotPrompt

_SENTINEL = "graftline sentinel"


@dataclass(frozen=True)
class Prompts:
    """All prompts of a variant.

    Args:
        prefix: Tokens that every prompt begins with.
        rests: What follows, for each row; at least one token.
        golds: What each row's gold answer adds, at least one token; no rows if nobody asked.
    """

    prefix: tuple[int, ...]
    rests: tuple[tuple[int, ...], ...]
    golds: tuple[tuple[int, ...], ...] = ()

    def length(self, row: int) -> int:
        """Give the tokens of a whole prompt."""
        return len(self.prefix) + len(self.rests[row])


def make_prompts(
    chat: Chat,
    rows: Sequence[EvalRow],
    few_shot: FewShotPrompt | None,
    longest: int,
    *,
    with_gold: bool = False,
) -> Prompts:
    """Render and tokenise every row's prompt.

    Args:
        chat: The model's tokenizer and chat template.
        rows: The rows; at least one.
        few_shot: What stands before each question; nothing for the training prompt.
        longest: Tokens that a prompt may have at most.
        with_gold: Whether the gold answers' tokens are wanted too.

    Raises:
        DataError: The template refuses the messages, or prompts are too long, or the template
            does not write the answers behind their prompts.
    """
    prompts, golds = [], []
    for row in rows:
        asked, gold = prompt_tokens(chat, _question(row, few_shot), row, with_gold=with_gold)
        prompts.append(asked)
        golds.append(tuple(gold))
    refuse_long(
        "few_shot prompts" if few_shot else "prompts",
        ((row.name, len(prompt)) for row, prompt in zip(rows, prompts, strict=True)),
        longest,
        "that the model's context leaves beside the answer",
        "lower few_shot.rows" if few_shot else "lower decoding.max_new_tokens or reject them",
    )
    shared = common_length(prompts)
    return Prompts(
        tuple(prompts[0][:shared]),
        tuple(tuple(prompt[shared:]) for prompt in prompts),
        tuple(golds) if with_gold else (),
    )


def stop_tokens(chat: Chat, model: Any) -> frozenset[int]:
    """Give the tokens that end an answer.

    They are the end tokens of tokenizer, model and generation config, and the special token that
    the chat template writes after an assistant's message.
    """
    found: set[int] = set()
    for holder in (chat.tokenizer, model.config, model.generation_config):
        value = getattr(holder, "eos_token_id", None)
        if value is not None:
            found.update(value if isinstance(value, list) else [value])
    messages = [{"role": "user", "content": "?"}, {"role": "assistant", "content": _SENTINEL}]
    try:
        text = chat.template.render(messages)
    except TemplateRefusal:  # it tells nothing
        return frozenset(found)
    after = chat.tokens_of(text.rpartition(_SENTINEL)[2])
    added = chat.tokenizer.added_tokens_decoder.get(after[0]) if after else None
    if added is not None and added.special:
        found.add(after[0])
    return frozenset(found)


def _question(row: EvalRow, few_shot: FewShotPrompt | None) -> list[dict[str, Any]]:
    """Give the messages that ask for a row's answer."""
    return few_shot.around(row.messages) if few_shot else list(row.messages)


def refuse_long(
    what: str, lengths: Iterable[tuple[str, int]], longest: int, limit: str, advice: str
) -> None:
    """Refuse what has too many tokens.

    Args:
        what: What they are called together.
        lengths: Of each, what it is called and its tokens.
        longest: Tokens that one may have.
        limit: What these tokens are.
        advice: What to do about it.

    Raises:
        DataError: Some have more.
    """
    long = [f"{name}: {tokens} tokens" for name, tokens in lengths if tokens > longest]
    if long:
        raise DataError(
            f"{len(long)} {what} are longer than the {longest} tokens {limit}: {name_some(long)}",
            advice,
        )


def common_length(prompts: list[list[int]]) -> int:
    """Count the tokens that all prompts begin with, leaving each at least one of its own."""
    first, last = min(prompts), max(prompts)
    most = min(len(prompt) for prompt in prompts) - 1
    for index in range(most):
        if first[index] != last[index]:
            return index
    return most
