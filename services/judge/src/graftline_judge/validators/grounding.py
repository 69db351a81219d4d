"""Does the answer use the source's words and numbers?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from graftline_judge.text import numbers, words

if TYPE_CHECKING:
    from graftline_judge.config import Grounding
    from graftline_judge.pairs import Pair

_SHORT = 4
_ENDING = 3
_NUMBERS_SHOWN = 5


def check_grounding(pair: Pair, limits: Grounding) -> dict[str, Any]:
    """Look for the answer's words and numbers in the source.

    Counted are the distinct words of four letters or more (of unspaced scripts: pairs of
    characters) that the question does not hold; if there are none, all of the answer's. A word is
    found if the source has it, or one that begins alike up to an ending of three letters. Numbers
    must be found exactly, in the source or the question.

    Returns:
        `share` (0 to 1, null without words) and `numbers_missing`, at most five of them.
    """
    if not pair.source.strip() or not pair.answer.strip():
        return {"passed": None, "share": None, "numbers_missing": []}
    source = _Vocabulary(pair.source)
    said = _content(pair.answer)
    new = said - _content(pair.question) or said
    share = sum(word in source for word in new) / len(new) if new else None
    known = {*numbers(pair.source), *numbers(pair.question)}
    missing = [number for number in dict.fromkeys(numbers(pair.answer)) if number not in known]
    if share is None and not numbers(pair.answer):
        return {"passed": None, "share": None, "numbers_missing": []}
    grounded = share is None or share >= limits.at_least
    return {
        "passed": grounded and not (limits.numbers and missing),
        "share": None if share is None else round(share, 3),
        "numbers_missing": missing[:_NUMBERS_SHOWN],
    }


def _content(text: str) -> set[str]:
    return {word for word in words(text) if len(word) >= _SHORT or not word.isascii()}


class _Vocabulary:
    """A text's words, to be found with other endings too."""

    def __init__(self, text: str) -> None:
        self._stems = {stem for word in words(text) for stem in _stems(word)}

    def __contains__(self, word: str) -> bool:
        return not self._stems.isdisjoint(_stems(word))


def _stems(word: str) -> list[str]:
    """Give the word, and what is left of it without the last one, two and three letters.

    At least four letters stay; a shorter word is its only stem. Two words with a stem in common
    begin alike: `connection` and `connecting`, not `connection` and `context`.
    """
    least = min(max(len(word) - _ENDING, _SHORT), len(word))
    return [word[:length] for length in range(least, len(word) + 1)]
