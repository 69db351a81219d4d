"""Texts spelled in one way, so that what reads alike is found to be alike in any language."""

from __future__ import annotations

import unicodedata


def normal(text: str) -> str:
    """Spell a text in one way: compatibility forms resolved, without case."""
    return unicodedata.normalize("NFKC", text).casefold()


def letters(text: str) -> str:
    """Give what a text says to the eye: letters and digits, without case, marks and spaces."""
    return "".join(character for character in normal(text) if character.isalnum())
