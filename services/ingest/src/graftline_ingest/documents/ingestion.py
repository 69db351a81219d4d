"""Every file of a source becomes a document or a reject."""

from __future__ import annotations

import re
from collections import Counter, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from graftline.canonical import canonical_json, sha256_file, sha256_text
from graftline.domain.documents import DOCUMENTS, document_batch, document_row
from graftline.domain.rows import REJECTS, RowWriter, read_batches
from graftline.errors import ConfigError, DataError
from graftline.ports import Output, Result
from graftline_ingest.documents.found import Unreadable
from graftline_ingest.documents.kinds import HEAD_BYTES, archive_kind, media_type
from graftline_ingest.documents.reader import Readers
from graftline_ingest.documents.walk import Walk
from graftline_ingest.drafts import Refused
from graftline_ingest.splits import TRAIN, SplitRule

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future
    from pathlib import Path

    from graftline.context import Context
    from graftline.ports import Inputs
    from graftline_ingest.config import IngestConfig, IngestRuntime
    from graftline_ingest.documents.found import Found, Item
    from graftline_ingest.documents.parsed import Parsed

_CONTROLS = re.compile(r"[\x00-\x1f\x7f]+")
_LONGEST_DETAIL = 500
_NEVER = 2.0
# Files per parser that are found before their turn; each may lie in scratch as a whole.
_AHEAD = 2


def ingest_documents(ctx: Context[IngestRuntime], config: IngestConfig, inputs: Inputs) -> Result:
    """Read the source into documents and rejects; files in = documents + rejects.

    A file in an archive counts by itself; an archive counts only if it cannot be read (to its end).

    Raises:
        ConfigError: The source is on the Hub, or `include` matches nothing.
        DataError: There is no file, or none that is a document.
    """
    root = inputs.source("source")
    if root is None:
        raise ConfigError(
            f"source '{config.source}': documents are read from files, not from Hub sets",
            "give a path, s3://bucket/prefix or package://module/folder",
        )
    return _Ingestion(ctx, config).run(root)


@dataclass
class _Asked:
    """A file on its way: refused already, or with a parser."""

    item: Item
    kind: str = ""
    split: str = ""
    digest: str = ""
    parsed: Future[Parsed] | None = None
    refused: Refused | None = None


class _Ingestion:
    """One run's counts and open files."""

    def __init__(self, ctx: Context[IngestRuntime], config: IngestConfig) -> None:
        self._ctx = ctx
        self._config = config
        self._rule = SplitRule(config.split, ctx.seed)
        # By id: where a text was found first, and how near it is to another split than train.
        self._seen: dict[str, tuple[float, str]] = {}
        self._splits: Counter[str] = Counter()
        self._rejected: Counter[str] = Counter()
        self._kinds: Counter[str] = Counter()
        self._characters = 0
        self._first = ""
        self._files = 0
        self._bytes_done = 0
        self._total_bytes = 0

    def run(self, root: Path) -> Result:
        ctx = self._ctx
        documents, refused = ctx.output("documents"), ctx.output("rejects")
        scratch = ctx.scratch("documents")
        walk = Walk(root, self._config, scratch, self._count_bytes)
        self._total_bytes = walk.total_bytes
        with (
            RowWriter(documents, DOCUMENTS) as writer,
            RowWriter(refused, REJECTS) as rejects,
            Readers(self._config, scratch, ctx.runtime.parsers) as readers,
        ):
            for asked in _ahead(self._asked(walk, readers), _AHEAD * ctx.runtime.parsers):
                self._files += 1
                self._take(asked, writer, rejects)
                ctx.progress(self._bytes_done, self._total_bytes, "bytes")
        self._judge(root, walk)
        self._fill_splits(documents)
        self._tell()
        kept = self._splits.total()
        return Result(
            outputs={
                "documents": Output(documents, rows=kept),
                "rejects": Output(refused, rows=self._rejected.total()),
            },
            rows_in=self._files,
            rows_out=kept,
            rejected=dict(sorted(self._rejected.items())),
            figures={
                "files": self._files,
                "characters": self._characters,
                **{f"rows_{name}": rows for name, rows in sorted(self._splits.items())},
            },
        )

    def _count_bytes(self, count: int) -> None:
        self._bytes_done += count

    def _asked(self, walk: Walk, readers: Readers) -> Iterator[_Asked]:
        """Give the files with what is asked of the parsers already."""
        for item in walk.items():
            self._ctx.raise_if_stopping()
            try:
                if isinstance(item, Unreadable):
                    raise Refused(item.reason, item.detail)
                kind = self._kind(item)
                # Before any work: a split that is left out costs nothing.
                split = self._rule.named(None, self._rule.of_folder(_top_folder(item.name)))
                digest = sha256_file(item.path)
            except Refused as refused:
                yield _Asked(item, refused=refused)
            else:
                yield _Asked(item, kind, split, digest, readers.read(item.path, kind))

    def _take(self, asked: _Asked, writer: RowWriter, rejects: RowWriter) -> None:
        item = asked.item
        try:
            row = self._document(asked)
        except Refused as refused:
            self._reject(rejects, asked, refused)
        else:
            writer.write_batch(document_batch(row))
            self._splits[row["split"]] += 1
            self._kinds[row["media_type"]] += 1
            self._characters += len(row["text"])
        finally:
            if not isinstance(item, Unreadable):
                item.forget()

    def _kind(self, item: Found) -> str:
        if not item.size:
            raise Refused("empty", "has no bytes")
        try:
            with item.path.open("rb") as file:
                head = file.read(HEAD_BYTES)
        except OSError as error:
            raise Refused("unreadable", f"cannot be opened: {error.strerror}") from error
        kind = media_type(item.name, head)
        limit = self._config.documents.max_file_mb
        if item.size > limit << 20:
            raise Refused("too-large", f"more than {limit} MiB (max_file_mb)")
        return kind

    def _document(self, asked: _Asked) -> dict[str, Any]:
        if asked.refused is not None or asked.parsed is None:
            raise asked.refused or Refused("damaged", "was not parsed")
        item, split, parsed = asked.item, asked.split, asked.parsed.result()
        row = document_row(
            text=parsed.text,
            blocks=parsed.blocks,
            split=split,
            path=item.name,
            media_type=asked.kind,
            sha256=asked.digest,
            title=_CONTROLS.sub(" ", parsed.title).strip(),
            meta={"bytes": item.size, **parsed.meta},
        )
        if row["id"] in self._seen:
            raise Refused("duplicate", f"says the same as {self._seen[row['id']][1]}")
        row["split"] = self._rule.cut(split, row["group"])
        share = self._rule.share(row["group"]) if row["split"] == TRAIN else _NEVER
        self._seen[row["id"]] = (share, item.name)
        return row

    def _reject(self, rejects: RowWriter, asked: _Asked, refused: Refused) -> None:
        item = asked.item
        detail = f"{item.name}: {refused.detail}"
        detail = _CONTROLS.sub(" ", detail.encode("utf-8", "replace").decode())[:_LONGEST_DETAIL]
        self._rejected[refused.reason] += 1
        self._first = self._first or f"{detail} ({refused.reason})"
        row = canonical_json(
            {"path": item.name, "bytes": item.size, "sha256": asked.digest or None}
        )
        identity = sha256_text(f"{self._files}:{row}")[:32]
        rejects.write(
            {
                "id": identity,
                "reason": refused.reason,
                "detail": detail,
                "split": None,
                "row": row,
            }
        )

    def _judge(self, root: Path, walk: Walk) -> None:
        if not self._files:
            include, exclude = self._config.include, self._config.exclude
            cause = (
                f"include {include} matches no file in {root.name}"
                if include
                else f"{root.name} holds no file"
            )
            raise ConfigError(
                cause + (f" beside those that exclude {exclude} passes over" if exclude else ""),
                f"there are: {', '.join(walk.names[:8])}" if walk.names else "",
            )
        if not self._splits:
            raise DataError(
                f"{root.name}: none of {self._files:,} files is a document: {self._summary()};"
                f" first: {self._first}"
            )

    def _fill_splits(self, folder: Path) -> None:
        """Give a split that is asked for as a share, and got nothing by chance, one document.

        It is the train document that is next by its digest. Only small sets need it.
        """
        moved: dict[str, str] = {}
        for name in sorted(self._config.split.fractions):
            if self._splits[name] or self._splits[TRAIN] < 2:
                continue
            _, identity = min(
                (share, found) for found, (share, _) in self._seen.items() if found not in moved
            )
            moved[identity] = name
            self._splits[TRAIN] -= 1
            self._splits[name] += 1
            path = self._seen[identity][1]
            self._ctx.log(f"no document fell to '{name}': it is given {path}")
        self._splits = +self._splits
        if moved:
            _move(folder, moved)

    def _tell(self) -> None:
        splits = ", ".join(f"{name} {rows:,}" for name, rows in sorted(self._splits.items()))
        kinds = ", ".join(f"{rows:,} {kind}" for kind, rows in sorted(self._kinds.items()))
        self._ctx.log(f"{self._splits.total():,} documents ({kinds}): {splits}")
        if self._rejected:
            count = self._rejected.total()
            self._ctx.log(
                f"{count:,} files refused: {self._summary()}; first: {self._first}", "warning"
            )

    def _summary(self) -> str:
        ordered = sorted(self._rejected.items(), key=lambda item: (-item[1], item[0]))
        return ", ".join(f"{count:,} {reason}" for reason, count in ordered)


def _ahead(asked: Iterator[_Asked], count: int) -> Iterator[_Asked]:
    """Give the same in the same order, so many later: the parsers have work meanwhile."""
    waiting: deque[_Asked] = deque()
    for one in asked:
        waiting.append(one)
        if len(waiting) > count:
            yield waiting.popleft()
    yield from waiting


def _top_folder(name: str) -> str:
    """Give the folder at the top of the source (or of its archive) that a file lies in."""
    folders = (part for part in name.split("/")[:-1] if not archive_kind(part))
    return next(folders, "")


def _move(folder: Path, splits: dict[str, str]) -> None:
    """Rewrite a folder of documents with other splits for some."""
    old = folder.with_name(f"{folder.name}-before")
    folder.rename(old)
    folder.mkdir()
    with RowWriter(folder, DOCUMENTS) as writer:
        for batch in read_batches(old, batch_rows=64):
            ids, column = batch.column("id").to_pylist(), batch.column("split").to_pylist()
            changed = [splits.get(found, split) for found, split in zip(ids, column, strict=True)]
            place = batch.schema.get_field_index("split")
            array = pa.array(changed, pa.string())
            writer.write_batch(batch.set_column(place, DOCUMENTS.field("split"), array))
    for path in old.iterdir():
        path.unlink()
    old.rmdir()
