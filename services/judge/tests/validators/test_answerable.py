"""Is it a question that is understood by itself?"""

from __future__ import annotations

import pytest

from graftline_judge.config import Answerable
from graftline_judge.validators.answerable import QuestionCheck

CHECK = QuestionCheck(Answerable())


@pytest.mark.parametrize(
    "question",
    [
        "How long does a client wait?",
        "Explain how a client waits.",
        "List the exceptions of HTTPX",
        "A client waits. Why?",
        'What does "timeout" mean?"',
        "デフォルトのタイムアウトは何秒ですか？",
        "كم ثانية ينتظر العميل؟",
        "Πόσο περιμένει ο πελάτης;",
        "How do I open a document in the editor?",
        "Which section of pyproject.toml holds the dependencies?",
        "What does the context manager do?",
        "How is text encoded by the client?",
        "What is a passage grave?",
    ],
)
def test_questions_that_stand_by_themselves(question):
    assert CHECK.check(question) == {"passed": True, "problem": None, "found": ""}


@pytest.mark.parametrize(
    ("question", "problem"),
    [
        ("", "no-question"),
        ("The client waits.", "no-question"),
        ("x = 1;", "no-question"),
        ("Default timeouts", "no-question"),
        ("According to the text, how long does it wait?", "points-at-text"),
        ("What is described in this section?", "points-at-text"),
        ("What does the passage say about time-outs?", "points-at-text"),
        ("What does the above text recommend?", "points-at-text"),
        ("Based on the document, what is HTTP/2?", "points-at-text"),
        ("Which errors does the document above name?", "points-at-text"),
        ("What does the author recommend?", "points-at-text"),
    ],
)
def test_others(question, problem):
    found = CHECK.check(question)
    assert (found["passed"], found["problem"]) == (False, problem)
    assert bool(found["found"]) == (problem == "points-at-text")


def test_words_and_patterns_are_settings():
    check = QuestionCheck(Answerable(request_words=["Nenne"], context_patterns=["im Text oben"]))
    assert check.check("nenne drei Fehler")["passed"] is True
    assert check.check("Was steht im Text oben?")["problem"] == "points-at-text"
    assert check.check("According to the text, why?")["passed"] is True
