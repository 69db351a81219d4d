"""PDF: PDFium gives the characters; their places and sizes tell lines, paragraphs and headings.

Tables come as lines of text: a PDF does not say what is one.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from graftline.domain.blocks import Block
from graftline_ingest.drafts import Refused

if TYPE_CHECKING:
    from pathlib import Path

_PASSWORD, _SECURITY = 4, 5  # FPDF_ERR_PASSWORD, FPDF_ERR_SECURITY
# A hyphen that a line break put there is marked by one of these.
_HYPHEN = re.compile("[\x02\ufffe]\r?\n")
_CONTROLS = re.compile("[\x00-\x08\x0b-\x0c\x0e-\x1f\x7f\ufffe\uffff]")
_HEADING_RATIO = 1.15
_MAX_HEADING = 200
_PARAGRAPH_GAP = 0.4  # of a line's height
_SAME_SIZE = 0.08


class _Line(NamedTuple):
    """A line of text; without a height nothing is known of its place."""

    text: str
    height: float = 0.0
    top: float = 0.0
    bottom: float = 0.0


def read_pdf(
    path: Path, max_pages: int, max_text_bytes: int
) -> tuple[str, list[Block], str, dict[str, Any]]:
    """Give a PDF's text, blocks (with a mark for each page), title, and what else is known.

    Raises:
        Refused: It is encrypted, damaged, too large, without text (scanned-only) or empty.
    """
    import pypdfium2  # type: ignore[import-untyped]

    try:
        document = pypdfium2.PdfDocument(path)
    except pypdfium2.PdfiumError as error:
        if error.err_code in (_PASSWORD, _SECURITY):
            raise Refused("encrypted", "needs a password") from error
        raise Refused("damaged", f"is no whole PDF: {error}") from error
    with document:
        count = len(document)
        if count > max_pages:
            raise Refused("too-large", f"has {count:,} pages, more than {max_pages:,}")
        pages = _pages(document, count, max_text_bytes)
        if not any(pages):
            pictures = any(_has_picture(document, number) for number in range(count))
            if pictures:
                raise Refused("scanned-only", f"its {count} pages are pictures without text")
            raise Refused("empty", f"its {count} pages hold no text")
        known = document.get_metadata_dict(skip_empty=True)
    meta: dict[str, Any] = {"pages": count}
    if blank := sum(not lines for lines in pages):
        meta["pages_without_text"] = blank
    if author := _clean(known.get("Author", "")).strip():
        meta["author"] = author
    text, blocks = _compose(pages)
    return text, blocks, _clean(known.get("Title", "")).strip(), meta


def _pages(document: Any, count: int, max_text_bytes: int) -> list[list[_Line]]:
    import pypdfium2

    pages, size = [], 0
    for number in range(count):
        try:
            lines = _lines(document, number)
        except pypdfium2.PdfiumError as error:
            raise Refused("damaged", f"page {number + 1} cannot be read: {error}") from error
        size += sum(len(line.text) for line in lines)
        if size > max_text_bytes:
            raise Refused("too-large", f"has more than {max_text_bytes >> 20} MiB of text")
        pages.append(lines)
    return pages


def _lines(document: Any, number: int) -> list[_Line]:
    page = document[number]
    characters = page.get_textpage()
    try:
        text = characters.get_text_range()
        # The library does not promise one character each; then there are no places.
        exact = len(text) == characters.count_chars()
        if not exact:
            text = characters.get_text_bounded()
        lines: list[_Line] = []
        at = 0
        for raw in _HYPHEN.sub(lambda match: "\ufffe" * len(match.group()), text).split("\n"):
            words = raw.strip()
            if words:
                first = at + raw.index(words[0])
                clean = _clean(words)
                if clean:
                    place = _place(characters, first, at + len(raw.rstrip()) - 1) if exact else ()
                    lines.append(_Line(clean, *place))
            at += len(raw) + 1
        return lines
    finally:
        characters.close()
        page.close()


def _place(characters: Any, first: int, last: int) -> tuple[float, float, float]:
    """Give a line's height, top and bottom, by its first and last character."""
    _, bottom, _, top = characters.get_charbox(first, loose=True)
    _, low, _, high = characters.get_charbox(last, loose=True)
    return max(top - bottom, high - low), max(top, high), min(bottom, low)


def _has_picture(document: Any, number: int) -> bool:
    import pypdfium2
    from pypdfium2 import raw

    page = document[number]
    try:
        objects = page.get_objects(filter=[raw.FPDF_PAGEOBJ_IMAGE], max_depth=3)
        return next(iter(objects), None) is not None
    except pypdfium2.PdfiumError:
        return False
    finally:
        page.close()


def _clean(text: str) -> str:
    return _CONTROLS.sub("", text.encode("utf-8", "ignore").decode())


def _compose(pages: list[list[_Line]]) -> tuple[str, list[Block]]:
    """Join lines to paragraphs and headings, and these to the document's text."""
    levels = _heading_levels(pages)
    parts: list[str] = []
    blocks: list[Block] = []
    at = 0
    for number, lines in enumerate(pages, 1):
        mark = len(blocks)
        for level, group in _groups(lines, levels):
            if parts:
                parts.append("\n\n")
                at += 2
            joined = f"{'#' * level} {' '.join(group)}" if level else "\n".join(group)
            kind = "heading" if level else "paragraph"
            blocks.append(Block(kind, level, at, at + len(joined)))
            parts.append(joined)
            at += len(joined)
        start = blocks[mark].start if len(blocks) > mark else at
        blocks.insert(mark, Block("page", number, start, start))
    return "".join(parts), blocks


def _heading_levels(pages: list[list[_Line]]) -> dict[float, int]:
    """Give the level of each size that is clearly larger than most of the text."""
    amounts: Counter[float] = Counter()
    for lines in pages:
        for line in lines:
            amounts[_size(line)] += len(line.text)
    amounts.pop(0.0, None)
    if not amounts:
        return {}
    body = min(amounts, key=lambda size: (-amounts[size], size))
    sizes = sorted((size for size in amounts if size >= body * _HEADING_RATIO), reverse=True)
    return {size: min(level, 6) for level, size in enumerate(sizes, 1)}


def _groups(lines: list[_Line], levels: dict[float, int]) -> list[tuple[int, list[str]]]:
    """Give a page's headings (level, its lines) and paragraphs (0, its lines)."""
    groups: list[tuple[int, list[str]]] = []
    before: _Line | None = None
    for line in lines:
        level = levels.get(_size(line), 0) if len(line.text) <= _MAX_HEADING else 0
        level = level if any(character.isalpha() for character in line.text) else 0
        if before is None or level != groups[-1][0] or _apart(before, line):
            groups.append((level, [line.text]))
        else:
            groups[-1][1].append(line.text)
        before = line
    return groups


def _apart(before: _Line, line: _Line) -> bool:
    """Whether a line begins a paragraph: a gap, another column, another size."""
    if not before.height or not line.height:
        return False
    if abs(line.height - before.height) > _SAME_SIZE * before.height:
        return True
    gap = before.bottom - line.top
    return gap > _PARAGRAPH_GAP * line.height or line.bottom > before.top


def _size(line: _Line) -> float:
    return round(line.height * 2) / 2
