"""What all validators see of a text: its words and numbers, whatever its language."""

from __future__ import annotations

import re
import unicodedata

from graftline.domain.spelling import normal

# Scripts that put no spaces between words: their words are taken as pairs of characters.
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uf900-\ufaff\U00020000-\U0003ffff]+"
)
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")


def words(text: str) -> list[str]:
    """Give a text's words in order, without numbers."""
    plain = normal(text)
    found: list[str] = []
    for run in _UNSPACED.findall(plain):
        found += [run[at : at + 2] for at in range(max(len(run) - 1, 1))]
    for word in _WORD.findall(_UNSPACED.sub(" ", plain)):
        if not word[0].isdigit():
            found.append(word)
    return found


def numbers(text: str) -> list[str]:
    """Give a text's numbers in order, in one spelling: `1,000` and `1000` are one, `5.0` is `5`."""
    found = []
    for number in _NUMBER.findall(unicodedata.normalize("NFKC", text)):
        digits = "".join(str(unicodedata.digit(c)) if c.isdigit() else c for c in number)
        digits = re.sub(r",(?=\d{3}(?!\d))", "", digits)
        if "." in digits and digits.count(".") == 1:
            digits = digits.rstrip("0").rstrip(".")
        found.append(digits)
    return found
