"""Near-ties and disagreements, counted position by position."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graftline.errors import DataError
from graftline_export.parity import Comparison, follow

tokens = st.integers(0, 9)


class Model:
    """A language model that chooses by a table, whatever was said before."""

    def __init__(self, choices):
        self.choices = choices
        self.asked = 0

    def go_on(self, said, count):
        self.asked += 1
        return self.choices[len(said) : len(said) + count]


@given(st.lists(st.tuples(tokens, tokens), min_size=1, max_size=30))
def test_follow_finds_the_choice_at_every_position(pairs):
    expected, choices = [a for a, _ in pairs], [b for _, b in pairs]
    model = Model(choices)
    assert follow(expected, model.go_on) == choices
    assert model.asked <= 1 + sum(a != b for a, b in pairs)


def test_a_form_that_ends_too_early_chose_otherwise():
    assert follow([5, 6, 7], lambda said, count: [5][len(said) :]) == [5, -1, -1]


def compare(differences, near_tie=0.2, tokens=40):
    comparison = Comparison("gguf", near_tie)
    expected = [1] * tokens
    choices = [2 if at in differences else 1 for at in range(tokens)]
    comparison.add("p1", expected, choices, lambda at, token: differences[at])
    return comparison


def test_counts_add_up():
    comparison = compare({3: 0.05, 7: 0.2, 9: 1.5})
    summary = comparison.summary()
    assert (summary["near_ties"], summary["disagreements"]) == (2, 1)
    assert summary["same_tokens"] + 2 + 1 == summary["tokens"] == 40
    assert summary["identical_answers"] == 0
    assert compare({}).summary()["identical_answers"] == 1


def test_a_disagreement_names_prompt_and_position():
    with pytest.raises(DataError, match=r"prompt p1, position 9: 't2' instead of 't1'.* 1\.50"):
        compare({3: 0.05, 9: 1.5}).check(0.5, lambda token: f"t{token}")


def test_too_many_near_ties_are_refused():
    few = compare({3: 0.05, 4: 0.1})
    few.check(0.05, str)
    with pytest.raises(DataError, match="2 of 40 tokens"):
        few.check(0.04, str)


def test_a_position_that_could_not_be_asked_counts_as_neither():
    comparison = Comparison("ollama", 0.2)
    comparison.add("p1", [1, 1, 1, 1], [1, None, 2, 1], lambda at, token: 0.1)
    summary = comparison.summary()
    assert (summary["tokens"], summary["same_tokens"], summary["not_asked"]) == (3, 2, 1)
    assert (summary["near_ties"], summary["identical_answers"]) == (1, 0)
