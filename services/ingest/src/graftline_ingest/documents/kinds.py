"""What a file is, by its name and its first bytes."""

from __future__ import annotations

from graftline_ingest.drafts import Refused

MARKDOWN = "text/markdown"
HTML = "text/html"
PLAIN = "text/plain"
PDF = "application/pdf"
WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"

_SUFFIXES = {
    ".md": MARKDOWN,
    ".markdown": MARKDOWN,
    ".mdown": MARKDOWN,
    ".mkd": MARKDOWN,
    ".html": HTML,
    ".htm": HTML,
    ".xhtml": HTML,
    ".txt": PLAIN,
    ".text": PLAIN,
    ".rst": PLAIN,
    ".pdf": PDF,
    ".docx": WORD,
}
KNOWN = ", ".join(_SUFFIXES)

HEAD_BYTES = 1024
_PDF_MAGIC = b"%PDF-"
_ZIP_MAGIC = b"PK\x03\x04"
# Of OLE files: every encrypted file of Word's format is one, and so is its old format.
_OLE_MAGIC = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


def suffix_of(name: str) -> str:
    """Give the suffix of a path's last part, in lower case; empty if it has none."""
    stem, dot, suffix = name.rsplit("/", 1)[-1].rpartition(".")
    return f".{suffix.lower()}" if dot and stem else ""


def archive_kind(name: str) -> str:
    """Give zip, tar, tar.gz or gz for what is unpacked; empty for everything else."""
    lower = name.lower()
    if lower.endswith((".tar.gz", ".tgz")):
        return "tar.gz"
    return {".zip": "zip", ".tar": "tar", ".gz": "gz"}.get(suffix_of(lower), "")


def media_type(name: str, head: bytes) -> str:
    """Tell what a file is.

    Args:
        name: Its path.
        head: Its first `HEAD_BYTES`.

    Raises:
        Refused: It is of no kind that is read (unsupported), not what its name says (damaged), or
            encrypted.
    """
    suffix = suffix_of(name)
    if head.startswith(_PDF_MAGIC):
        return PDF
    # A README is a text; what a name without a suffix holds otherwise, decoding finds out.
    found = _SUFFIXES.get(suffix, "" if suffix else PLAIN)
    if not found:
        raise Refused("unsupported", f"'{suffix}' is none of {KNOWN}, .zip, .tar, .tar.gz, .gz")
    if found == PDF and _PDF_MAGIC not in head:
        raise Refused("damaged", "is no PDF, whatever its name says")
    if found == WORD and not head.startswith(_ZIP_MAGIC):
        if head.startswith(_OLE_MAGIC):
            raise Refused("encrypted", "needs a password (or is of Word's old binary format)")
        raise Refused("damaged", "is no Word file, whatever its name says")
    return found
