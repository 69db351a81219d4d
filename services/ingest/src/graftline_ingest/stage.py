"""The stage's function: every record becomes an example or a reject, every file a document."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from graftline.domain.rows import EXAMPLES, REJECTS, RowWriter
from graftline.errors import DataError
from graftline.ports import Output, Result
from graftline_ingest.columns import ExampleColumns
from graftline_ingest.convert import Converter
from graftline_ingest.documents.ingestion import ingest_documents
from graftline_ingest.drafts import Refused
from graftline_ingest.feeds import Opener
from graftline_ingest.layouts.detect import (
    document_items,
    layout_of_document,
    layout_of_record,
)
from graftline_ingest.reading.records import Malformed
from graftline_ingest.rejects import RejectLog

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graftline.context import Context
    from graftline.ports import Inputs
    from graftline_ingest.config import IngestConfig, IngestRuntime
    from graftline_ingest.reading.records import Feed

_ROWS_BETWEEN_LOOKS = 4096
_ROWS_BEFORE_GIVING_UP = 20_000

Item = tuple[int, Any, str]
"""Number, record (or `Malformed`), and what is said of its split."""


def run(ctx: Context[IngestRuntime], config: IngestConfig, inputs: Inputs) -> Result:
    """Read the source into examples (or documents) and rejects, which add up to what was read.

    Raises:
        ConfigError: The layout cannot be told, or the schema is no JSON Schema.
        DataError: The source is empty, cannot be read, is malformed beyond the share that is
            allowed, or gives no example at all.
    """
    if config.layout == "documents":
        return ingest_documents(ctx, config, inputs)
    ingestion = _Ingestion(ctx, config)
    return ingestion.run(inputs)


class _Ingestion:
    def __init__(self, ctx: Context[IngestRuntime], config: IngestConfig) -> None:
        self._ctx = ctx
        self._config = config
        self._opener = Opener(config, self._count_bytes)
        self._bytes = 0
        self._rows = 0
        self._splits: Counter[str] = Counter()

    def run(self, inputs: Inputs) -> Result:
        ctx = self._ctx
        converter = Converter(self._config, ctx.seed)
        feeds = self._opener.feeds(inputs.source("source"))
        examples, refused = ctx.output("examples"), ctx.output("rejects")
        with RowWriter(examples, EXAMPLES) as writer, RowWriter(refused, REJECTS) as reject_writer:
            columns = ExampleColumns(writer)
            rejects = RejectLog(reject_writer)
            for feed in feeds:
                self._read(feed, converter, columns, rejects)
            columns.flush()
            rows_out = self._rows - rejects.total
            self._judge(rejects, rows_out, feeds)
        self._tell(rejects, rows_out, len(feeds))
        return Result(
            outputs={
                "examples": Output(examples, rows=rows_out),
                "rejects": Output(refused, rows=rejects.total),
            },
            rows_in=self._rows,
            rows_out=rows_out,
            rejected=dict(sorted(rejects.counts.items())),
            figures=self._figures(len(feeds), rejects),
        )

    def _read(
        self, feed: Feed, converter: Converter, columns: ExampleColumns, rejects: RejectLog
    ) -> None:
        layout = ""
        for number, record, said in self._items(feed):
            if self._rows % _ROWS_BETWEEN_LOOKS == 0 and self._rows:
                self._look(rejects)
            self._rows += 1
            if isinstance(record, Malformed):
                rejects.add_malformed(feed, number, record)
                continue
            try:
                if not isinstance(record, dict):
                    raise Refused("not-an-object", f"a {type(record).__name__}, not an object")
                layout = layout or self._layout(feed, number, record)
                split = converter.add(columns, feed, layout, number, record, said)
            except Refused as refused:
                rejects.add_refused(feed, number, record, refused)
            else:
                self._splits[split] += 1

    def _items(self, feed: Feed) -> Iterator[Item]:
        """Give a feed's records; an object that is a whole file gives those inside it."""
        for number, record in feed.records():
            if feed.unit != "item" or isinstance(record, Malformed) or number > 1:
                yield number, record, feed.split
                continue
            kind = layout_of_document(record) if isinstance(record, dict) else "row"
            if kind == "row" or (kind == "rows" and self._is_row(record)):
                yield number, record, feed.split
                continue
            for inner, (item, said) in enumerate(document_items(record, kind, feed.name), 1):
                yield inner, item, said or feed.split

    def _is_row(self, record: Any) -> bool:
        """Whether an object whose values are all lists is nevertheless one row."""
        return bool(self._config.fields.text) and self._config.fields.text in record

    def _layout(self, feed: Feed, number: int, record: dict[str, Any]) -> str:
        if self._config.layout != "auto":
            return self._config.layout
        has_fields = bool(self._config.fields.text)
        if not has_fields and record.keys() == {"intent", "data"}:
            return "snips"
        if not has_fields and record.keys() == {"split", "pair"}:
            return "clinc"
        return layout_of_record(record, feed.place(number), has_fields=has_fields)

    def _count_bytes(self, count: int) -> None:
        self._bytes += count

    def _look(self, rejects: RejectLog) -> None:
        self._ctx.raise_if_stopping()
        if self._opener.total_bytes is None:
            self._ctx.progress(self._rows)
        else:
            self._ctx.progress(self._bytes, self._opener.total_bytes, "bytes")
        # A file of another format is not read to its end only to say so.
        if self._rows >= _ROWS_BEFORE_GIVING_UP and self._config.max_malformed_share < 0.5:
            self._judge_malformed(rejects, limit=0.5)

    def _judge(self, rejects: RejectLog, rows_out: int, feeds: list[Feed]) -> None:
        self._judge_malformed(rejects, limit=self._config.max_malformed_share)
        names = ", ".join(feed.name for feed in feeds[:3])
        if self._rows == 0:
            raise DataError(f"{names}: holds no rows")
        if rows_out == 0:
            raise DataError(
                f"{names}: none of {self._rows:,} rows can be used: {rejects.summary()};"
                f" first: {rejects.first}"
            )

    def _judge_malformed(self, rejects: RejectLog, limit: float) -> None:
        malformed = rejects.malformed
        if malformed > limit * self._rows:
            raise DataError(
                f"{malformed:,} of {self._rows:,} rows ({malformed / self._rows:.1%}) are"
                f" malformed, more than max_malformed_share = {self._config.max_malformed_share:g};"
                f" first: {rejects.first_malformed}",
                "mend the source, set `format` or `encoding`, or raise max_malformed_share",
            )

    def _figures(self, files: int, rejects: RejectLog) -> dict[str, float]:
        figures: dict[str, float] = {"files": files, "malformed": rejects.malformed}
        if self._opener.latin1_files:
            figures["latin1_files"] = self._opener.latin1_files
        return figures | {f"rows_{name}": rows for name, rows in sorted(self._splits.items())}

    def _tell(self, rejects: RejectLog, rows_out: int, files: int) -> None:
        splits = ", ".join(f"{name} {rows:,}" for name, rows in sorted(self._splits.items()))
        noun = "file" if files == 1 else "files or splits"
        self._ctx.log(f"{rows_out:,} examples from {files} {noun}: {splits}")
        if rejects.total:
            self._ctx.log(
                f"{rejects.total:,} rows refused: {rejects.summary()}; first: {rejects.first}",
                "warning",
            )
        if self._opener.latin1_files:
            self._ctx.log(f"{self._opener.latin1_files} files were Latin-1, not UTF-8", "warning")
