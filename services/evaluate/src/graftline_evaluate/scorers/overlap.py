"""How much two texts share: SQuAD's token F1 and ROUGE-L, for texts in any script.

- **Token F1** and the equality of answers are those of SQuAD's evaluation script [Rajpurkar et al.
  2016, arXiv:1606.05250]: texts without case, punctuation and English articles, as bags of words.
- **ROUGE-L** is the F measure of the longest common subsequence of words [Lin 2004, "ROUGE: A
  Package for Automatic Evaluation of Summaries", with β = 1], words being runs of letters and
  digits, unstemmed, articles kept: on English the figure that Google's `rouge-score` gives.

Both are defined for ASCII there. Here case is Unicode's (NFKC, case folding), punctuation is
Unicode's category P and ASCII's other signs, and a character of a script that puts no spaces
between words (Chinese, Japanese, Thai, Lao, Khmer, Burmese) is a word by itself, as MLQA has it for
Chinese [Lewis et al. 2020, arXiv:1910.07475]. What would leave a text without words is not taken
out of it, so that the answers "A", "The Who?" and "**" can be right.
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections import Counter
from typing import TYPE_CHECKING

from rapidfuzz.distance import LCSseq

if TYPE_CHECKING:
    from collections.abc import Sequence

_ARTICLES = frozenset({"a", "an", "the"})
_ASCII_SIGNS = frozenset(string.punctuation)
_UNSPACED = re.compile(
    "(["
    "\u0e00-\u0eff"  # Thai, Lao
    "\u1000-\u109f"  # Burmese
    "\u1780-\u17ff"  # Khmer
    "\u3040-\u30ff"  # Hiragana, Katakana
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f"  # Han
    "])"
)


def answer_words(text: str) -> list[str]:
    """Give a text's words as SQuAD compares them; none only if it has no visible character."""
    folded = _fold(text)
    bare = "".join(character for character in folded if not _is_punctuation(character))
    words = (bare if bare.strip() else folded).split()
    return [word for word in words if word not in _ARTICLES] or words


def token_f1(said: Sequence[str], right: Sequence[str]) -> float:
    """Give the F1 of two bags of words (see `answer_words`); 1 if both are empty.

    It is symmetric, 1 only for equal bags, and 0 only for bags that share nothing.
    """
    shared = (Counter(said) & Counter(right)).total()
    return _f1(shared, len(said), len(right))


def rouge_l(said: str, right: str) -> float:
    """Give ROUGE-L's F measure; 1 if neither text has words. It is symmetric."""
    said_words, right_words = _plain_words(said), _plain_words(right)
    # As numbers, so that equality decides, and not the hashes that the library compares.
    numbers: dict[str, int] = {}
    first = [numbers.setdefault(word, len(numbers)) for word in said_words]
    second = [numbers.setdefault(word, len(numbers)) for word in right_words]
    return _f1(LCSseq.similarity(first, second), len(first), len(second))


def _plain_words(text: str) -> list[str]:
    folded = _fold(text)
    kept = (character if _is_part_of_word(character) else " " for character in folded)
    return "".join(kept).split() or folded.split()


def _fold(text: str) -> str:
    return _UNSPACED.sub(r" \1 ", unicodedata.normalize("NFKC", text).casefold())


def _is_punctuation(character: str) -> bool:
    return character in _ASCII_SIGNS or unicodedata.category(character)[0] == "P"


def _is_part_of_word(character: str) -> bool:
    """Whether it is a letter, a digit or a mark on one, such as the vowels of Hindi."""
    return unicodedata.category(character)[0] in "LNM"


def _f1(shared: int, said: int, right: int) -> float:
    return 2 * shared / (said + right) if said + right else 1.0
