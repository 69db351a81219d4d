"""The stage's function: documents in, chunks out, one document in memory at a time."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from graftline.canonical import canonical_json
from graftline.domain.documents import CHUNKS, Block, blocks_problem, chunk_id, read_documents
from graftline.domain.rows import REJECTS, SPAN, Filling, RowWriter, count_rows
from graftline.errors import ConfigError, DataError
from graftline.ports import Output, Result
from graftline_chunk.boundaries import Boundaries, Separators
from graftline_chunk.cutting import Sizes, Span, cut
from graftline_chunk.headings import Outline, label
from graftline_chunk.measure import Characters
from graftline_chunk.tokenising import Tokeniser

if TYPE_CHECKING:
    from graftline.context import Context
    from graftline.ports import Inputs
    from graftline.stage import Runtime
    from graftline_chunk.config import ChunkConfig
    from graftline_chunk.cutting import Places
    from graftline_chunk.measure import Measure

_BATCH_ROWS = 2048
_BATCH_CHARACTERS = 4 << 20


def run(ctx: Context[Runtime], config: ChunkConfig, inputs: Inputs) -> Result:
    """Cut documents into chunks; documents in = documents cut + rejects.

    Raises:
        ConfigError: Sizes are in tokens and there is no model, or it has no fast tokenizer.
        DataError: There are no documents, none has text, or the blocks of one are wrong.
    """
    model = inputs.maybe("model")
    if config.unit == "tokens" and model is None:
        raise ConfigError(
            "unit: sizes in tokens need a model to count them",
            "connect the port `model` (docs-qa: --set chunk_tokens=256), or set unit: characters",
        )
    tokeniser = Tokeniser(model.path) if model is not None else None
    return _Chunking(ctx, config, tokeniser).run(inputs)


class _Chunking:
    """One run's counts and open files."""

    def __init__(
        self, ctx: Context[Runtime], config: ChunkConfig, tokeniser: Tokeniser | None
    ) -> None:
        self._ctx = ctx
        self._config = config
        self._tokeniser = tokeniser
        self._sizes = Sizes(config.size, config.overlap, min(config.min_size, config.size // 2))
        self._seen: set[str] = set()
        self._rejected: Counter[str] = Counter()
        self._splits: Counter[str] = Counter()
        self._characters = 0

    def run(self, inputs: Inputs) -> Result:
        ctx = self._ctx
        folders = [given.path for given in inputs.many("documents")]
        total = sum(count_rows(folder) for folder in folders)
        chunks, refused = ctx.output("chunks"), ctx.output("rejects")
        done = 0
        with RowWriter(chunks, CHUNKS) as writer, RowWriter(refused, REJECTS) as rejects:
            columns = _Columns(writer)
            for folder in folders:
                for row in read_documents(folder):
                    ctx.raise_if_stopping()
                    self._take(row, columns, rejects)
                    done += 1
                    ctx.progress(done, total, "documents")
            columns.flush()
        count = writer.rows
        if not count:
            told = ", ".join(f"{rows} {name}" for name, rows in sorted(self._rejected.items()))
            raise DataError(f"no chunks: of {total} documents {told or 'none was given'}")
        kept = total - self._rejected.total()
        splits = ", ".join(f"{name} {rows:,}" for name, rows in sorted(self._splits.items()))
        ctx.log(f"{count:,} chunks of {kept:,} documents: {splits}")
        return Result(
            outputs={
                "chunks": Output(chunks, rows=count),
                "rejects": Output(refused, rows=rejects.rows),
            },
            rows_in=total,
            rows_out=count,
            rejected=dict(sorted(self._rejected.items())),
            base_model=self._tokeniser.model if self._tokeniser else "",
            figures={
                "documents": kept,
                "mean_characters": round(self._characters / count, 1),
                **{f"rows_{name}": rows for name, rows in sorted(self._splits.items())},
            },
        )

    def _take(self, row: dict[str, Any], columns: _Columns, rejects: RowWriter) -> None:
        problem = ""
        if row["id"] in self._seen:
            problem = "duplicate"
        elif not row["text"].strip():
            problem = "empty"
        if problem:
            self._reject(row, problem, rejects)
            return
        self._seen.add(row["id"])
        blocks = [Block(**block) for block in row["blocks"]]
        if wrong := blocks_problem(row["text"], blocks):
            raise DataError(f"document {row['path']} ({row['id']}): {wrong}")
        spans, tokens = self._cut(row["text"], blocks)
        columns.add(row, Outline(row["text"], blocks), spans, tokens)
        self._splits[row["split"]] += len(spans)
        self._characters += sum(span.end - span.start for span in spans)

    def _cut(self, text: str, blocks: list[Block]) -> tuple[list[Span], list[int | None]]:
        config = self._config
        counted = self._tokeniser.tokenise(text) if self._tokeniser else None
        measure: Measure = Characters(len(text))
        if config.unit == "tokens" and counted is not None:
            measure = counted
        places: Places
        if config.strategy == "character":
            places = Separators(text, config.separator)
        else:
            places = Boundaries(
                text,
                blocks,
                lambda start, end: measure.count(start, end) <= config.size,
                headings=config.strategy != "recursive",
            )
        spans = list(cut(text, places, measure, self._sizes))
        tokens = [counted.count(*span) if counted is not None else None for span in spans]
        return spans, tokens

    def _reject(self, row: dict[str, Any], reason: str, rejects: RowWriter) -> None:
        self._rejected[reason] += 1
        details = {
            "duplicate": "the same text came before, in another artifact",
            "empty": "has no text",
        }
        rejects.write(
            {
                "id": row["id"],
                "reason": reason,
                "detail": f"{row['path']}: {details[reason]}",
                "split": row["split"],
                "row": canonical_json({name: row[name] for name in ("id", "path", "sha256")}),
            }
        )


class _Columns:
    """Chunks gathered column by column, written batch by batch."""

    def __init__(self, writer: RowWriter) -> None:
        self._writer = writer
        self._filling = Filling(_BATCH_ROWS, _BATCH_CHARACTERS)
        self._clear()

    def add(
        self,
        row: dict[str, Any],
        outline: Outline,
        spans: list[Span],
        tokens: list[int | None],
    ) -> None:
        """Add a document's chunks."""
        text, identity = row["text"], row["id"]
        titled = {"title": label(row["title"])} if row["title"] else {}
        metas: dict[int | None, str] = {}
        for index, (start, end) in enumerate(spans):
            page, headings = outline.page(start), outline.path(start)
            if page not in metas:
                metas[page] = canonical_json(titled if page is None else {**titled, "page": page})
            self._rows.append(
                (
                    chunk_id(identity, start, end),
                    identity,
                    start,
                    end,
                    row["group"],
                    row["split"],
                    index,
                    len(spans),
                    text[start:end],
                    tokens[index],
                    headings,
                    row["path"],
                    row["media_type"],
                    metas[page],
                )
            )
            size = end - start + sum(map(len, headings)) + len(metas[page])
            if self._filling.add(size):
                self.flush()

    def flush(self) -> None:
        """Write what has been collected."""
        if not self._rows:
            return
        ids, documents, starts, ends, *others = zip(*self._rows, strict=True)
        document_array = pa.array(documents, pa.string())
        one_each = pa.array(range(len(ids) + 1), pa.int32())
        spans = [document_array, pa.array(starts, pa.int64()), pa.array(ends, pa.int64())]
        arrays = [
            pa.array(ids, pa.string()),
            pa.ListArray.from_arrays(one_each, document_array),
            pa.StructArray.from_arrays(spans, fields=list(SPAN)),
        ]
        fields = list(CHUNKS)[len(arrays) :]
        arrays += [
            pa.array(column, field.type) for column, field in zip(others, fields, strict=True)
        ]
        self._writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=CHUNKS))
        self._clear()

    def _clear(self) -> None:
        # Columns as in CHUNKS, the parent and the source told apart.
        self._rows: list[tuple[Any, ...]] = []
        self._filling.clear()
