"""Tokenise the examples, batch by batch."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from graftline.canonical import canonical_json
from graftline.domain.rows import (
    REJECTS,
    TRAINING_ROWS,
    Filling,
    RowWriter,
    read_batches,
    size_of,
)
from graftline.errors import DataError
from graftline.ports import Inputs, Output, Result
from graftline_format.chat_model import load_chat_model
from graftline_format.exports import ExportWriter
from graftline_format.judged import check_judgement
from graftline_format.rendering import Rejection, render_example
from graftline_format.splits import Splitter
from graftline_format.statistics import TokenStatistics
from graftline_format.tokens import RowTokeniser, Tokenised

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from graftline.config import Runtime
    from graftline.context import Context
    from graftline_format.chat_model import ChatModel
    from graftline_format.config import FormatConfig
    from graftline_format.rendering import Rendered

_COLUMNS = ("id", "split", "group", "messages", "tools")
_BATCH_ROWS = 1024
_BATCH_CHARACTERS = 4 << 20
_PREVIEWS = 3


def run(ctx: Context[Runtime], config: FormatConfig, inputs: Inputs) -> Result:
    """Make the training set of the examples.

    Raises:
        ConfigError: The model has no tokenizer or chat template that can be used.
        DataError: A split is missing, or no row is left.
    """
    model = load_chat_model(inputs.one("model").path)
    examples = inputs.one("examples").path
    splitter = Splitter(examples, config, ctx.seed)
    if splitter.left_out:
        rest = ", ".join(f"{name} ({count})" for name, count in splitter.left_out.items())
        ctx.log(f"left to evaluation: {rest}")
    work = _Formatting(ctx, config, model, splitter)
    return work.run(examples)


class _Formatting:
    """One run's open files and counts."""

    def __init__(
        self,
        ctx: Context[Runtime],
        config: FormatConfig,
        model: ChatModel,
        splitter: Splitter,
    ) -> None:
        self._ctx = ctx
        self._config = config
        self._model = model
        self._splitter = splitter
        self._limit = min(config.max_length, model.context_length or config.max_length)
        self._tokeniser = RowTokeniser(model, self._limit)
        self._statistics = TokenStatistics()
        self._previews: list[dict[str, Any]] = []
        self._rejected: Counter[str] = Counter()
        self._first_detail = ""
        self._endless = 0

    def run(self, examples: Path) -> Result:
        ctx = self._ctx
        folder = ctx.output("training_set")
        outputs: dict[str, Output] = {}
        with ExitStack() as stack:
            rows = stack.enter_context(RowWriter(folder, TRAINING_ROWS))
            rejects = stack.enter_context(RowWriter(ctx.output("rejects"), REJECTS))
            exports = None
            if self._config.exports:
                target = ctx.output("exports")
                exports = stack.enter_context(ExportWriter(target, self._config.exports))
                outputs["exports"] = Output(target)
            done = 0
            with_meta = self._config.threshold is not None or "qa" in self._config.exports
            columns = [*_COLUMNS, "meta"] if with_meta else list(_COLUMNS)
            for batch in _batches(examples, self._splitter, columns):
                ctx.raise_if_stopping()
                self._format(batch, rows, rejects, exports)
                done += len(batch)
                ctx.progress(done, self._splitter.total)
        self._complain(exports)
        self._write_summaries(folder)
        return Result(
            outputs={
                "training_set": Output(folder, rows.rows),
                **outputs,
                "rejects": Output(ctx.output("rejects"), rejects.rows),
            },
            rows_in=self._splitter.total,
            rows_out=rows.rows,
            rejected=dict(sorted(self._rejected.items())),
            base_model=self._model.name,
            figures={
                "tokens": float(self._statistics.total),
                "learned_tokens": float(self._statistics.learned),
            },
        )

    def _format(
        self,
        batch: list[dict[str, Any]],
        rows: RowWriter,
        rejects: RowWriter,
        exports: ExportWriter | None,
    ) -> None:
        rendered: list[tuple[dict[str, Any], Rendered]] = []
        for row in batch:
            try:
                if self._config.threshold is not None:
                    check_judgement(row, self._config.threshold)
                rendered.append((row, render_example(row, self._model, self._config.learn)))
            except Rejection as rejection:
                self._reject(row, rejection, rejects)
        found = self._tokeniser.tokenise([item for _, item in rendered])
        kept: list[tuple[dict[str, Any], Tokenised]] = []
        for (row, item), tokens in zip(rendered, found, strict=True):
            if isinstance(tokens, Rejection):
                self._reject(row, tokens, rejects)
            elif len(tokens.ids) > self._limit:
                self._reject(row, self._too_long(len(tokens.ids)), rejects)
            else:
                kept.append((row, tokens))
                self._count(row, tokens)
                if exports:
                    start = item.answers[-1][0]
                    answer = tokens.text[start : tokens.answer_end]
                    exports.write(row, row["split"], tokens.text[:start], answer)
        if kept:
            rows.write_batch(_record_batch(kept))

    def _count(self, row: dict[str, Any], tokens: Tokenised) -> None:
        self._statistics.add(row["split"], len(tokens.ids), tokens.learned_count)
        self._endless += tokens.ids[-1] not in self._model.special_ids
        if len(self._previews) < _PREVIEWS:
            self._previews.append(self._preview(row, tokens))

    def _preview(self, row: dict[str, Any], tokens: Tokenised) -> dict[str, Any]:
        """Cut a row into learned and other pieces, decoded from its ids."""
        pieces, at = [], 0
        for start, end in (*tokens.learned, (len(tokens.ids), len(tokens.ids))):
            for first, last, learned in ((at, start, False), (start, end, True)):
                if first < last:
                    ids = tokens.ids[first:last]
                    text = self._model.tokenizer.decode(ids, skip_special_tokens=False)
                    pieces.append({"text": text, "learned": learned, "tokens": last - first})
            at = end
        return {
            "id": row["id"],
            "split": row["split"],
            "tokens": len(tokens.ids),
            "learned": tokens.learned_count,
            "pieces": pieces,
        }

    def _too_long(self, tokens: int) -> Rejection:
        source = "max_length" if self._limit == self._config.max_length else "the model's context"
        return Rejection("too-long", f"{tokens} tokens, {self._limit} fit ({source})")

    def _reject(self, row: dict[str, Any], rejection: Rejection, rejects: RowWriter) -> None:
        self._rejected[rejection.reason] += 1
        self._first_detail = self._first_detail or f"{row['id']}: {rejection}"
        rejects.write(
            {
                "id": row["id"],
                "reason": rejection.reason,
                "detail": rejection.detail,
                "split": row["split"],
                "row": canonical_json(row),
            }
        )

    def _complain(self, exports: ExportWriter | None) -> None:
        """Say what a user should know.

        Raises:
            DataError: No row is left.
        """
        if not self._statistics.rows:
            counts = ", ".join(f"{name} {count}" for name, count in self._rejected.most_common())
            raise DataError(
                f"no rows are left of {self._splitter.total}: {counts}; the first is "
                f"{self._first_detail}",
                "lower threshold, raise max_length, or use a model whose chat template takes these"
                " conversations",
            )
        for reason, count in sorted(self._rejected.items()):
            self._ctx.log(f"rejected {count} rows: {reason}", "warning")
        if self._endless:
            self._ctx.log(
                f"{self._endless} answers end without a special token: the chat template has no "
                "end-of-turn mark there, so the adapter will not learn to stop",
                "warning",
            )
        for name, count in sorted((exports.left_out if exports else {}).items()):
            self._ctx.log(f"export {name} has no words for {count} rows; left out of it", "warning")

    def _write_summaries(self, folder: Path) -> None:
        statistics = {
            **self._statistics.summary(),
            "rejected": dict(sorted(self._rejected.items())),
            "max_length": self._limit,
            "learn": self._config.learn,
            "model": self._model.name,
        }
        for name, value in (("statistics", statistics), ("preview", self._previews)):
            text = json.dumps(value, ensure_ascii=False, indent=2)
            (folder / f"{name}.json").write_text(text + "\n", encoding="utf-8")


def _batches(
    examples: Path, splitter: Splitter, columns: list[str]
) -> Iterator[list[dict[str, Any]]]:
    """Stream the wanted rows, their split already the training set's, in batches of bounded size.

    Rows can be long, so a batch ends by characters too.
    """
    batch: list[dict[str, Any]] = []
    filling = Filling(_BATCH_ROWS, _BATCH_CHARACTERS)
    for found in read_batches(examples, columns, _BATCH_ROWS):
        for row in found.to_pylist():
            split = splitter.split_of(row["split"], row["group"])
            if split is None:
                continue
            batch.append({**row, "split": split})
            if filling.add(size_of(row)):
                yield batch
                batch = []
                filling.clear()
    if batch:
        yield batch


def _record_batch(kept: list[tuple[dict[str, Any], Tokenised]]) -> pa.RecordBatch:
    """Put rows into Arrow by whole columns."""
    lengths = np.fromiter((len(tokens.ids) for _, tokens in kept), np.int32, len(kept))
    offsets = np.zeros(len(kept) + 1, np.int32)
    np.cumsum(lengths, out=offsets[1:])
    ids = np.concatenate([np.array(tokens.ids, np.int32) for _, tokens in kept])
    mask = np.zeros(len(ids), np.bool_)
    for (_, tokens), offset in zip(kept, offsets, strict=False):
        for start, end in tokens.learned:
            mask[offset + start : offset + end] = True
    return pa.RecordBatch.from_arrays(
        [
            pa.array([row["id"] for row, _ in kept], pa.string()),
            pa.array([row["split"] for row, _ in kept], pa.string()),
            pa.ListArray.from_arrays(offsets, pa.array(ids)),
            pa.ListArray.from_arrays(offsets, pa.array(mask)),
        ],
        schema=TRAINING_ROWS,
    )
