"""From a task to a parsed document, whatever its format."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from graftline.domain.blocks import Block, heading_text
from graftline_ingest.documents.decoding import decode
from graftline_ingest.documents.kinds import HTML, MARKDOWN, PDF, PLAIN, WORD
from graftline_ingest.documents.parsed import Parsed
from graftline_ingest.drafts import Refused

if TYPE_CHECKING:
    from typing import Any

    from graftline_ingest.documents.parsed import Task


def parse(task: Task) -> Parsed:
    """Parse a file.

    Raises:
        Refused: It cannot be made a document.
    """
    path = Path(task.path)
    if task.media_type == PDF:
        text, blocks, title, meta = read_pdf_file(path, task)
        return _checked(task, text, blocks, title or _first_heading(text, blocks), meta)
    if task.media_type == WORD:
        from graftline_ingest.documents.parsers.word import read_word

        text, title, meta = read_word(path, task.max_expansion)
        return _of_markdown(task, text, title, meta)
    data = path.read_bytes()
    if task.media_type == HTML:
        from graftline_ingest.documents.parsers.html import declared_charset, read_html

        page, encoding = decode(data, task.encoding, declared_charset(data))
        text, title, meta = read_html(page)
        return _of_markdown(task, text, title, {**meta, "encoding": encoding})
    text, encoding = decode(data, task.encoding)
    if task.media_type == MARKDOWN:
        return _of_markdown_file(task, text, {"encoding": encoding})
    if task.media_type == PLAIN:
        from graftline_ingest.documents.parsers.plain import parse_plain

        _check_size(task, text)
        return _checked(task, text, parse_plain(text), "", {"encoding": encoding})
    raise ValueError(f"no parser for {task.media_type}")


def read_pdf_file(path: Path, task: Task) -> tuple[str, list[Block], str, dict[str, Any]]:
    """Read a PDF within the task's bounds."""
    from graftline_ingest.documents.parsers.pdf import read_pdf

    return read_pdf(path, task.max_pages, task.max_text_bytes)


def _of_markdown_file(task: Task, text: str, meta: dict[str, Any]) -> Parsed:
    """Parse what stands behind the front matter; one that cannot be read stays in the text."""
    from graftline_ingest.documents.parsers.front_matter import find_front_matter

    front = find_front_matter(text)
    if front is None:
        return _of_markdown(task, text, "", meta, unread_front_matter=True)
    meta = {**meta, "front_matter": front.fields, "text_start": front.end}
    return _of_markdown(task, text[front.end :], front.fields.get("title", "").strip(), meta)


def _of_markdown(
    task: Task, text: str, title: str, meta: dict[str, Any], *, unread_front_matter: bool = False
) -> Parsed:
    from graftline_ingest.documents.parsers.markdown import parse_markdown

    _check_size(task, text)
    blocks, found = parse_markdown(text, front_matter=unread_front_matter)
    return _checked(task, text, blocks, title or found, meta)


def _first_heading(text: str, blocks: list[Block]) -> str:
    headings = (block for block in blocks if block.kind == "heading")
    return next((heading_text(text[block.start : block.end]) for block in headings), "")


def _check_size(task: Task, text: str) -> None:
    # Characters are counted first: encoding a text only to measure it costs as much again.
    limit = task.max_text_bytes
    if len(text) > limit or (4 * len(text) > limit and len(text.encode()) > limit):
        raise Refused("too-large", f"has more than {limit >> 20} MiB of text")


def _checked(
    task: Task, text: str, blocks: list[Block], title: str, meta: dict[str, Any]
) -> Parsed:
    _check_size(task, text)
    if not any(block.start < block.end for block in blocks):
        raise Refused("empty", "holds no text")
    return Parsed(text, blocks, title, meta)
