"""What the judge is asked about two answers, and the form that its answer must have."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

from graftline.domain.answers import JsonAnswer
from graftline.llm.request import LlmRequest, Message

if TYPE_CHECKING:
    from graftline_judge.config import JudgeConfig
    from graftline_judge.preference.answers import Contest

Side = Literal["baseline", "adapted"]
SIDES: tuple[Side, Side] = ("baseline", "adapted")
OTHER: dict[Side, Side] = {"baseline": "adapted", "adapted": "baseline"}

FORM = JsonAnswer(
    "preference",
    {
        "type": "object",
        "properties": {"better": {"type": "string", "enum": ["A", "B", "tie"]}},
        "required": ["better"],
        "additionalProperties": False,
    },
)

_PLACEHOLDER = re.compile(r"\{(source|question|reference|answer_a|answer_b)\}")
_TITLES = {
    "source": "Source",
    "question": "Question",
    "reference": "An answer known to be good",
    "answer_a": "Answer A",
    "answer_b": "Answer B",
}
_OPTIONAL = ("source", "reference")
_EMPTY = "(no answer)"
# In words: what looks like an example is copied.
_ANSWER_FORM = """
Answer with JSON and nothing else: an object whose only key "better" holds "A", "B" or "tie".
"""


def choice_request(config: JudgeConfig, contest: Contest, first: Side) -> LlmRequest:
    """Make the request for a choice between two answers, with one side's as answer A."""
    answers: dict[str, str] = {"baseline": contest.baseline, "adapted": contest.adapted}
    values = {
        "source": contest.source,
        "question": contest.question,
        "reference": contest.reference,
        "answer_a": answers[first].strip() or _EMPTY,
        "answer_b": answers[OTHER[first]].strip() or _EMPTY,
    }
    prompt = config.preference.prompt
    frame = "" if "{answer_a}" in prompt else _frame(values)
    # Filled once: braces in a row's texts stay what they are.
    text = _PLACEHOLDER.sub(lambda m: values[m[1]], f"{frame}{prompt.strip()}\n")
    return LlmRequest.of(config.request, [Message("user", text + _ANSWER_FORM)], FORM)


def _frame(values: dict[str, str]) -> str:
    """Give the texts above the instruction, those that there are."""
    parts = [
        f"{title}:\n<<<\n{{{name}}}\n>>>\n\n"
        for name, title in _TITLES.items()
        if name not in _OPTIONAL or values[name].strip()
    ]
    return "".join(parts)
