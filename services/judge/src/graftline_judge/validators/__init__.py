"""Checks that ask nobody and that anybody can repeat; each gives `passed` and what it saw.

`passed` is true, false, or null where there is nothing to check. `duplicates` looks at all rows,
the others at one; none of them changes a score or a verdict.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from graftline_judge.validators.answerable import QuestionCheck
from graftline_judge.validators.grounding import check_grounding
from graftline_judge.validators.language import LanguageCheck
from graftline_judge.validators.length import check_length

if TYPE_CHECKING:
    from graftline_judge.config import JudgeConfig
    from graftline_judge.pairs import Pair

NAMES = ("grounding", "answerable", "language", "length", "duplicate")


class Validators:
    """All checks of single rows.

    Args:
        config: The stage's settings.
    """

    def __init__(self, config: JudgeConfig) -> None:
        """Prepare them."""
        self._config = config
        self._answerable = QuestionCheck(config.answerable)
        self._language = LanguageCheck(config.language)

    def check(self, pair: Pair) -> dict[str, dict[str, Any]]:
        """Give each check's finding, by name."""
        return {
            "grounding": check_grounding(pair, self._config.grounding),
            "answerable": self._answerable.check(pair.question),
            "language": self._language.check(pair),
            "length": check_length(pair, self._config.length),
        }
