"""Careless writing: changes of a message's letters that leave its labels readable."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterable

_WORD = re.compile(r"[A-Za-z]{4,}")
_SENTENCE_MARKS = re.compile(r"[.,!?;](?=\s|$)")
_TYPO_SHARE = 0.07


def write_carelessly(style: str, text: str, protected: Iterable[str], rng: random.Random) -> str:
    """Rewrite all of a text but the protected strings, which are to be copied letter by letter.

    Raises:
        KeyError: There is no such style.
    """
    change = STYLES[style]
    kept = [re.escape(part) for part in protected]
    parts = re.split(f"({'|'.join(kept)})", text) if kept else [text]
    return "".join(part if odd % 2 else change(part, rng) for odd, part in enumerate(parts))


def _with_typos(text: str, rng: random.Random) -> str:
    words = list(_WORD.finditer(text))
    if not words:
        return text
    count = max(1, round(len(words) * _TYPO_SHARE + rng.random()))
    wrong = sorted(rng.sample(range(len(words)), min(count, len(words))))
    pieces, end = [], 0
    for index in wrong:
        found = words[index]
        pieces += [text[end : found.start()], _typo(found[0], rng)]
        end = found.end()
    return "".join([*pieces, text[end:]])


def _typo(word: str, rng: random.Random) -> str:
    """Swap, drop or double a letter; never the first."""
    at = rng.randrange(1, len(word) - 1)
    kind = rng.randrange(3)
    if kind == 0:
        return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    if kind == 1:
        return word[:at] + word[at + 1 :]
    return word[:at] + word[at] + word[at:]


STYLES: dict[str, Callable[[str, random.Random], str]] = {
    "typos": _with_typos,
    "lowercase": lambda text, rng: text.lower(),
    "shouting": lambda text, rng: text.upper(),
    "unpunctuated": lambda text, rng: _SENTENCE_MARKS.sub("", text),
}
"""By name; each takes a piece of text without protected strings."""
