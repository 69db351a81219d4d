from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from graftline.domain.documents import (
    CHUNKS,
    DOCUMENTS,
    Block,
    blocks_problem,
    document_batch,
    document_row,
)
from graftline.domain.rows import RowWriter, read_rows
from graftline.testkit.local import StageRun, run_stage
from graftline_chunk.descriptor import STAGE

# Shared machines are slow at times; a law is not about time.
settings.register_profile("graftline", deadline=None)
settings.load_profile("graftline")

REPOSITORY = Path(__file__).resolve().parents[3]
Part = tuple[str, int, str]


def make_document(parts: Iterable[Part], **more: Any) -> dict[str, Any]:
    """Make a document of blocks given as (kind, level, text); `space` is none."""
    text, blocks = "", []
    for kind, level, words in parts:
        if kind == "space":
            text += words
            continue
        blocks.append(Block(kind, level, len(text), len(text) + len(words)))
        text += words
    assert not blocks_problem(text, blocks)
    given = {"split": "train", "path": "a.md", "media_type": "text/markdown", "sha256": "0" * 64}
    return document_row(text=text, blocks=blocks, **{**given, **more})


def make_markdown(text: str, **more: Any) -> dict[str, Any]:
    """Make a document of simple Markdown: headings, fenced code, tables, paragraphs."""
    pattern = (
        r"```.*?(?:\n```|\Z)|^#{1,6} [^\n]*|(?:^\|[^\n]*\n?)+"
        r"|^[^\n]*\S[^\n]*(?:\n(?!#|```|\|)[^\n]*\S[^\n]*)*"
    )
    parts: list[Part] = []
    at = 0
    for match in re.finditer(pattern, text, re.MULTILINE | re.DOTALL):
        words = match.group().rstrip()
        parts.append(("space", 0, text[at : match.start()]))
        kind, level = "paragraph", 0
        if words.startswith("```"):
            kind = "code"
        elif words.startswith("#"):
            kind, level = "heading", len(words) - len(words.lstrip("#"))
        elif words.startswith("|"):
            kind = "table"
        parts.append((kind, level, words))
        at = match.start() + len(words)
    parts.append(("space", 0, text[at:]))
    row = make_document(parts, **more)
    assert row["text"] == text
    return row


@pytest.fixture
def document():
    return make_document


@pytest.fixture
def markdown():
    return make_markdown


class Chunked:
    """What came of some documents: the run, its chunks, its rejects; the laws are checked."""

    def __init__(self, done: StageRun, rows: list[dict[str, Any]]) -> None:
        self.run = done
        self.result = done.result
        self.chunks = list(read_rows(done.outputs["chunks"]))
        self.rejects = list(read_rows(done.outputs["rejects"]))
        assert self.result.rows_in == len(rows)
        assert self.result.rows_out == len(self.chunks)
        by_id = {row["id"]: row for row in reversed(rows)}
        assert len({chunk["source"]["document"] for chunk in self.chunks}) == (
            len(rows) - len(self.rejects)
        )
        for chunk in self.chunks:
            assert list(chunk) == CHUNKS.names
            source = by_id[chunk["source"]["document"]]
            start, end = chunk["source"]["start"], chunk["source"]["end"]
            assert chunk["text"] == source["text"][start:end]
            assert chunk["parents"] == [source["id"]]
            for name in ("group", "split", "path", "media_type"):
                assert chunk[name] == source[name]
        for identity in by_id:
            mine = [chunk for chunk in self.chunks if chunk["source"]["document"] == identity]
            assert [chunk["index"] for chunk in mine] == list(range(len(mine)))
            assert {chunk["count"] for chunk in mine} <= {len(mine)}
        assert len({chunk["id"] for chunk in self.chunks}) == len(self.chunks)

    @property
    def texts(self) -> list[str]:
        return [chunk["text"] for chunk in self.chunks]


def write_documents(folder: Path, rows: list[dict[str, Any]]) -> Path:
    folder.mkdir(parents=True)
    with RowWriter(folder, DOCUMENTS) as writer:
        for row in rows:
            writer.write_batch(document_batch(row))
    return folder


@pytest.fixture(scope="session")
def chunk(tmp_path_factory: pytest.TempPathFactory):
    def run(
        rows: list[dict[str, Any]] | list[list[dict[str, Any]]],
        *,
        model: Path | None = None,
        **config: Any,
    ) -> Chunked:
        work = tmp_path_factory.mktemp("chunk")
        given = rows if rows and isinstance(rows[0], list) else [rows]
        folders = [write_documents(work / f"in-{n}", part) for n, part in enumerate(given)]
        inputs: dict[str, Any] = {"documents": folders}
        if model is not None:
            inputs["model"] = model
        done = run_stage(STAGE, work, config=config, inputs=inputs)
        return Chunked(done, [row for part in given for row in part])

    return run


CORPUS = [
    "The quick brown fox jumps over the lazy dog. It does so again, and again.",
    "def main():\n    return sum(range(10))\n\nPrint the result, please: 1234567890.",
    "Grüße aus München, où l'on mange bien. Ещё немного текста.",
]


def byte_level() -> Tokenizer:
    """As GPT-2's and Llama 3's: bytes, so that any text has tokens."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=500, initial_alphabet=alphabet, show_progress=False, special_tokens=["<s>"]
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    return tokenizer


def metaspace() -> Tokenizer:
    """As Llama 2's and Gemma's: `▁` for spaces, bytes for what is not in the vocabulary."""
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    pieces = [f"<0x{value:02X}>" for value in range(256)]
    trainer = trainers.BpeTrainer(
        vocab_size=700, special_tokens=["<unk>", "<s>", *pieces], show_progress=False
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    return tokenizer


def word_piece() -> Tokenizer:
    """As BERT's: lower case, accents gone, words cut into pieces, unknown words one token."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(
        vocab_size=300, special_tokens=["[UNK]"], show_progress=False
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    return tokenizer


TOKENIZERS = {"byte-level": byte_level, "metaspace": metaspace, "word-piece": word_piece}


@pytest.fixture(scope="session", params=TOKENIZERS)
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp(request.param)
    TOKENIZERS[request.param]().save(str(folder / "tokenizer.json"))
    (folder / "graftline-model.json").write_text('{"name": "org/tiny", "revision": "abc"}')
    return folder


@pytest.fixture
def real_data() -> Path:
    named = os.environ.get("GRAFTLINE_TEST_DATA")
    folder = Path(named) if named else REPOSITORY.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}; set GRAFTLINE_TEST_DATA")
    return folder
