"""Are question and answer of a sensible length?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from graftline_judge.config import Length
    from graftline_judge.pairs import Pair


def check_length(pair: Pair, limits: Length) -> dict[str, Any]:
    """Hold question and answer against the limits.

    Returns:
        Their lengths in characters, and `problem`: `question-too-short` and so on, or null.
    """
    question, answer = len(pair.question.strip()), len(pair.answer.strip())
    problem = None
    for name, length, least, most in (
        ("question", question, limits.question_min, limits.question_max),
        ("answer", answer, limits.answer_min, limits.answer_max),
    ):
        if problem is None and not least <= length <= most:
            problem = f"{name}-too-{'short' if length < least else 'long'}"
    return {"passed": problem is None, "question": question, "answer": answer, "problem": problem}
