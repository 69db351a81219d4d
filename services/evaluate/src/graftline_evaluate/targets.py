"""Texts whose probability is asked: the prompt with the gold answer behind it, as tokens.

What counts is the answer as the chat template writes it after the prompt, with what ends it, up to
the last character that is not blank: what `format` has a model learn of an example.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from graftline.errors import DataError
from graftline_evaluate.dataset import name_some
from graftline_evaluate.prompts import common_length, question, render, tokens_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from graftline_evaluate.dataset import EvalRow
    from graftline_evaluate.few_shot import FewShotPrompt

_MOST_BETWEEN = 64
"""Characters that a template may write between its generation prompt and the answer."""


@dataclass(frozen=True)
class Targets:
    """Texts, and from where on each one's probability counts.

    Args:
        prefix: Tokens that every text begins with; none of them counts.
        rests: What follows, for each text.
        starts: The first token of each rest that counts. At least one token stands before it,
            and at least one counts.
    """

    prefix: tuple[int, ...]
    rests: tuple[tuple[int, ...], ...]
    starts: tuple[int, ...]

    def count(self, row: int) -> int:
        """Give the tokens that count."""
        return len(self.rests[row]) - self.starts[row]


def make_targets(
    tokenizer: Any, rows: Sequence[EvalRow], few_shot: FewShotPrompt | None, longest: int
) -> Targets:
    """Render and tokenise every row's prompt with its gold answer.

    Args:
        tokenizer: With a chat template.
        rows: The rows; at least one.
        few_shot: What stands before each question; nothing for the training prompt.
        longest: Tokens that a text may have at most.

    Raises:
        DataError: The template does not write the answers after their prompts, or texts are too
            long.
    """
    return share_prefix(
        [gold_tokens(tokenizer, question(row, few_shot), row) for row in rows],
        [f"{row.id} ({row.split})" for row in rows],
        longest,
    )


def share_prefix(
    texts: Sequence[tuple[list[int], int]], names: Sequence[str], longest: int
) -> Targets:
    """Take off what texts have in common, so that it is read once.

    Args:
        texts: Tokens, and the first of them that counts: not the very first.
        names: What a text is called.
        longest: Tokens that a text may have at most.

    Raises:
        DataError: Texts are too long.
    """
    long = [
        f"{name}: {len(tokens)} tokens"
        for name, (tokens, _) in zip(names, texts, strict=True)
        if len(tokens) > longest
    ]
    if long:
        raise DataError(
            f"{len(long)} texts are longer, with their gold answers, than the {longest} tokens of "
            f"the model's context: {name_some(long)}",
            "shorten them or reject them before (curate)",
        )
    shared = min(common_length([tokens for tokens, _ in texts]), *(at - 1 for _, at in texts))
    return Targets(
        tuple(texts[0][0][:shared]),
        tuple(tuple(tokens[shared:]) for tokens, _ in texts),
        tuple(start - shared for _, start in texts),
    )


def gold_tokens(
    tokenizer: Any, messages: list[dict[str, Any]], row: EvalRow
) -> tuple[list[int], int]:
    """Give the tokens of a question with its gold answer, and the first that counts.

    It is the first in which they differ from the prompt's own: where a token joins the prompt's
    last characters to the answer's first, that token counts as well.

    Raises:
        DataError: The template does not write the answer after the prompt.
    """
    prompt = render(tokenizer, messages, row, generation_prompt=True)
    answer = {"role": "assistant", "content": row.gold}
    whole = render(tokenizer, [*messages, answer], row, generation_prompt=False)
    text = (prompt + _behind(prompt, whole, row)).rstrip()
    asked, tokens = tokens_of(tokenizer, prompt), tokens_of(tokenizer, text)
    start = next(
        (at for at, (one, other) in enumerate(zip(asked, tokens, strict=False)) if one != other),
        min(len(asked), len(tokens)),
    )
    if not 0 < start < len(tokens):
        raise _rewritten(row)
    return tokens, start


def _behind(prompt: str, whole: str, row: EvalRow) -> str:
    """Give what a conversation with its answer has behind the prompt.

    Some templates (Mistral's) write the system message only into the last user message, so that
    the prompt is not what the whole begins with. What they have in common from the question on is
    looked for before the answer then.
    """
    if whole.startswith(prompt):
        return whole[len(prompt) :]
    asked = str(row.messages[-1].get("content") or "").strip()
    asked_at = prompt.rfind(asked)
    answer_at = whole.rfind(row.gold.strip())
    if not asked or asked_at < 0 or answer_at < 0:
        raise _rewritten(row)
    found = whole.rfind(prompt[asked_at:], 0, answer_at)
    behind = found + len(prompt) - asked_at
    if found < 0 or answer_at - behind > _MOST_BETWEEN:
        raise _rewritten(row)
    return whole[behind:]


def _rewritten(row: EvalRow) -> DataError:
    return DataError(
        f"row {row.id} ({row.split}): the model's chat template does not write the answer behind "
        "the prompt that asks for it, so that its probability cannot be told"
    )
