"""What training and evaluation must see alike in a conversation that a chat template writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

Message = dict[str, Any]

_MOST_BETWEEN = 64
"""Characters that a template may write between its generation prompt and the answer."""


def answer_behind(prompt: str, whole: str, messages: Sequence[Message]) -> str | None:
    """Give what a conversation with its answer has behind the prompt that asks for the answer.

    Some templates (Mistral's) write the system message before the last user message, and only if
    nothing follows that: with the answer behind it, it is gone, and the prompt is not what the
    conversation begins with. The answer's part is then what follows the last piece that both have
    in common, which must reach back over the question.

    Args:
        prompt: The conversation without its answer, as rendered to be answered.
        whole: The conversation with it, rendered.
        messages: Of `whole`: the last is the answer.

    Returns:
        The answer with all that the template writes before and behind it; nothing if it cannot be
        told from the rest.
    """
    if whole.startswith(prompt):
        return whole[len(prompt) :]
    question, answer = (_content(messages, at) for at in (-2, -1))
    asked_at, answer_at = prompt.rfind(question), whole.rfind(answer)
    if not question or not answer or asked_at < 0 or answer_at < 0:
        return None
    common = prompt[asked_at:]
    found = whole.rfind(common, 0, answer_at)
    behind = found + len(common)
    if found < 0 or answer_at - behind > _MOST_BETWEEN:
        return None
    return whole[behind:]


def _content(messages: Sequence[Message], at: int) -> str:
    return str(messages[at].get("content") or "").strip() if len(messages) >= -at else ""
