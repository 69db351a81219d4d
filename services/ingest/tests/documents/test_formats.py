"""Each format: text, blocks, title, what else is known; and why a file cannot be read."""

from __future__ import annotations

import json

import pytest

from graftline.errors import ConfigError, DataError

MARKDOWN = """---
title: "Front"
---

# One #

A paragraph
over two lines.

Two
---

- item
  - nested

    ```sh
    run
    ```
- last

> quoted

| a | b |
|---|---|
| 1 | 2 |

```py
# no heading
```

[ref]: https://example.org
"""


def test_markdown_keeps_its_characters_and_tells_its_blocks(read, folder):
    text = MARKDOWN.replace("\n", "\r\n")
    front = text.index("# One #")
    done = read(folder({"a.md": text, "b.markdown": "\ufeff# B\n\nGrüße"}))
    row = done.documents["a.md"]
    assert row["text"] == text[front:]
    assert row["title"] == "Front"
    assert row["media_type"] == "text/markdown"
    parts = [(kind, level, part.replace("\r\n", "\n")) for kind, level, part in done.parts("a.md")]
    assert parts == [
        ("heading", 1, "# One #"),
        ("paragraph", 0, "A paragraph\nover two lines."),
        ("heading", 2, "Two\n---"),
        ("list", 1, "- item"),
        ("list", 2, "  - nested"),
        ("code", 0, "    ```sh\n    run\n    ```"),
        ("list", 1, "- last"),
        ("quote", 1, "> quoted"),
        ("table", 0, "| a | b |\n|---|---|\n| 1 | 2 |"),
        ("code", 0, "```py\n# no heading\n```"),
        ("paragraph", 0, "[ref]: https://example.org"),
    ]
    assert done.documents["b.markdown"]["text"] == "# B\n\nGrüße"
    assert done.documents["b.markdown"]["title"] == "B"
    assert json.loads(row["meta"]) == {
        "bytes": len(text.encode()),
        "encoding": "utf-8",
        "front_matter": {"title": "Front"},
        "text_start": front,
    }


def test_plain_text_has_paragraphs(read, folder):
    text = "\n  one\ntwo\r\n\r\nthree  \n \n\nfour"
    done = read(folder({"a.txt": text, "README": "no suffix"}))
    assert done.documents["a.txt"]["text"] == text
    assert done.parts("a.txt") == [
        ("paragraph", 0, "  one\ntwo"),
        ("paragraph", 0, "three"),
        ("paragraph", 0, "four"),
    ]
    assert done.documents["README"]["media_type"] == "text/plain"


def test_html_becomes_markdown_without_what_surrounds_it(read, folder):
    page = """<!doctype html><html lang=en><head><title>The &amp; title</title><style>p{}</style>
    <script>alert(1)</script></head><body><nav><a href=/>Home</a></nav><h1>Top</h1>
    <p>Some <b>bold</b> text &lt;here&gt;.</p><ul><li>one<li>two</ul>
    <table><tr><th>a<th>b<tr><td>1|2<td>3</table>
    <pre><code class="language-py">def f():\n    return 1</code></pre>
    <img src="data:image/png;base64,AAAA" alt="a picture"><footer>foot</footer></body></html>"""
    done = read(folder({"a.html": page}))
    row = done.documents["a.html"]
    assert row["title"] == "The & title"
    assert json.loads(row["meta"])["language"] == "en"
    assert done.parts("a.html") == [
        ("heading", 1, "# Top"),
        ("paragraph", 0, "Some **bold** text <here>."),
        ("list", 1, "- one"),
        ("list", 1, "- two"),
        ("table", 0, "| a    | b |\n| ---- | --- |\n| 1\\|2 | 3 |"),
        ("code", 0, "```py\ndef f():\n    return 1\n```"),
        ("paragraph", 0, "a picture"),
    ]


def test_pdf_has_pages_headings_and_paragraphs(read, folder, make_pdf):
    page = [
        (22.0, "Big Title"),
        (11.0, ""),
        (15.0, "Section"),
        (11.0, "First line"),
        (11.0, "goes on."),
    ]
    page += [(11.0, ""), (11.0, "Another paragraph, after a gap."), (11.0, "And its second line.")]
    done = read(folder({"a.pdf": make_pdf([page, page[2:5], []])}))
    row = done.documents["a.pdf"]
    assert done.parts("a.pdf") == [
        ("page", 1, ""),
        ("heading", 1, "# Big Title"),
        ("heading", 2, "## Section"),
        ("paragraph", 0, "First line\ngoes on."),
        ("paragraph", 0, "Another paragraph, after a gap.\nAnd its second line."),
        ("page", 2, ""),
        ("heading", 2, "## Section"),
        ("paragraph", 0, "First line\ngoes on."),
        ("page", 3, ""),
    ]
    assert row["title"] == "The PDF"
    meta = json.loads(row["meta"])
    assert (meta["author"], meta["pages"], meta["pages_without_text"]) == ("Ada", 3, 1)


def test_lists_code_and_tables_of_a_pdf_are_paragraphs(read, folder, make_pdf):
    page = [(11.0, "- one"), (11.0, "- two"), (11.0, ""), (11.0, "def f():"), (11.0, "    pass")]
    page += [(11.0, ""), (11.0, "name     value"), (11.0, "a        1")]
    done = read(folder({"a.pdf": make_pdf([page])}))
    assert [part[:2] for part in done.parts("a.pdf")] == [("page", 1), *[("paragraph", 0)] * 3]
    assert "def f():\npass" in done.documents["a.pdf"]["text"]


def test_word_files_keep_their_structure(read, folder, make_word):
    done = read(folder({"a.docx": make_word()}))
    assert done.parts("a.docx") == [
        ("heading", 1, "# Guide"),
        ("heading", 1, "# Install"),
        ("paragraph", 0, "Run it with **care**"),
        ("list", 1, "- first"),
        ("list", 1, "- second"),
        ("table", 0, "| name | value |\n| ---- | ----- |\n| a\\|b | 1     |"),
        ("heading", 2, "## Use"),
        ("quote", 1, "> To be or not."),
    ]
    row = done.documents["a.docx"]
    assert row["title"] == "The Word file"
    assert json.loads(row["meta"])["author"] == "Grace"


@pytest.mark.parametrize(
    ("name", "data", "text"),
    [
        ("utf16.txt", "Grüße 日本".encode("utf-16"), "Grüße 日本"),
        ("utf32.txt", "Grüße".encode("utf-32"), "Grüße"),
        ("bom.txt", b"\xef\xbb\xbfx", "x"),
        ("cp1252.txt", ("Schöne Grüße aus München, “Größe” zählt. " * 9).encode("cp1252"), None),
        ("meta.html", '<meta charset="iso-8859-1"><p>“Grüße”'.encode("cp1252"), "“Grüße”\n"),
        ("not16.html", '<meta charset="utf-16"><p>Grüße'.encode(), "Grüße\n"),
        ("not16le.html", b"<META content='text/html; charset=UTF-16LE'><p>plain", "plain\n"),
        ("not32.html", "<meta charset=utf-32be ><p>“Größe”".encode(), "“Größe”\n"),
        ("ebcdic.html", b"<meta charset=cp037><p>plain", "plain\n"),
        ("koi8.html", "<meta charset=koi8-r><p>Привет".encode("koi8-r"), "Привет\n"),
    ],
)
def test_encodings(read, folder, name, data, text):
    done = read(folder({name: data}))
    expected = text if text is not None else "Schöne Grüße aus München, “Größe” zählt. " * 9
    assert done.documents[name]["text"] == expected


def test_a_set_encoding_is_held_to(read, folder):
    source = folder({"a.txt": "Grüße".encode("latin-1"), "b.txt": b"plain"})
    assert read(source, encoding="utf-8").reasons == {"a.txt": "wrong-encoding"}
    assert read(source, encoding="latin-1").documents["a.txt"]["text"] == "Grüße"


def test_what_is_no_document_is_a_reject_with_its_reason(read, folder, make_pdf, make_scan):
    pdf = make_pdf([[(11.0, "text")]])
    files = {
        "good.md": "# Fine",
        "empty.md": b"",
        "blank.txt": " \n\t\n",
        "zeros.txt": b"abc\x00def",
        "noise.txt": bytes(range(1, 255)) * 40,
        "picture.png": b"\x89PNG",
        "encrypted.pdf": make_pdf([[(11.0, "text")]], encrypt="secret"),
        "scan.pdf": make_scan(),
        "nothing.pdf": make_pdf([[], []]),
        "cut.pdf": pdf[: len(pdf) // 3],
        "no.pdf": b"hello",
        "long.pdf": make_pdf([[(11.0, "text")]] * 12),
        "old.docx": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"x" * 100,
        "no.docx": b"hello",
        "cut.docx": b"PK\x03\x04" + b"x" * 100,
        "empty.html": "<html><script>x</script></html>",
        "hidden/.secret.md": "# Hidden",
    }
    done = read(folder(files), documents={"max_pages": 10})
    assert set(done.documents) == {"good.md"}
    assert done.reasons == {
        "empty.md": "empty",
        "blank.txt": "empty",
        "zeros.txt": "binary",
        "noise.txt": "binary",
        "picture.png": "unsupported",
        "encrypted.pdf": "encrypted",
        "scan.pdf": "scanned-only",
        "nothing.pdf": "empty",
        "cut.pdf": "damaged",
        "no.pdf": "damaged",
        "long.pdf": "too-large",
        "old.docx": "encrypted",
        "no.docx": "damaged",
        "cut.docx": "damaged",
        "empty.html": "empty",
    }
    level, line = done.run.events.lines[-1]
    assert level == "warning"
    assert line.startswith("15 files refused: 4 damaged, 4 empty")


def test_sizes_have_bounds(read, folder):
    source = folder(
        {"a.md": "# A", "text.txt": "x" * (2 << 20), "file.pdf": b"%PDF-" + b"x" * (3 << 20)}
    )
    done = read(source, documents={"max_file_mb": 2, "max_text_mb": 1})
    assert done.reasons == {"text.txt": "too-large", "file.pdf": "too-large"}


def test_a_copy_is_a_duplicate_whatever_its_name(read, folder):
    done = read(folder({"a.md": "# Same", "b/c.txt": "# Same", "d.md": "# Other"}))
    assert set(done.documents) == {"a.md", "d.md"}
    assert done.reasons == {"b/c.txt": "duplicate"}
    assert "says the same as a.md" in done.rejects[0]["detail"]


def test_no_document_at_all_is_an_error(read, folder):
    with pytest.raises(DataError, match="none of 2 files is a document: 1 empty, 1 unsupported"):
        read(folder({"a.bin": b"x", "b.md": b""}))


def test_hub_sets_are_no_documents(read, tmp_path):
    from graftline.testkit.local import run_stage
    from graftline_ingest.descriptor import STAGE

    config = {"layout": "documents", "source": "hf://datasets/org/name"}
    with pytest.raises(ConfigError, match="read from files, not from Hub sets"):
        run_stage(STAGE, tmp_path, config=config)


def test_settings_for_examples_are_refused(read, folder):
    source = folder({"a.md": "x"})
    with pytest.raises(ConfigError, match="has no use for instruction, task"):
        read(source, instruction="x", task="y")
    with pytest.raises(ConfigError, match=r"split\.field"):
        read(source, split={"field": "x"})
    with pytest.raises(ConfigError, match="`documents` is for the layout 'documents'"):
        read(source, layout="auto", documents={"max_pages": 1})
