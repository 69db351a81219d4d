"""Near duplicates, in linear time."""

from __future__ import annotations

import random
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graftline_judge.config import Duplicates
from graftline_judge.validators.duplicates import NearDuplicates


def check_all(questions, **settings):
    found = NearDuplicates(Duplicates(**settings))
    return [found.check(str(n), question)["of"] for n, question in enumerate(questions)]


def test_the_earlier_one_is_named():
    questions = [
        "How long does the client wait by default?",
        "What is raised when a connection breaks?",
        "how long does the client wait, by default",
        "How long does a client wait by default?",
        "Which languages are there?",
        "東京の人口は何人ですか？",
        "東京の人口は何人ですか",
    ]
    assert check_all(questions) == [None, None, "0", "0", None, None, "5"]


def test_nothing_is_said_of_a_question_without_letters():
    found = NearDuplicates(Duplicates())
    assert found.check("a", "?!")["passed"] is None
    assert found.check("b", "?!")["passed"] is None


def test_how_near_is_a_setting():
    questions = ["How long does the client wait by default?", "How long does a client wait?"]
    assert check_all(questions, similarity=0.5) == [None, "0"]
    assert check_all(questions, similarity=0.9) == [None, None]


@given(st.lists(st.text(max_size=30), max_size=12))
def test_equal_questions_are_always_found(questions):
    first = {}
    for number, (question, of) in enumerate(zip(questions, check_all(questions), strict=True)):
        spelled = "".join(c for c in question.casefold() if c.isalnum())
        if spelled in first and of is not None:
            assert int(of) < number
        if question in questions[:number] and spelled:
            assert of is not None
        first.setdefault(spelled, number)


@pytest.mark.parametrize("changed", [1])
def test_most_of_those_with_one_word_changed_are_found_and_no_others(changed):
    dice = random.Random(5)

    def word():
        return "".join(dice.choices(string.ascii_lowercase, k=dice.randint(3, 9)))

    found = NearDuplicates(Duplicates(similarity=0.7))
    originals = [[word() for _ in range(20)] for _ in range(300)]
    for number, words in enumerate(originals):
        assert found.check(f"o{number}", " ".join(words))["of"] is None
    hits = 0
    for number, words in enumerate(originals):
        other = list(words)
        for _ in range(changed):
            other[dice.randrange(len(other))] = word()
        of = found.check(f"c{number}", " ".join(other))["of"]
        assert of in (None, f"o{number}")
        hits += of is not None
    assert hits > 0.95 * len(originals)


def test_the_work_grows_with_the_rows_and_not_with_their_pairs(monkeypatch):
    from graftline_judge.validators import duplicates

    compared = []
    exact = duplicates._similarity
    monkeypatch.setattr(
        duplicates, "_similarity", lambda one, other: compared.append(1) or exact(one, other)
    )
    found = NearDuplicates(Duplicates())
    for number in range(500):
        found.check(str(number), f"What is the default time-out of the client number {number}?")
    assert len(compared) <= 8 * 500
