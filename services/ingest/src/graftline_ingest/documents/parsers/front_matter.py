"""Front matter: the fields before a Markdown text, in YAML between two lines of dashes."""

from __future__ import annotations

import re
from typing import NamedTuple

from graftline_ingest.plain_yaml import UnusableYaml, parse_plain_yaml

# As in Pandoc: with a blank line behind them, the dashes may be a rule.
_BEGIN = re.compile(r"---[ \t]*(?:\r\n?|\n)(?![ \t]*[\r\n])")
_END = re.compile(r"(?<=[\r\n])(?:---|\.\.\.)[ \t]*(?:[\r\n][ \t\r\n]*(?<=[\r\n])|\Z)")
_LONGEST = 1 << 16


class FrontMatter(NamedTuple):
    """What stands before a text.

    Args:
        fields: Its fields that are one text each.
        end: Where the text begins: behind the dashes and the blank lines after them.
    """

    fields: dict[str, str]
    end: int


def find_front_matter(text: str) -> FrontMatter | None:
    """Read a text's front matter; nothing if it has none that can be read.

    It is a mapping of at most 64 K characters, without aliases. Every value is the text that
    stands there; lists and mappings in it are left out.
    """
    begin = _BEGIN.match(text)
    end = _END.search(text, begin.end()) if begin else None
    if begin is None or end is None or end.start() - begin.end() > _LONGEST:
        return None
    raw = text[begin.end() : end.start()]
    try:
        found = parse_plain_yaml(raw) if raw else {}
    except UnusableYaml:
        return None
    if not isinstance(found, dict):
        return None
    fields = {name: value for name, value in found.items() if isinstance(value, str)}
    # Without libyaml an escape can give half a character, which no file can hold.
    if any(not _is_unicode(name + value) for name, value in fields.items()):
        return None
    return FrontMatter(fields, end.end())


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)
