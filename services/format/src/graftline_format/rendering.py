"""From a conversation to its text, and to the places in it that are to be learned.

Nothing is asked of a template but that it renders: an answer begins where the prompt ends that the
model would be given for it (`add_generation_prompt=True`), and ends where the rendering ends that
stops with it. So the prompt is always the one that evaluation and serving use.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from graftline.domain.examples import compact
from graftline.domain.rendering import answer_behind
from graftline.domain.template import TemplateRefusal

if TYPE_CHECKING:
    from graftline.domain.template import ChatTemplate
    from graftline_format.chat_model import ChatModel


class Rejection(Exception):
    """A row cannot be used.

    Args:
        reason: A short name to count by.
        detail: One line for people.
    """

    def __init__(self, reason: str, detail: str) -> None:
        """Keep both."""
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True)
class Rendered:
    """A conversation's text.

    Args:
        text: All of it.
        answers: Characters [start, end) of each answer to be learned, in order; an answer includes
            what the template writes to end its turn.
    """

    text: str
    answers: tuple[tuple[int, int], ...]


def render_example(
    row: dict[str, Any], model: ChatModel, learn: Literal["last", "all"]
) -> Rendered:
    """Render an example up to its last answer.

    Args:
        row: With `messages` and `tools` as in `rows.EXAMPLES`.
        model: Whose template is used.
        learn: Which answers are to be learned.

    Raises:
        Rejection: There is no answer, or the template does not take the conversation.
    """
    messages = compact(row["messages"])
    answers = [at for at, item in enumerate(messages) if _is_answer(item)]
    if not answers:
        raise Rejection("no-answer", "no assistant message with content or tool calls")
    tools = json.loads(row["tools"]) if row.get("tools") else None
    messages = messages[: answers[-1] + 1]
    try:
        if learn == "last" or len(answers) == 1:
            return _render_last(messages, tools, model.template)
        return _render_all(messages, tools, model.template, answers)
    except TemplateRefusal as error:
        raise Rejection("template-refuses", str(error)) from error


def _render_last(
    messages: list[dict[str, Any]], tools: list[dict[str, Any]] | None, template: ChatTemplate
) -> Rendered:
    prompt = template.render(messages[:-1], tools, generation_prompt=True)
    behind = answer_behind(prompt, template.render(messages, tools), messages)
    if behind is None:
        raise Rejection(
            "template-rewrites-history",
            "the chat template renders the conversation with the answer differently from the "
            "prompt",
        )
    text = prompt + behind
    return Rendered(text, ((len(prompt), len(text)),))


def _render_all(
    messages: list[dict[str, Any]],
    tools: list[dict[str, Any]] | None,
    template: ChatTemplate,
    answers: list[int],
) -> Rendered:
    text = template.render(messages, tools)
    found = []
    for at in answers:
        prompt = template.render(messages[:at], tools, generation_prompt=True)
        upto = text if at == answers[-1] else template.render(messages[: at + 1], tools)
        if not (text.startswith(prompt) and text.startswith(upto)):
            raise Rejection(
                "template-rewrites-history",
                f"the chat template renders message {at + 1} in another way once more follow; "
                "'learn: last' works",
            )
        found.append((len(prompt), len(upto)))
    return Rendered(text, tuple(found))


def _is_answer(item: dict[str, Any]) -> bool:
    return item["role"] == "assistant" and bool(item.get("content") or item.get("tool_calls"))
