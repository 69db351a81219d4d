"""Word files: `mammoth` reads them as HTML by their styles; macros and pictures are left out."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from graftline_ingest.documents.damage import ZIP_METHODS, damage_told, is_damage
from graftline_ingest.documents.parsers.html import to_markdown
from graftline_ingest.drafts import Refused

_FREE_BYTES = 64 << 20
_MAX_PARTS = 10_000
_BLOCK = 1 << 20
# In UTF-8 and in both orders of UTF-16; Word files may not have one, entities are made in it.
_DOCTYPES = tuple("<!DOCTYPE".encode(name) for name in ("utf-8", "utf-16-le", "utf-16-be"))
_OVERLAP = max(len(mark) for mark in _DOCTYPES)
_CORE = "docProps/core.xml"
_PURL = "{http://purl.org/dc/elements/1.1/}"
_STYLES = """
p[style-name='Title'] => h1:fresh
p[style-name='Code'] => pre:separator('\n')
p[style-name='Source Code'] => pre:separator('\n')
p[style-name='HTML Preformatted'] => pre:separator('\n')
p[style-name='macro'] => pre:separator('\n')
p[style-name='Quote'] => blockquote > p:fresh
p[style-name='Intense Quote'] => blockquote > p:fresh
"""


def read_word(path: Path, max_expansion: int) -> tuple[str, str, dict[str, Any]]:
    """Give a Word file as Markdown, the title and author of its properties.

    Raises:
        Refused: It is damaged, a bomb, nested too deeply, or no Word file.
    """
    import mammoth  # type: ignore[import-untyped]

    with damage_told("is no whole Word file"), zipfile.ZipFile(path) as archive:
        _inspect(archive, path.stat().st_size, max_expansion)
        title, meta = _properties(archive)
    try:
        with path.open("rb") as file:
            # A picture is text by its description alone.
            pictures = mammoth.images.img_element(lambda image: {})
            page = mammoth.convert_to_html(file, style_map=_STYLES, convert_image=pictures).value
    except RecursionError:
        raise Refused("too-deep", "its parts are nested too deeply") from None
    except MemoryError:
        raise
    except Exception as error:  # the library lets whatever it stumbles over through
        if isinstance(error, OSError) and not is_damage(error):
            raise
        raise Refused("damaged", f"cannot be read as a Word file: {error!r:.300}") from error
    return to_markdown(page), title, meta


def _inspect(archive: zipfile.ZipFile, size: int, max_expansion: int) -> None:
    """Refuse what must not reach an XML parser."""
    parts = archive.infolist()
    if "word/document.xml" not in archive.namelist():
        raise Refused("unsupported", "holds no word/document.xml; is it another Office format?")
    limit = _FREE_BYTES + size * max_expansion
    if len(parts) > _MAX_PARTS or sum(part.file_size for part in parts) > limit:
        raise Refused("bomb", f"unpacks to more than {limit >> 20} MiB or {_MAX_PARTS:,} parts")
    for part in parts:
        if part.flag_bits & 1:
            raise Refused("encrypted", "needs a password")
        if part.compress_type not in ZIP_METHODS:
            method = f"compressed by zip method {part.compress_type}, which no Word file may be"
            raise Refused("unsupported", method)
        if part.filename.lower().endswith((".xml", ".rels")) and _has_doctype(archive, part):
            raise Refused("bomb", f"{part.filename} declares XML entities, which no Word file may")


def _has_doctype(archive: zipfile.ZipFile, part: zipfile.ZipInfo) -> bool:
    rest = b""
    with archive.open(part) as stream:
        while block := stream.read(_BLOCK):
            window = rest + block
            if any(mark in window for mark in _DOCTYPES):
                return True
            rest = window[-_OVERLAP:]
    return False


def _properties(archive: zipfile.ZipFile) -> tuple[str, dict[str, Any]]:
    if _CORE not in archive.namelist() or archive.getinfo(_CORE).file_size > _BLOCK:
        return "", {}
    try:
        root = ElementTree.fromstring(archive.read(_CORE))
    except (ElementTree.ParseError, LookupError, ValueError):  # the latter of odd encodings
        return "", {}
    title = (root.findtext(f"{_PURL}title") or "").strip()
    author = (root.findtext(f"{_PURL}creator") or "").strip()
    return title, {"author": author} if author else {}
