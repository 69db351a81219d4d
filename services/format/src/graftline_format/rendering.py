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
from graftline_format.template import TemplateRefusal

if TYPE_CHECKING:
    from graftline_format.chat_model import ChatModel
    from graftline_format.template import ChatTemplate

_MOST_BETWEEN = 64
"""Characters that a template may write between its generation prompt and the answer."""


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
    messages = [_with_arguments(item) for item in compact(row["messages"])]
    answers = [at for at, item in enumerate(messages) if _is_answer(item)]
    if not answers:
        raise Rejection("no-answer", "no assistant message with content or tool calls")
    tools = json.loads(row["tools"]) if row.get("tools") else None
    template = model.tool_template if tools else model.template
    messages = messages[: answers[-1] + 1]
    try:
        if learn == "last" or len(answers) == 1:
            return _render_last(messages, tools, template)
        return _render_all(messages, tools, template, answers)
    except TemplateRefusal as error:
        raise Rejection("template-refuses", str(error)) from error


def _render_last(
    messages: list[dict[str, Any]], tools: list[dict[str, Any]] | None, template: ChatTemplate
) -> Rendered:
    prompt = template.render(messages[:-1], tools, generation_prompt=True)
    text = template.render(messages, tools)
    if not text.startswith(prompt):
        text = prompt + _answer_after(prompt, text, messages)
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


def _answer_after(prompt: str, text: str, messages: list[dict[str, Any]]) -> str:
    """Find the answer's part of a text that does not begin with its prompt.

    Some templates (Mistral's) write the system message before the last user message, and only
    there: with the answer behind it, it is gone. The answer is then what follows the last piece
    that prompt and text have in common, which must reach back over the last question.

    Raises:
        Rejection: There is no such piece.
    """
    answer = str(messages[-1].get("content") or "").strip()
    question = str(messages[-2].get("content") or "").strip() if len(messages) > 1 else ""
    common = prompt[prompt.rfind(question) :] if question and question in prompt else ""
    if common and answer:
        stop = text.rfind(answer)
        for end in range(stop, max(stop - _MOST_BETWEEN, 0), -1):
            if text.endswith(common, 0, end):
                return text[end:]
    raise Rejection(
        "template-rewrites-history",
        "the chat template renders the conversation with the answer differently from the prompt",
    )


def _is_answer(item: dict[str, Any]) -> bool:
    return item["role"] == "assistant" and bool(item.get("content") or item.get("tool_calls"))


def _with_arguments(item: dict[str, Any]) -> dict[str, Any]:
    """Give tool calls' arguments as objects, as chat templates want them, where they are JSON."""
    if not item.get("tool_calls"):
        return item
    return {**item, "tool_calls": [_with_parsed_arguments(call) for call in item["tool_calls"]]}


def _with_parsed_arguments(call: dict[str, Any]) -> dict[str, Any]:
    function = call["function"]
    try:
        arguments = json.loads(function["arguments"])
    except (TypeError, ValueError):
        return call
    return {**call, "function": {**function, "arguments": arguments}}
