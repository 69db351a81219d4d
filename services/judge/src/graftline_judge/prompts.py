"""What the judge is asked about a pair, and the form that its answer must have."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any

from graftline.domain.answers import JsonAnswer
from graftline.llm.request import LlmRequest, Message
from graftline_judge.config import MOST_ISSUES

if TYPE_CHECKING:
    from graftline_judge.config import JudgeConfig
    from graftline_judge.pairs import Pair

SEVERITIES = ("low", "medium", "high")

_SCORE = {"type": "integer", "minimum": 0, "maximum": 10}
_PLACEHOLDER = re.compile(r"\{(source|question|answer)\}")
# The texts first: small models keep to the task that they read last, and the pairs of one chunk
# begin alike, which servers answer faster.
_FRAME = """\
Source:
<<<
{source}
>>>

Question:
<<<
{question}
>>>

Answer:
<<<
{answer}
>>>

"""
# In words: what looks like an example is copied.
_ANSWER_FORM = """
Answer with JSON and nothing else: an object with the list "issues"{issues}, then the numbers \
"factual_accuracy", "completeness" and "consistency", then "recommendation".
"""


@cache
def judgement_form(max_issues: int, max_remark: int | None) -> JsonAnswer:
    """Give the form of a judgement with at most so many issues, and remarks so many characters."""
    remark: dict[str, Any] = {"type": "string"}
    if max_remark is not None:
        remark["maxLength"] = max_remark
    issue = {
        "type": "object",
        "properties": {"severity": {"type": "string", "enum": list(SEVERITIES)}, "text": remark},
        "required": ["severity", "text"],
        "additionalProperties": False,
    }
    # What is wrong comes before the numbers, so that the numbers can follow from it.
    properties = {
        "issues": {"type": "array", "items": issue, "maxItems": max_issues},
        "factual_accuracy": _SCORE,
        "completeness": _SCORE,
        "consistency": _SCORE,
        "recommendation": remark,
    }
    return JsonAnswer(
        "judgement",
        {
            "type": "object",
            "properties": properties,
            "required": list(properties),
            "additionalProperties": False,
        },
    )


def judge_request(config: JudgeConfig, pair: Pair) -> LlmRequest:
    """Make the request for a pair's judgement."""
    frame = "" if "{answer}" in config.prompt else _FRAME
    values = {"source": pair.source, "question": pair.question, "answer": pair.answer}
    # Filled once: braces in a row's texts stay what they are.
    text = _PLACEHOLDER.sub(lambda m: values[m[1]], f"{frame}{config.prompt.strip()}\n")
    text += _ANSWER_FORM.format(issues=_issues_asked(config.max_issues))
    form = judgement_form(config.max_issues, config.max_remark)
    return LlmRequest.of(config.request, [Message("user", text)], form)


def _issues_asked(most: int) -> str:
    """Say what the list holds; the most only where it is fewer than a model would expect."""
    if most == 0:
        return ", which must be empty"
    few = f" (at most {most})" if most < MOST_ISSUES else ""
    return f'{few}, each of them with "severity" and "text"'
