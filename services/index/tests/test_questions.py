import pytest
from hypothesis import given
from hypothesis import strategies as st

from graftline_index import questions
from graftline_index.questions import BadQuestion


@given(st.text(min_size=1), st.frozensets(st.text()))
def test_a_token_leads_back_to_its_place(after, stages):
    assert questions.read_token(questions.make_token(after, stages), stages) == after


def test_no_token_is_the_beginning():
    assert questions.read_token("", frozenset()) == ""


@given(st.text(min_size=1, max_size=40))
def test_what_was_never_given_is_no_token(text):
    with pytest.raises(BadQuestion, match="page token"):
        questions.read_token(text, frozenset())


def test_a_token_belongs_to_its_stages():
    token = questions.make_token("a" * 64, frozenset({"train"}))
    with pytest.raises(BadQuestion, match="other stages"):
        questions.read_token(token, frozenset({"curate"}))


@pytest.mark.parametrize("text", ["", "a" * 63, "A" * 64, "../" + "a" * 61, "a" * 64 + "\n"])
def test_what_is_no_key_is_refused(text):
    with pytest.raises(BadQuestion, match="64 hexadecimal digits"):
        questions.one_key(text)


@given(st.integers(0, 2**32 - 1))
def test_a_page_has_a_size(asked):
    assert 1 <= questions.page_size(asked) <= questions.MAX_PAGE
    assert questions.page_size(asked) in {asked, 100, 1_000}
