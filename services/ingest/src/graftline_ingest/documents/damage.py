"""Which errors of libraries say that an archive is broken; a Word file is one as well."""

from __future__ import annotations

import errno
import tarfile
import zipfile
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING

from graftline_ingest.drafts import Refused

if TYPE_CHECKING:
    from collections.abc import Iterator

ZIP_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""Methods of zip whose memory the archive does not choose; others are read nowhere."""

_ERRORS = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    EOFError,
    # What `zipfile` and `tarfile` let through on damaged headers: unknown versions, names that are
    # not of their encoding, passwords, places beyond all bounds.
    NotImplementedError,
    RuntimeError,
    ValueError,
    OverflowError,
)


class Damaged(Refused):
    """A file is not whole.

    Args:
        detail: What is wrong, in words, without the place.
    """

    def __init__(self, detail: str) -> None:
        """Keep it."""
        super().__init__("damaged", detail)


@contextmanager
def damage_told(words: str) -> Iterator[None]:
    """Make errors of reading what is broken a Damaged; other errors stay what they are.

    Args:
        words: What the reason is put behind (`is no whole zip archive`).

    Raises:
        Damaged: There was such an error.
    """
    try:
        yield
    except Exception as error:
        if not is_damage(error):
            raise
        raise Damaged(f"{words}: {error}") from error


def is_damage(error: Exception) -> bool:
    """Whether an error says that a file is broken, and not that the machine or its disk is.

    A place before a file's beginning is the system's EINVAL; libraries' own OSErrors (gzip's, say)
    have no number.
    """
    if isinstance(error, OSError):
        return error.errno in (None, errno.EINVAL)
    return isinstance(error, _ERRORS)
