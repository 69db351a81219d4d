"""`decontaminate`: train rows that share a prompt, or a run of words, with evaluation rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from graftline.errors import DataError
from graftline_curate.chats import Chats
from graftline_curate.ngrams import NGramHasher, NGramIndex
from graftline_curate.normal_form import normal_form
from graftline_curate.operations.base import Drops, Operation, Outcome, mark

if TYPE_CHECKING:
    from collections.abc import Callable

    from graftline_curate.config import Decontaminate

_SHOWN = 3
_SHOWN_CHARACTERS = 120
# `Play it!` and `play it` are one prompt.
_END_MARKS = b" .!?"


class DecontaminateOperation(Operation):
    """Indexes the evaluation prompts, then looks every train prompt up, whole and by n-grams."""

    scans = True
    rewrites = True

    def __init__(self, settings: Decontaminate) -> None:
        """Keep the settings."""
        self._settings = settings
        self._hasher = NGramHasher(settings.ngram) if settings.ngram else None
        self._prompts: dict[bytes, int] = {}
        self._hashes: list[Any] = []
        self._texts: list[Any] = []
        self._ids: list[str] = []
        self._index: NGramIndex | None = None
        self._seen = 0
        self._found = 0
        self._examples: list[str] = []

    def begin(self) -> None:
        """Count from zero."""
        self._seen, self._found, self._examples = 0, 0, []

    def scan(self, batch: pa.RecordBatch) -> None:
        """Index the evaluation rows of a batch."""
        settings = self._settings
        wanted = (
            mark(batch.column("split"), settings.against)
            if settings.against
            else ~mark(batch.column("split"), settings.clean)
        )
        if not wanted.any():
            return
        batch = batch.filter(pa.array(wanted))
        prompts = Chats(batch).prompts
        before = len(self._ids)
        self._ids += batch.column("id").to_pylist()
        for offset, digest in enumerate(_digests(prompts)):
            self._prompts.setdefault(digest, before + offset)
        if self._hasher is not None:
            spans = normal_form(prompts, "words")
            for chosen in self._hasher.slices(spans):
                grams = self._hasher.hash(spans, chosen)
                self._hashes.append(grams.hashes)
                self._texts.append(grams.rows + before)

    def settle(self) -> None:
        """Sort the n-grams."""
        if self._hashes:
            hashes, texts = np.concatenate(self._hashes), np.concatenate(self._texts)
            self._hashes, self._texts = [], []
            self._index = NGramIndex(hashes, texts, self._settings.common_above)

    def apply(self, batch: pa.RecordBatch) -> Outcome:
        """Drop the contaminated rows of the splits that are cleaned."""
        positions = np.flatnonzero(mark(batch.column("split"), self._settings.clean))
        self._seen += len(positions)
        if not len(positions) or not self._ids:
            return Outcome(batch)
        prompts = Chats(batch.take(pa.array(positions))).prompts
        found = self._find_runs(prompts) | self._find_whole(prompts)
        rows = sorted(found)
        details = [found[row] for row in rows]
        self._found += len(rows)
        self._examples += details[: _SHOWN - len(self._examples)]
        drops = Drops(positions[rows].tolist(), ["contaminated"] * len(rows), details)
        return Outcome.dropping(batch, drops)

    def finish(self, log: Callable[[str, str], None]) -> None:
        """Say loudly what was found.

        Raises:
            DataError: More than `fail_above` of the rows.
        """
        clean = " and ".join(self._settings.clean)
        if not self._ids:
            log("decontaminate: there are no evaluation rows to compare with", "warning")
            return
        if self._index is not None and self._index.common:
            log(
                f"decontaminate: {self._index.common:,} runs of {self._settings.ngram} words occur"
                f" in more than {self._settings.common_above} evaluation prompts and do not count",
                "info",
            )
        if not self._found:
            log(
                f"decontaminate: no {clean} row occurs in {len(self._ids):,} evaluation rows",
                "info",
            )
            return
        share = self._found / self._seen
        text = (
            f"{self._found:,} of {self._seen:,} {clean} rows ({share:.2%}) occur in the evaluation"
            f" rows; for example: {' | '.join(self._examples)}"
        )
        if share > self._settings.fail_above:
            raise DataError(
                f"decontaminate: {text}; more than fail_above = {self._settings.fail_above:g}",
                "make the splits disjoint, or raise `fail_above`",
            )
        log(f"decontaminate: {text}; they are dropped", "warning")

    def _find_whole(self, prompts: pa.StringArray) -> dict[int, str]:
        found = {}
        for row, digest in enumerate(_digests(prompts)):
            if (text := self._prompts.get(digest)) is not None:
                shown = _cut(prompts[row].as_py())
                found[row] = f"the prompt of evaluation row {self._ids[text]}: '{shown}'"
        return found

    def _find_runs(self, prompts: pa.StringArray) -> dict[int, str]:
        found: dict[int, str] = {}
        if self._hasher is None or self._index is None:
            return found
        spans = normal_form(prompts, "words")
        for chosen in self._hasher.slices(spans):
            grams = self._hasher.hash(spans, chosen)
            hits, texts = self._index.find(grams.hashes)
            for hit, text in zip(hits.tolist(), texts.tolist(), strict=True):
                row = int(grams.rows[hit])
                if row not in found:
                    run = spans.data[grams.starts[hit] : grams.ends[hit]].tobytes().decode()
                    found[row] = (
                        f"{self._settings.ngram} words of evaluation row {self._ids[text]}:"
                        f" '{_cut(run)}'"
                    )
        return found


def _digests(prompts: pa.StringArray) -> list[bytes]:
    data = normal_form(prompts, "text").digests(strip=_END_MARKS).tobytes()
    return [data[begin : begin + 16] for begin in range(0, len(data), 16)]


def _cut(text: str) -> str:
    one_line = " ".join(text.split())
    shown = one_line[:_SHOWN_CHARACTERS]
    return shown if shown == one_line else f"{shown}…"
