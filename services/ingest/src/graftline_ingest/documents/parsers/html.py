"""HTML: `html-to-markdown` writes it as Markdown, without navigation, scripts and styles."""

from __future__ import annotations

import html
import re
from functools import cache
from typing import Any

from graftline_ingest.drafts import Refused

_CHARSET = re.compile(
    rb"""<meta[^>]{0,500}?charset\s*=\s*["']?\s*([A-Za-z0-9_.:-]{1,40})""", re.IGNORECASE
)
_TITLE = re.compile(r"<title[^>]{0,500}>([^<]{0,2000})</title", re.IGNORECASE)
_LANGUAGE = re.compile(
    r"""<html[^>]{0,500}?\slang\s*=\s*["']?([A-Za-z0-9-]{1,20})""", re.IGNORECASE
)
_HEAD = 1 << 16
# As browsers read these names.
_SAME = {"iso-8859-1": "cp1252", "latin-1": "cp1252", "latin1": "cp1252", "us-ascii": "cp1252"}
_LEFT_OUT = [
    "nav",
    "footer",
    "script",
    "style",
    "noscript",
    "template",
    "iframe",
    "svg",
    "button",
    "[role=navigation]",
    "[role=search]",
]


def declared_charset(data: bytes) -> str:
    """Give the encoding that a page says it is of; empty if it says nothing, or what cannot be.

    The name was found as ASCII: it cannot be that of an encoding in which it would stand otherwise.
    So pages that call themselves UTF-16 without being so are UTF-8, as the HTML standard says.
    """
    match = _CHARSET.search(data, 0, _HEAD)
    if match is None:
        return ""
    name = match.group(1).decode("ascii")
    try:
        is_possible = match.group(1).decode(name) == name
    except (UnicodeError, LookupError):
        is_possible = False
    name = name.lower()
    return _SAME.get(name, name) if is_possible else ""


def read_html(page: str) -> tuple[str, str, dict[str, Any]]:
    """Give a page as Markdown, its title, and what else is known.

    Raises:
        Refused: It cannot be parsed, or is nested too deeply.
    """
    title = _TITLE.search(page, 0, _HEAD)
    language = _LANGUAGE.search(page, 0, _HEAD)
    meta = {"language": language.group(1)} if language else {}
    words = " ".join(html.unescape(title.group(1)).split()) if title else ""
    return to_markdown(page), words, meta


def to_markdown(page: str) -> str:
    """Write HTML as Markdown: `#` headings, `-` lists, tables with bars, fenced code.

    Raises:
        Refused: It cannot be parsed, or is nested too deeply.
    """
    import html_to_markdown

    try:
        found = html_to_markdown.convert(page, _options())
    except MemoryError:
        raise
    except Exception as error:  # the library's errors have no common base but this
        raise Refused("damaged", f"cannot be parsed as HTML: {error}") from error
    if any(str(warning.kind) == "depth_limit_exceeded" for warning in found.warnings):
        raise Refused("too-deep", "its elements are nested too deeply")
    return found.content or ""


@cache
def _options() -> Any:
    import html_to_markdown

    return html_to_markdown.ConversionOptions(
        bullets="-",
        list_indent_width=2,
        extract_metadata=False,
        inline_data_media="alt_text_only",
        exclude_selectors=_LEFT_OUT,
        preprocessing=html_to_markdown.PreprocessingOptions(enabled=False),
    )
