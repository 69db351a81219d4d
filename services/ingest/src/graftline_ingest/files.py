"""The files of a source: which, of what format, opened within bounds."""

from __future__ import annotations

import fnmatch
import gzip
import io
import re
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from graftline.errors import ConfigError, DataError
from graftline.sources import source_files

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from graftline_ingest.config import IngestConfig

_FORMATS = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
    ".arrow": "arrow",
    ".feather": "arrow",
}
_TAXONOMY_FORMATS = {".yaml": "yaml", ".yml": "yaml"}
# A taxonomy holds other YAML files too: templates, schemas.
_TAXONOMY_LEAVES = re.compile(r"qna\.ya?ml(\.gz)?", re.IGNORECASE)
# What the `datasets` library writes beside the data, and dataset descriptions.
_NOT_DATA = {"dataset_info.json", "dataset_dict.json", "state.json", "dataset_infos.json"}
_SPLIT_WORD = re.compile(
    r"^(train|training|validate|validation|valid|val|dev|test|eval|evaluation|ood|oos)(?![a-z])",
    re.IGNORECASE,
)
_GZIP_MAGIC = b"\x1f\x8b"
_FREE_EXPANSION_BYTES = 64 << 20


@dataclass(frozen=True)
class SourceFile:
    """A file to read.

    Args:
        name: Relative to the source; the bare name for a single file.
        path: Where it is.
        format: One of the formats of the config, never auto; `yaml` of a taxonomy.
        gzipped: Whether it is to be unpacked.
        split: The split that its name or folder says; empty for a single file.
        in_folder: Whether the source is a folder.
    """

    name: str
    path: Path
    format: str
    gzipped: bool
    split: str
    in_folder: bool


def find_files(root: Path, config: IngestConfig) -> list[SourceFile]:
    """List the files to read, sorted by name.

    Raises:
        ConfigError: A single file of unknown format, or patterns that match nothing.
        DataError: The source holds no file of a known format.
    """
    listed = source_files(root)
    if root.is_dir() and config.include:
        chosen = [
            item for item in listed if any(fnmatch.fnmatch(item[0], p) for p in config.include)
        ]
        if not chosen:
            raise ConfigError(
                f"include {config.include} matches none of the {len(listed)} files in {root.name}/",
                f"there are: {', '.join(name for name, _ in listed[:8])}",
            )
        listed = chosen
    if root.is_dir():
        listed = [
            item for item in listed if not any(fnmatch.fnmatch(item[0], p) for p in config.exclude)
        ]
    files = [
        file
        for name, path in listed
        if (file := _source_file(name, path, config, in_folder=root.is_dir())) is not None
    ]
    if not files and config.layout == "instructlab":
        raise DataError(
            f"{root.name}: no file qna.yaml", "name the files by `include` if they are called else"
        )
    if not files:
        raise DataError(
            f"{root.name}: no file of a known format ({', '.join(_FORMATS)}, each also .gz)",
            "set `format`, or convert the data; md, html, txt, pdf and docx are read by"
            " `layout: documents`",
        )
    return files


def split_in_name(name: str) -> str:
    """Give the split word that a relative path says, folders first; empty if none."""
    for part in name.split("/"):
        if match := _SPLIT_WORD.match(part):
            return match.group(1).lower()
    return ""


def _source_file(
    name: str, path: Path, config: IngestConfig, *, in_folder: bool
) -> SourceFile | None:
    gzipped = name.lower().endswith(".gz")
    stem = name[:-3] if gzipped else name
    suffix = "." + stem.rsplit(".", 1)[-1].lower()
    if in_folder and not config.include and path.name in _NOT_DATA:
        return None
    taxonomy = config.layout == "instructlab"
    if taxonomy and in_folder and not config.include and not _TAXONOMY_LEAVES.fullmatch(path.name):
        return None
    formats = _TAXONOMY_FORMATS if taxonomy else _FORMATS
    found = config.format if config.format != "auto" else formats.get(suffix, "")
    if config.format != "auto" and in_folder and not config.include and suffix not in _FORMATS:
        return None
    if not found:
        return None
    if gzipped and found in ("parquet", "arrow"):
        raise DataError(f"{name}: {found} files are compressed inside; unpack the .gz first")
    return SourceFile(
        name, path, found, gzipped, split_in_name(name) if in_folder else "", in_folder
    )


class BoundedStream(io.RawIOBase):
    """A file's bytes, unpacked if gzipped, which refuses to grow out of all proportion.

    Args:
        file: The file.
        max_expansion: How many times its size it may become beyond the first 64 MiB.
        progress: Told the bytes of the file (not of its content) read since the last call.
    """

    def __init__(
        self, file: SourceFile, max_expansion: int, progress: Callable[[int], None]
    ) -> None:
        """Open the file.

        Raises:
            DataError: It cannot be opened, or is gzipped twice.
        """
        super().__init__()
        self._name = file.name
        self._progress = progress
        self._told = 0
        self._given = 0
        size = file.path.stat().st_size
        self._limit = _FREE_EXPANSION_BYTES + size * max_expansion
        self._max_expansion = max_expansion
        try:
            self._raw: BinaryIO = file.path.open("rb")
        except OSError as error:
            raise DataError(f"{file.name}: cannot be opened: {error.strerror}") from error
        magic = self._raw.read(2)
        self._raw.seek(0)
        self._gzipped = file.gzipped or magic == _GZIP_MAGIC
        self._inner: BinaryIO = (
            gzip.GzipFile(fileobj=self._raw) if self._gzipped else self._raw  # type: ignore[assignment]
        )

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Read at most a buffer full.

        Raises:
            DataError: The gzip data is broken, cut off, nested, or a decompression bomb.
        """
        try:
            data = self._inner.read(len(buffer))
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise DataError(f"{self._name}: broken or cut-off gzip data: {error}") from error
        if self._gzipped:
            if self._given == 0 and data.startswith(_GZIP_MAGIC):
                raise DataError(f"{self._name}: gzipped twice", "unpack it once")
            if self._given + len(data) > self._limit:
                raise DataError(
                    f"{self._name}: unpacks to more than {self._limit >> 20} MiB, over"
                    f" {self._max_expansion} times its size: taken for a decompression bomb",
                    "raise `max_expansion` if it is not",
                )
        self._given += len(data)
        position = self._raw.tell()
        self._progress(position - self._told)
        self._told = position
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        """Close the file."""
        if not self.closed:
            self._inner.close()
            self._raw.close()
        super().close()
