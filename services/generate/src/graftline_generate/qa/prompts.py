"""What a model is asked about a chunk, and the form that its answer must have."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from graftline.domain.answers import JsonAnswer
from graftline.llm.request import LlmRequest, Message
from graftline_generate.qa.pairs import CopiedText

if TYPE_CHECKING:
    from graftline_generate.config import QuestionAnswers
    from graftline_generate.qa.definitions import Definitions

_PLACEHOLDER = re.compile(r"\{(count|path|headings|text)\}")
# The text first: small models write about what they read long ago, or of pizza, when it comes last.
_FRAME = """\
Document: {path}
Section: {headings}

Text:
<<<
{text}
>>>

"""
# In words: what looks like an example is copied.
_FORM = """
Answer with JSON and nothing else: an object with the list "pairs", each of them with a "question" \
and its "answer".
"""


@dataclass(frozen=True)
class Prompt:
    """One way of asking about a chunk.

    Args:
        template: The message to the model, with placeholders.
        count: Pairs asked.
        system_prompt: The system prompt of the examples that come of it; empty for none.
    """

    template: str
    count: int
    system_prompt: str

    @property
    def instruction(self) -> str:
        """The message without what it takes from the chunk."""
        return _PLACEHOLDER.sub(
            lambda m: str(self.count) if m[1] == "count" else " ", self.template
        )

    def message(self, chunk: dict[str, Any]) -> str:
        """Fill the placeholders, once: braces in a chunk's text stay what they are."""
        values = {
            "count": str(self.count),
            "path": chunk["path"],
            "headings": " > ".join(chunk["headings"]) or "-",
            "text": chunk["text"],
        }
        return _PLACEHOLDER.sub(lambda match: values[match[1]], self.template)

    def request(self, task: QuestionAnswers, chunk: dict[str, Any]) -> LlmRequest:
        """Make the request for a chunk's pairs."""
        message = Message("user", self.message(chunk))
        return LlmRequest.of(task.request, [message], pairs_form(self.count))


class Prompts:
    """Says what is asked of each document's chunks.

    Args:
        task: The task's settings.
        definitions: What is different for single documents.
    """

    def __init__(self, task: QuestionAnswers, definitions: Definitions) -> None:
        """Prepare what is asked where nothing else is said."""
        self._task = task
        self._definitions = definitions
        self._by_path: dict[str, tuple[Prompt, ...]] = {}
        self._copied: dict[str, CopiedText] = {}

    def of(self, path: str) -> tuple[Prompt, ...]:
        """Give the prompts for the chunks of a document, at least one."""
        if path not in self._by_path:
            self._by_path[path] = self._made(path)
        return self._by_path[path]

    def copied(self, prompt: Prompt) -> CopiedText:
        """Give what tells text that was copied from a prompt; one for all of one instruction."""
        instruction = prompt.instruction
        if instruction not in self._copied:
            self._copied[instruction] = CopiedText(instruction)
        return self._copied[instruction]

    def _made(self, path: str) -> tuple[Prompt, ...]:
        task, definition = self._task, self._definitions.of(path)
        system = task.system_prompt
        asked = [(task.prompt, task.questions_per_chunk)]
        if definition is not None:
            if definition.model_system_prompt is not None:
                system = definition.model_system_prompt
            if definition.training_prompts:
                asked = [(one.prompt, one.num_questions) for one in definition.training_prompts]
        return tuple(Prompt(_template(text), count, system.strip()) for text, count in asked)


def _template(instruction: str) -> str:
    frame = "" if "{text}" in instruction else _FRAME
    return f"{frame}{instruction.strip()}\n{_FORM}"


@cache
def pairs_form(count: int) -> JsonAnswer:
    """Give the form of an answer with at most so many pairs."""
    pair = {
        "type": "object",
        "properties": {"question": {"type": "string"}, "answer": {"type": "string"}},
        "required": ["question", "answer"],
        "additionalProperties": False,
    }
    return JsonAnswer(
        "pairs",
        {
            "type": "object",
            "properties": {
                "pairs": {"type": "array", "items": pair, "minItems": 1, "maxItems": count}
            },
            "required": ["pairs"],
            "additionalProperties": False,
        },
    )
