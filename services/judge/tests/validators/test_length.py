"""Length bounds."""

from __future__ import annotations

import pytest

from graftline_judge.config import Length
from graftline_judge.pairs import Pair
from graftline_judge.validators.length import check_length

LIMITS = Length(question_min=3, question_max=5, answer_min=2, answer_max=4)


@pytest.mark.parametrize(
    ("question", "answer", "problem"),
    [
        ("abc", "ab", None),
        ("abcde", "abcd", None),
        ("  ab ", "ab", "question-too-short"),
        ("abcdef", "ab", "question-too-long"),
        ("abc", "a", "answer-too-short"),
        ("abc", "abcde", "answer-too-long"),
    ],
)
def test_bounds(question, answer, problem):
    found = check_length(Pair(question, answer, ""), LIMITS)
    assert found["problem"] == problem
    assert found["passed"] is (problem is None)
    assert (found["question"], found["answer"]) == (len(question.strip()), len(answer))
