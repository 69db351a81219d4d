"""Scores of free-text answers."""

import pytest

from graftline_evaluate.config import QuestionAnswering
from graftline_evaluate.scorers.qa import QaScorer

GOLD = "The default timeout is five seconds."


@pytest.fixture
def scorer():
    return QaScorer(QuestionAnswering(kind="qa"))


@pytest.mark.parametrize(
    ("output", "finished", "failure", "reason"),
    [
        (GOLD, True, "", ""),
        ("default timeout is FIVE seconds", True, "", ""),
        ("It is five seconds by default.", True, "", ""),
        (" \n", True, "empty", "the answer is blank"),
        ("", False, "empty", "the answer is blank"),
        (GOLD, False, "unfinished", "not ended within the limit of tokens; token F1 1.00"),
        (
            "Ten minutes.",
            True,
            "low-overlap",
            "token F1 0.00, below 0.3; missing: default, timeout, is, five, seconds",
        ),
    ],
)
def test_what_is_wrong_is_told(scorer, output, finished, failure, reason):
    row = scorer.row(output, GOLD, finished)
    assert (row["failure"], row["reason"]) == (failure, reason)


def test_scores(scorer):
    row = scorer.row("It is five seconds by default.", GOLD, True)
    assert row["token_f1"] == pytest.approx(2 * 4 / (6 + 5))
    assert row["rouge_l"] == pytest.approx(2 * 3 / (6 + 6))
    assert not row["exact_match"]
    assert scorer.row("Default timeout is five seconds", GOLD, True)["exact_match"]
    assert not scorer.row("five seconds is default timeout", GOLD, True)["exact_match"]


def test_the_threshold_is_a_setting():
    strict = QaScorer(QuestionAnswering(kind="qa", low_overlap=1.0))
    assert strict.row("It is five seconds.", GOLD, True)["failure"] == "low-overlap"
    assert strict.row(GOLD, GOLD, True)["failure"] == ""
    lax = QaScorer(QuestionAnswering(kind="qa", low_overlap=0.0))
    assert lax.row("Ten minutes.", GOLD, True)["failure"] == ""


def test_many_missing_words_are_cut(scorer):
    reason = scorer.row("x", " ".join(f"word{n}" for n in range(20)), True)["reason"]
    assert reason.endswith("missing: word0, word1, word2, word3, word4, word5 and 14 more")


def test_blank_references_are_none(scorer):
    assert scorer.gold_problem(" \n") == "the reference is blank"
    for text in ("A", "→", "**", "no"):
        assert scorer.gold_problem(text) == ""


def test_columns_are_what_rows_have(scorer):
    row = scorer.row("a", "b", True)
    own = {field.name for field in scorer.columns}
    assert set(row) == (own | {"failure", "reason"}) - {"gold_nll", "gold_tokens"}
