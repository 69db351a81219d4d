"""What is asked: its key, its seed, its corrections."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graftline.domain.answers import AnswerProblem, JsonAnswer, TextAnswer
from graftline.llm.config import LlmConfig
from graftline.llm.request import LlmRequest, Message

REQUEST = LlmRequest(
    model="m",
    messages=(Message("system", "be brief"), Message("user", "wie geht’s?")),
    form=JsonAnswer("qa", {"type": "object"}),
    max_tokens=10,
    temperature=0.0,
    seed=5,
)


def test_the_key_is_held():
    """Answers that were paid for are kept under it: a change here loses all of them."""
    key = "3479190ee2647ea70d14f7ba28e117998cf7577075bc42aac59ef3b2c1b14625"
    assert REQUEST.cache_key == key


@pytest.mark.parametrize(
    "change",
    [
        {"model": "n"},
        {"messages": (Message("user", "wie geht’s?"),)},
        {"messages": (Message("user", "be brief"), Message("user", "wie geht’s?"))},
        {"form": TextAnswer()},
        {"form": JsonAnswer("qb", {"type": "object"})},
        {"form": JsonAnswer("qa", {"type": "array"})},
        {"max_tokens": 11},
        {"temperature": 0.5},
        {"temperature": None},
        {"top_p": 0.9},
        {"seed": None},
        {"sample": 1},
    ],
)
def test_all_that_decides_the_answer_is_in_the_key(change):
    assert replace(REQUEST, **change).cache_key != REQUEST.cache_key


def test_nothing_else_is_in_the_key():
    assert replace(REQUEST, tag={"row": 1}).cache_key == REQUEST.cache_key
    assert replace(REQUEST, temperature=0).cache_key == REQUEST.cache_key
    assert replace(REQUEST, tag=1) == REQUEST


def test_samples_have_seeds_of_their_own():
    assert [replace(REQUEST, sample=sample).sent_seed for sample in range(3)] == [5, 6, 7]
    assert replace(REQUEST, seed=None, sample=2).sent_seed is None
    assert replace(REQUEST, seed=2**31 - 1, sample=1).sent_seed == 0


def test_a_request_takes_its_settings_from_the_step():
    config = LlmConfig(model="m", temperature=0.7, top_p=0.5, max_tokens=9, seed=2)
    request = LlmRequest.of(config, [Message("user", "hi")], TextAnswer(), sample=3, tag="row")
    assert request == LlmRequest("m", (Message("user", "hi"),), TextAnswer(), 9, 0.7, 0.5, 2, 3)
    assert request.tag == "row"


def test_a_correction_shows_the_model_what_it_said():
    corrected = REQUEST.corrected("{", AnswerProblem("truncated", "cut off"))
    assert corrected.messages[:2] == REQUEST.messages
    assert corrected.messages[2] == Message("assistant", "{")
    assert "cut off" in corrected.messages[3].content
    assert corrected.cache_key != REQUEST.cache_key
    assert REQUEST.corrected(" ", AnswerProblem("empty", "empty")).messages[2].content


@given(st.lists(st.text(max_size=40), min_size=1, max_size=4))
def test_no_byte_level_tokenizer_makes_more_tokens_than_the_estimate(texts):
    request = replace(REQUEST, messages=tuple(Message("user", text) for text in texts))
    assert request.most_input_tokens > sum(len(text.encode()) for text in texts)
