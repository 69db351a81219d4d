"""From the source to its feeds: one for each file or split of a Hub set."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING

from graftline.errors import DataError
from graftline_ingest.files import BoundedStream, SourceFile, find_files
from graftline_ingest.reading.documents import parse_whole, read_document
from graftline_ingest.reading.hub import HubSet, hub_feeds
from graftline_ingest.reading.lines import read_json_lines
from graftline_ingest.reading.records import Feed
from graftline_ingest.reading.tables import read_arrow, read_csv, read_parquet
from graftline_ingest.reading.taxonomy import read_taxonomy_leaf
from graftline_ingest.reading.text import BLOCK_BYTES, utf8_blocks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from graftline_ingest.config import IngestConfig
    from graftline_ingest.reading.records import Numbered

_UNITS = {"jsonl": "line", "csv": "line", "tsv": "line", "json": "item", "yaml": "pair"}


class Opener:
    """Opens the feeds of a source.

    Args:
        config: The stage's settings.
        progress: Told the bytes read since the last call.
    """

    def __init__(self, config: IngestConfig, progress: Callable[[int], None]) -> None:
        """Keep both."""
        self._config = config
        self._progress = progress
        self.latin1_files = 0
        self.total_bytes: int | None = None

    def feeds(self, root: Path | None) -> list[Feed]:
        """Give the feeds in the order of their names.

        Args:
            root: The local file or folder; nothing if the source is on the Hub.

        Raises:
            GraftlineError: There is nothing to read.
        """
        if root is None:
            return hub_feeds(HubSet.parse(self._config.source), self._config.hub_config)
        files = find_files(root, self._config)
        self.total_bytes = sum(file.path.stat().st_size for file in files)
        if self.total_bytes == 0:
            raise DataError(f"{root.name}: is empty")
        return [self._feed(file) for file in files if file.path.stat().st_size]

    def _feed(self, file: SourceFile) -> Feed:
        feed = Feed(
            name=file.name,
            in_folder=file.in_folder,
            split=file.split,
            unit=_UNITS.get(file.format, "row"),
            text_cells=file.format in ("csv", "tsv"),
            records=lambda: iter(()),
        )
        return replace(feed, records=lambda: self._records(file))

    def _records(self, file: SourceFile) -> Iterator[Numbered]:
        config = self._config
        max_row = config.max_row_mb << 20
        if file.format == "jsonl":
            return read_json_lines(self._blocks(file), max_row)
        if file.format == "json":
            return self._document(file, max_row)
        if file.format == "yaml":
            return read_taxonomy_leaf(
                self._blocks(file), file.name, max_bytes=config.max_document_mb << 20
            )
        if file.format in ("csv", "tsv"):
            delimiter = "," if file.format == "csv" else "\t"
            return read_csv(self._blocks(file), file.name, delimiter, max_row)
        if file.format == "parquet":
            return self._whole_file(file, read_parquet)
        return self._whole_file(file, read_arrow)

    def _document(self, file: SourceFile, max_row: int) -> Iterator[Numbered]:
        limit = self._config.max_document_mb << 20
        if self._config.layout != "snips":
            return read_document(
                self._blocks(file), file.name, max_row_bytes=max_row, max_document_bytes=limit
            )
        return self._snips_document(file, limit)

    def _snips_document(self, file: SourceFile, limit: int) -> Iterator[Numbered]:
        # Some files of the published set are Latin-1, without any mark.
        data = b"".join(self._blocks(file)) if file.path.stat().st_size <= limit else None
        if data is None:
            raise DataError(f"{file.name}: more than {limit >> 20} MiB", "raise `max_document_mb`")
        encoding = "utf-8"
        if self._config.encoding == "auto":
            try:
                data.decode()
            except UnicodeDecodeError:
                encoding = "latin-1"
                self.latin1_files += 1
        yield 1, parse_whole(iter([data]), file.name, limit, encoding)

    def _whole_file(
        self, file: SourceFile, read: Callable[[Path, str, int, int], Iterator[Numbered]]
    ) -> Iterator[Numbered]:
        config = self._config
        yield from read(file.path, file.name, config.max_row_mb << 20, config.max_expansion)
        self._progress(file.path.stat().st_size)

    def _blocks(self, file: SourceFile) -> Iterator[bytes]:
        raw = BoundedStream(file, self._config.max_expansion, self._progress)
        with io.BufferedReader(raw, BLOCK_BYTES) as stream:
            yield from utf8_blocks(stream, self._config.encoding, file.name)
