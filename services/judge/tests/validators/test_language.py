"""Are question and answer in the source's language?"""

from __future__ import annotations

import time

import pytest

from graftline_judge.config import Language
from graftline_judge.pairs import Pair
from graftline_judge.validators.language import LanguageCheck

ENGLISH = "By default the client waits five seconds before it gives up and raises an exception."
GERMAN = "Standardmäßig wartet der Client fünf Sekunden, bevor er aufgibt und eine Ausnahme wirft."
FRENCH = "Par défaut, le client attend cinq secondes avant d'abandonner et de lever une exception."
JAPANESE = "クライアントは既定で五秒間待ってから、例外を発生させて処理を終了します。"


@pytest.fixture(scope="module")
def check():
    return LanguageCheck(Language()).check


@pytest.mark.parametrize(
    ("text", "code"), [(ENGLISH, "en"), (GERMAN, "de"), (FRENCH, "fr"), (JAPANESE, "ja")]
)
def test_one_language_is_fine(check, text, code):
    found = check(Pair(text, text, text))
    assert found == {"passed": True, "question": code, "answer": code, "source": code}


def test_two_languages_are_told(check):
    found = check(Pair("How long does the client wait by default?", GERMAN, ENGLISH))
    assert (found["passed"], found["answer"], found["source"]) == (False, "de", "en")
    assert check(Pair(GERMAN, ENGLISH, GERMAN))["passed"] is False


@pytest.mark.parametrize("text", ["汉字" * 50_000, "<" * 100_000, "()" * 50_000])
def test_a_long_text_without_spaces_takes_no_quadratic_time(check, text):
    before = time.process_time()
    check(Pair("How long does the client wait by default?", text, ENGLISH))
    assert time.process_time() - before < 2


def test_code_and_a_few_letters_are_in_no_language(check):
    code = "`httpx.get(url)`\n```python\nwith httpx.Client() as client:\n    pass\n```"
    found = check(Pair("How long does the client wait by default?", f"{code} 5.0", ENGLISH))
    assert (found["passed"], found["answer"]) == (True, None)
    assert check(Pair("5?", "Yes", ""))["passed"] is None
