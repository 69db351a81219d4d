"""What is said of a problem: neither the key nor the address, and not too much."""

from __future__ import annotations

import pytest

from graftline.llm.config import Endpoint
from graftline.llm.credentials import ApiKey
from graftline.llm.pool import Member
from graftline.llm.wire import WireProblem


def cleaned(words, url="http://127.0.0.1:4711/v1", key="sk-s3cret"):
    member = Member(Endpoint(url=url), None, ApiKey(key))
    return member.clean(WireProblem("bad-request", words, 2.0))


def test_it_is_short_and_keeps_what_else_is_known():
    problem = cleaned("x" * 1000)
    assert (problem.kind, problem.detail, problem.retry_after_s) == ("bad-request", "x" * 300, 2.0)


@pytest.mark.parametrize("before", range(285, 305))
def test_no_part_of_a_key_is_left_where_it_is_cut(before):
    detail = cleaned("x" * before + "sk-s3cret and more").detail
    assert "sk-" not in detail
    assert len(detail) <= 300


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("POST http://127.0.0.1:4711/v1/chat failed", "POST (address)/chat failed"),
        ("see http://127.0.0.1:4711/docs", "see (address)/docs"),
        ("localhost:4711 is busy", "(address) is busy"),
        ("connect to ('127.0.0.1', 4711) failed", "connect to ('(address)) failed"),
        ("no 127.0.0.1:47110", "no (address):47110"),
        ("a ratio of 16:4711 at 14:47", "a ratio of 16:4711 at 14:47"),
    ],
)
def test_the_address_is_left_out(words, told):
    assert cleaned(words).detail == told


def test_the_address_of_a_named_host_is_left_out_and_plain_words_stay():
    named = "https://api.Example.com/v1"
    assert cleaned("ask api.example.com, not example.com", named).detail == (
        "ask (address), not example.com"
    )
    assert cleaned("at https://api.example.com/v1/chat", named).detail == "at (address)/chat"
    assert cleaned("the llm at llm:8080 is no llm", "http://llm:8080/v1").detail == (
        "the llm at (address) is no llm"
    )
