"""Is it a question, and one that is understood without the source beside it?"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from graftline.domain.spelling import normal
from graftline_judge.text import words

if TYPE_CHECKING:
    from graftline_judge.config import Answerable

# Latin and Greek (its ";" in both forms), Arabic, Armenian, Ethiopic, full width, and others.
_MARKS = "?;\u037e\u061f\u055e\u1367\uff1f\u2047\u2048\u2049\u2e2e\ufe56\u0f44"
_GREEK = re.compile("[\u0370-\u03ff]")
_CLOSING = " \t\r\n\"'”’»)]*_`."


class QuestionCheck:
    """Checks questions.

    Args:
        settings: Words that begin a request, and patterns of questions that point at a text.
    """

    def __init__(self, settings: Answerable) -> None:
        """Compile the patterns."""
        self._words = {normal(word) for word in settings.request_words}
        self._patterns = [re.compile(p, re.IGNORECASE) for p in settings.context_patterns]

    def check(self, question: str) -> dict[str, Any]:
        """Say whether a question can be answered by somebody who does not see the source.

        Returns:
            `problem`: `no-question`, `points-at-text` (with the words in `found`), or null.
        """
        if not question.strip():
            return {"passed": False, "problem": "no-question", "found": ""}
        for pattern in self._patterns:
            match = pattern.search(question)
            if match:
                return {"passed": False, "problem": "points-at-text", "found": match.group()}
        passed = self._asks(question)
        return {"passed": passed, "problem": None if passed else "no-question", "found": ""}

    def _asks(self, question: str) -> bool:
        """Whether it asks: by a question mark at the end of a sentence, or by its first word."""
        for sentence in re.split(r"(?<=[?\uff1f\u061f])|\n", question):
            mark = sentence.rstrip(_CLOSING)[-1:]
            if mark and mark in _MARKS and (mark != ";" or _GREEK.search(sentence)):
                return True
        first = words(question)[:1]
        return bool(first) and first[0] in self._words
