"""Does the answer use the source's words and numbers?"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graftline_judge.config import Grounding
from graftline_judge.pairs import Pair
from graftline_judge.validators.grounding import check_grounding

SOURCE = (
    "The client waits 5 seconds by default. A connection that breaks off raises ConnectError, and"
    " requests are retried 1,000 times at most."
)


def check(question, answer, source=SOURCE, **limits):
    return check_grounding(Pair(question, answer, source), Grounding(**limits))


@pytest.mark.parametrize(
    ("question", "answer", "passed", "share", "missing"),
    [
        ("How long does it wait?", "The client waits five seconds by default.", True, 0.8, []),
        ("How long does it take?", "It is waiting for 5 seconds.", True, 1.0, []),  # endings
        ("How long does it wait?", "Elephants never forget anything.", False, 0.0, []),
        ("How long does it wait?", "It waits 7 seconds.", False, 1.0, ["7"]),
        ("How often?", "1000 times", True, 1.0, []),  # 1,000 spelled otherwise
        ("Is 30 too long?", "Yes, 30 seconds", True, 1.0, []),  # a number of the question's
        ("How long?", "5", True, None, []),
        ("How long?", "6", False, None, ["6"]),
        ("Does it wait?", "Yes.", None, None, []),
        ("Does the client wait?", "", None, None, []),
        # The question's own words say nothing about the answer.
        ("What do giraffes and the client do?", "giraffes elephants", False, 0.0, []),
        ("What breaks off?", "The connections", True, 1.0, []),
        ("What breaks off?", "A context", False, 0.0, []),
    ],
)
def test_answers(question, answer, passed, share, missing):
    found = check(question, answer)
    assert (found["passed"], found["share"], found["numbers_missing"]) == (passed, share, missing)


def test_without_a_source_nothing_is_said():
    assert check("How?", "So.", source=" ")["passed"] is None


@pytest.mark.parametrize(
    ("source", "good", "bad"),
    [
        (
            "クライアントは五秒待ちます。接続が切れるとエラーになります。",
            "五秒待ちます",
            "象は忘れない",
        ),
        ("客户端默认等待五秒。连接中断时会引发错误。", "默认等待五秒", "大象从不忘记"),
        ("Клиент ждёт пять секунд по умолчанию.", "пять секунды", "Слоны ничего не забывают"),
        ("ينتظر العميل خمس ثوان افتراضيا.", "خمس ثوان افتراضيا", "الفيلة لا تنسى شيئا"),
    ],
)
def test_whatever_the_language(source, good, bad):
    assert check("?", good, source)["passed"] is True
    assert check("?", bad, source)["passed"] is False


def test_limits_are_settings():
    answer = "The client waits five centuries by default, elephants."
    assert check("Long?", answer, at_least=0.9)["passed"] is False
    assert check("Long?", answer, at_least=0.3)["passed"] is True
    assert check("Long?", "It waits 7 seconds.", numbers=False)["passed"] is True


@given(st.text(max_size=60))
def test_a_piece_of_the_source_is_always_grounded(text):
    found = check("", text, source=f"Before. {text} After.")
    assert found["passed"] in (True, None)
    assert found["numbers_missing"] == []
