"""Are question and answer in the source's language?"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

from graftline.domain.spelling import letters

if TYPE_CHECKING:
    from graftline_judge.config import Language
    from graftline_judge.pairs import Pair

# Code, addresses and names of things are in no language. What may begin anywhere has an end, so
# that time is not quadratic in a text without spaces.
_FOREIGN = re.compile(
    r"```.*?(?:```|\Z)|`[^`\n]*`|https?://\S+|\S{1,256}@\S+|\b\w+(?:[._/:]+\w+)+\b|\b\w+\(\)"
    r"|<[^>\n]{0,256}>",
    re.DOTALL,
)
_MOST_READ = 8000
_MOST_CHARACTERS = 2000


class LanguageCheck:
    """Checks the languages of rows by py3langid, a naive Bayes model of 97 languages and more.

    Args:
        settings: From what probability, and how many letters, a language counts as known.
    """

    def __init__(self, settings: Language) -> None:
        """Load the model."""
        self._settings = settings
        self._model = _model()
        # Rows of one chunk stand together.
        self._of_source = lru_cache(maxsize=8)(self._language_of)

    def check(self, pair: Pair) -> dict[str, Any]:
        """Compare the languages that are known.

        Returns:
            The languages of `question`, `answer` and `source`, as ISO 639-1 codes, or null.
        """
        source = self._of_source(pair.source)
        found = {
            "question": self._language_of(pair.question),
            "answer": self._language_of(pair.answer),
            "source": source,
        }
        known = [language for language in found.values() if language]
        passed = None if len(known) < 2 else len(set(known)) == 1
        return {"passed": passed, **found}

    def _language_of(self, text: str) -> str | None:
        plain = _FOREIGN.sub(" ", text[:_MOST_READ])[:_MOST_CHARACTERS]
        if len(letters(plain)) < self._settings.min_letters:
            return None
        language, probability = self._model.classify(plain)
        return str(language) if probability >= self._settings.confidence else None


@cache
def _model() -> Any:
    """Load the model, once a process: it takes a second and does not change."""
    from py3langid.langid import (  # type: ignore[import-untyped]
        MODEL_FILE,
        LanguageIdentifier,
    )

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
