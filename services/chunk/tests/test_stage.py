"""The stage: rows, tokens, rejects, bounded memory, the same bytes, real documents."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from graftline.errors import ConfigError, DataError
from graftline.testkit.local import run_stage
from graftline_chunk.descriptor import STAGE
from graftline_chunk.tokenising import Tokeniser

PROSE = "The quick brown fox jumps over the lazy dog. It does so again, and again.\n\n"


def test_sizes_in_tokens_are_the_models(markdown, chunk, model):
    rows = [markdown(f"# T\n\n{PROSE * 30}")]
    done = chunk(rows, model=model, unit="tokens", size=64, overlap=16, min_size=8)
    tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
    for row in done.chunks:
        alone = len(tokenizer.encode(row["text"], add_special_tokens=False).ids)
        assert row["tokens"] <= 64
        # A text's first and last word may be other tokens by themselves than inside it.
        assert abs(alone - row["tokens"]) <= 3
    assert sum(row["tokens"] > 40 for row in done.chunks) >= len(done.chunks) - 1
    assert done.result.base_model == "org/tiny@abc"


def test_a_model_counts_tokens_of_chunks_in_characters(markdown, chunk, model):
    rows = [markdown(PROSE * 30)]
    with_model, without = chunk(rows, model=model), chunk(rows)
    assert with_model.texts == without.texts
    assert all(row["tokens"] > 10 for row in with_model.chunks)
    assert all(row["tokens"] is None for row in without.chunks)


@pytest.mark.parametrize("kind", ["lines", "words", "one-word"])
def test_long_texts_are_tokenised_in_pieces_that_differ_at_their_joins_alone(model, kind):
    prose = (PROSE * 3000)[:200_000]
    text = {
        "lines": prose,
        "words": prose.replace("\n", " "),
        "one-word": "".join(character for character in prose if character.isalnum()),
    }[kind]
    tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
    whole = len(tokenizer.encode(text, add_special_tokens=False).ids)
    joins = len(text) // (1 << 16)
    assert joins >= 2
    counted = Tokeniser(model).tokenise(text).count(0, len(text))
    # The test's `▁` tokenizer has tokens of whole sentences, which the joins break.
    assert abs(counted - whole) <= 6 * joins


def test_chunks_of_long_texts_have_the_tokens_of_the_whole(markdown, chunk, model):
    rows = [markdown((PROSE * 2000)[:140_000])]
    done = chunk(rows, model=model, unit="tokens", size=500, overlap=0)
    tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
    whole = len(tokenizer.encode(rows[0]["text"], add_special_tokens=False).ids)
    counted = sum(row["tokens"] for row in done.chunks)
    # White space between two chunks is in neither.
    assert whole - 2 * len(done.chunks) - 4 <= counted <= whole + len(done.chunks) + 4


def test_tokens_need_a_model_with_a_tokenizer(markdown, chunk, tmp_path):
    with pytest.raises(ConfigError, match="connect the port `model`"):
        chunk([markdown("x")], unit="tokens")
    with pytest.raises(ConfigError, match=r"no tokenizer\.json"):
        chunk([markdown("x")], model=tmp_path)
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(ConfigError, match="cannot be read"):
        chunk([markdown("x")], model=tmp_path)
    (tmp_path / "graftline-model.json").write_text("[]")
    with pytest.raises(DataError, match=r"graftline-model\.json is not a JSON object"):
        chunk([markdown("x")], model=tmp_path)


def test_an_overlap_beyond_half_is_refused(markdown, chunk):
    with pytest.raises(ConfigError, match="overlap 200 is more than half of size 300"):
        chunk([markdown("x")], size=300)


def test_documents_without_text_and_copies_are_rejects(markdown, document, chunk):
    first, second = markdown("one", path="a.md"), markdown("two", path="b.md", split="eval")
    copy, blank = markdown("one", path="copy.md"), document([("space", 0, " \n ")], path="c.md")
    done = chunk([[first, second, blank], [copy]])
    assert [row["path"] for row in done.chunks] == ["a.md", "b.md"]
    assert done.result.rejected == {"duplicate": 1, "empty": 1}
    assert [row["detail"].split(":")[0] for row in done.rejects] == ["c.md", "copy.md"]
    assert done.result.figures["rows_eval"] == 1
    with pytest.raises(DataError, match="no chunks: of 1 documents 1 empty"):
        chunk([blank])


def test_wrong_blocks_are_an_error_that_names_the_document(markdown, chunk):
    row = {**markdown("some text", path="wrong.md"), "blocks": []}
    with pytest.raises(DataError, match=r"document wrong\.md .*is in no block"):
        chunk([row])


def test_the_same_documents_give_the_same_bytes(markdown, chunk):
    rows = [markdown(f"# {n}\n\n{PROSE * n}", path=f"{n}.md") for n in range(1, 40)]
    folders = [chunk(rows).run.outputs["chunks"] for _ in range(2)]
    first, second = (sorted(folder.iterdir()) for folder in folders)
    assert [file.read_bytes() for file in first] == [file.read_bytes() for file in second]


def test_memory_does_not_grow_with_the_corpus(tmp_path):
    """Peak memory of 14 MB of documents is that of a few."""
    code = f"""
import resource, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from pathlib import Path
from conftest import make_document, write_documents
from graftline.domain.documents import DOCUMENTS, document_batch
from graftline.domain.rows import RowWriter
from graftline.testkit.local import run_stage
from graftline_chunk.descriptor import STAGE
folder = Path({str(tmp_path)!r}) / sys.argv[1]
folder.mkdir()
with RowWriter(folder, DOCUMENTS) as writer:
    for n in range(int(sys.argv[1])):
        text = f"Document {{n}}. " + {PROSE!r}.strip() * 1500
        row = make_document([("paragraph", 0, text)], path=f"{{n}}.md")
        writer.write_batch(document_batch(row))
run_stage(STAGE, folder / "work", inputs={{"documents": folder}})
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""
    peaks = [
        int(
            subprocess.run(
                [sys.executable, "-c", code, str(count)], capture_output=True, check=True
            ).stdout
        )
        for count in (10, 130)
    ]
    assert peaks[1] < peaks[0] + 50, peaks


def test_real_documents(markdown, chunk, real_data):
    folder = real_data / "a-docs-httpx"
    files = sorted(folder.rglob("*.md"))
    assert len(files) == 23
    rows = [
        markdown(file.read_text("utf-8"), path=file.relative_to(folder).as_posix())
        for file in files
    ]
    done = chunk(rows)
    assert {row["path"] for row in done.chunks} == {row["path"] for row in rows}
    assert max(len(text) for text in done.texts) <= 1000
    authentication = [r for r in done.chunks if r["path"] == "advanced/authentication.md"]
    assert ["Basic authentication"] in [row["headings"] for row in authentication]
    # Code that fits is whole in some chunk.
    for row in rows:
        mine = [chunk["text"] for chunk in done.chunks if chunk["path"] == row["path"]]
        for block in row["blocks"]:
            code = row["text"][block["start"] : block["end"]]
            if block["kind"] == "code" and len(code) <= 1000:
                assert any(code in text for text in mine), (row["path"], code)


def test_stops_when_asked(markdown, tmp_path, chunk):
    from graftline.errors import Cancelled

    folder = chunk([markdown("x")]).run.outputs["chunks"].parents[1] / "in-0"
    with pytest.raises(Cancelled):
        run_stage(
            STAGE,
            tmp_path,
            inputs={"documents": folder},
            before_run=lambda ctx: ctx.request_stop(),
        )
