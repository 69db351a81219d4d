"""Which pairs are of use."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graftline.domain.spelling import letters
from graftline_generate.config import QuestionAnswers
from graftline_generate.qa.definitions import read_definitions
from graftline_generate.qa.pairs import CopiedText, pair_problem
from graftline_generate.qa.prompts import Prompts

INSTRUCTION = """
- Each question must be understood without the text: name what it is about, and be brief.
- Each answer must be correct, complete, and follow from the text alone. Add nothing else.
- Write in the language of the text.
"""
COPIED = CopiedText(INSTRUCTION)


def reason(question: str, answer: str, chunk: str = "") -> str | None:
    problem = pair_problem(question, answer, COPIED, letters(chunk))
    return problem and problem[0]


@pytest.mark.parametrize(
    ("question", "answer", "expected"),
    [
        ("What is it?", "A thing.", None),
        ("", "A thing.", "empty-question"),
        (" ?!… ", "A thing.", "empty-question"),
        ("What is it?", "\u200b", "empty-answer"),
        ("What is it?", "…", "empty-answer"),
        ("Which sign?", "→", None),
        ("What does it cost?", "5 €", None),
        ("東京とは？", "都市。", None),
        ("What is it?", "what is IT", "answer-is-question"),
        ("Write in the language of the text.", "Yes.", "copied-prompt"),
        (
            "What?",
            "Each answer must be correct, complete, and follow from the text",
            "copied-prompt",
        ),
        (
            "What?",
            "Sure! Each question must be understood without the text: name what it is about, ok?",
            "copied-prompt",
        ),
        ("What is the text?", "The text", None),  # a few words are nobody's property
        ("What must be correct?", "Each answer must be short and true.", None),
    ],
)
def test_pairs(question, answer, expected):
    assert reason(question, answer) == expected


def test_words_that_the_chunk_holds_too_are_not_copied():
    text = "Each answer must be correct, complete, and follow from the text alone."
    assert reason("What must an answer be?", text) == "copied-prompt"
    assert reason("What must an answer be?", text, chunk=f"Rules. {text} More.") is None


def test_an_instruction_is_taken_apart_once_for_all_documents():
    task = QuestionAnswers(kind="qa", request={"model": "fake"})
    prompts = Prompts(task, read_definitions({}, None))
    (one,), (other,) = prompts.of("a.md"), prompts.of("b.md")
    assert prompts.copied(one) is prompts.copied(other)
    said = letters("Each answer must be correct and complete, and follow from the text alone.")
    assert prompts.copied(one).found_in(said, "")


@given(st.integers(0, 120), st.integers(60, 200))
def test_any_long_piece_of_the_instruction_is_found(start, length):
    piece = INSTRUCTION[start : start + length]
    if len(letters(piece)) >= 48:
        assert COPIED.found_in(letters(f"Well, well: {piece}, and so on"), "")
