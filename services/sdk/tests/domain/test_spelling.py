"""Texts are spelled in one way."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graftline.domain.spelling import letters, normal


@given(st.text(max_size=40))
def test_letters_are_spelled_in_one_way(text):
    assert letters(text).isalnum() or letters(text) == ""
    assert letters(text.upper().lower()) == letters(text.upper().lower().upper().lower())
    assert letters(f" {text}?! ") == letters(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("What is the IP-address?", "whatistheipaddress"),
        ("Straße № ２", "strasseno2"),
        ("東京とは？", "東京とは"),
        ("→ …", ""),
    ],
)
def test_letters(text, expected):
    assert letters(text) == expected


def test_normal_keeps_spaces_and_marks():
    assert normal("Ｗhat, EXACTLY?") == "what, exactly?"
