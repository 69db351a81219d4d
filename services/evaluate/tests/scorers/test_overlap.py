"""What two texts share: laws, and figures that others give."""

import string
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graftline_evaluate.scorers.overlap import answer_words, rouge_l, token_f1

WORDS = st.lists(st.sampled_from(["client", "timeout", "5", "ἀρχή", "日"]), max_size=12)
TEXTS = st.text(max_size=40)


def f1(said, right):
    return token_f1(answer_words(said), answer_words(right))


@pytest.mark.parametrize(
    ("text", "words"),
    [  # the first four as SQuAD's script makes them
        ("The  Client's time-out.", ["clients", "timeout"]),
        ("an apple, a pear", ["apple", "pear"]),
        ("follow_redirects=True", ["followredirectstrue"]),
        ("$5,000", ["5000"]),
        ("„Straße“ – STRASSE…", ["strasse", "strasse"]),
        ("ﬁle № ①", ["file", "no", "1"]),
        ("東京は3番。", ["東", "京", "は", "3", "番"]),
        ("हिन्दी, भाषा।", ["हिन्दी", "भाषा"]),
        ("A", ["a"]),
        ("The …", ["the"]),
        ("**", ["**"]),
        (" \n", []),
        ("", []),
    ],
)
def test_words(text, words):
    assert answer_words(text) == words


@pytest.mark.parametrize(
    ("said", "right", "expected"),
    [
        ("It is the timeout.", "timeout", 2 * 1 / 3 * 1 / (1 / 3 + 1)),
        ("one one two", "one two two", 2 / 3),
        ("no", "yes", 0.0),
        ("", "yes", 0.0),
        ("the Timeout!", "timeout", 1.0),
    ],
)
def test_token_f1(said, right, expected):
    assert f1(said, right) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("said", "right", "expected"),
    [  # as rouge-score 0.1.2 gives them (rougeL, fmeasure, use_stemmer=False)
        ("police kill the gunman", "police killed the gunman", 0.75),
        ("the gunman kill police", "police killed the gunman", 0.5),
        ("Call client.get() with timeout=5.", "Use timeout=5 with client.get(...)", 1 / 3),
        ("nothing here", "police killed the gunman", 0.0),
    ],
)
def test_rouge_l(said, right, expected):
    assert rouge_l(said, right) == pytest.approx(expected)


@given(WORDS, WORDS)
def test_rouge_l_is_the_longest_common_subsequence(said, right):
    @cache
    def longest(i, j):
        if i == len(said) or j == len(right):
            return 0
        if said[i] == right[j]:
            return 1 + longest(i + 1, j + 1)
        return max(longest(i + 1, j), longest(i, j + 1))

    together = len(said) + len(right)
    expected = 2 * longest(0, 0) / together if together else 1.0
    assert rouge_l(" ".join(said), " ".join(right)) == pytest.approx(expected)


@given(TEXTS, TEXTS)
def test_both_are_symmetric_and_bounded(one, other):
    for measure in (f1, rouge_l):
        assert 0 <= measure(one, other) <= 1
        assert measure(one, other) == measure(other, one)
        assert measure(one, one) == 1


@given(WORDS, WORDS)
def test_order_matters_to_rouge_alone(said, right):
    one, other = " ".join(said), " ".join(right)
    assert f1(" ".join(reversed(said)), other) == f1(one, other)
    assert rouge_l(one, other) <= f1(one, other) + 1e-12


@given(st.lists(st.text(string.ascii_letters, min_size=4, max_size=8), min_size=1, max_size=6))
def test_case_marks_and_articles_change_no_f1(words):
    dressed = " ".join(f"The «{word.upper()}»," for word in words)
    assert f1(dressed, " ".join(words)) == 1


@given(TEXTS)
def test_only_blank_texts_have_no_words(text):
    assert bool(answer_words(text)) is bool(text.strip())
