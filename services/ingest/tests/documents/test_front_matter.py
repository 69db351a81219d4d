"""Front matter of Markdown: fields for `meta`, and no part of the text; or text, if it is none."""

from __future__ import annotations

import json

import pytest
import yaml

from graftline.canonical import sha256_bytes
from graftline.domain.documents import document_id
from graftline_ingest.documents.parsers.front_matter import find_front_matter

FRONT = """---
title: "Time-outs: all of them"
date: 2024-05-01
draft: yes
weight: 010
tags: [http, pools]
author: {name: Ada}
summary: |
  Two
  lines.
empty:
---
"""
FIELDS = {
    "title": "Time-outs: all of them",
    "date": "2024-05-01",
    "draft": "yes",
    "weight": "010",
    "summary": "Two\nlines.\n",
    "empty": "",
}
BOMB = "---\na: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{after}: &{after} [{', '.join([f'*{name}'] * 9)}]\n"
    for name, after in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_its_fields_are_known_and_its_lines_are_no_text(read, folder, newline):
    file = f"{FRONT} \n\n  # One\n\nText.\n\n---\nno: field\n---\n".replace("\n", newline)
    done = read(folder({"a.md": f"\ufeff{file}"}))
    row = done.documents["a.md"]
    meta = json.loads(row["meta"])
    fields = {name: value.replace("\r", "\n") for name, value in meta["front_matter"].items()}
    assert fields == FIELDS
    assert row["title"] == "Time-outs: all of them"
    assert row["text"].startswith("  # One")
    # What was before can be found again: the text is the rest of the file.
    assert row["text"] == file[meta["text_start"] :]
    assert row["id"] == document_id(row["text"])
    assert row["sha256"] == sha256_bytes(f"\ufeff{file}".encode())
    assert [kind for kind, _, _ in done.parts("a.md")] == [
        "heading",
        "paragraph",
        "paragraph",
        "heading",
    ]


@pytest.mark.parametrize(
    ("text", "fields", "rest"),
    [
        ("---\n---\n# A", {}, "# A"),
        ("---  \na: b\n...  \n\n\n    code", {"a": "b"}, "    code"),
        ("---\na: b\n---", {"a": "b"}, ""),
        ("---\na: b\n--- no end\nc: d\n---\nx", None, None),
        ("---\n<<: {a: b}\nc: !!python/object:os.system d\n---\nx", {"c": "d"}, "x"),
    ],
)
def test_where_it_ends(text, fields, rest):
    found = find_front_matter(text)
    assert (found and found.fields, found and text[found.end :]) == (fields, rest)


NONE = {
    "no end": "---\ntitle: A\n\n# Heading\n",
    "not at the top": "\n---\ntitle: A\n---\n\n# Heading\n",
    "a rule": "---\n\nNote: this is text.\n\n---\n\nMore.\n",
    "a text": "---\nOnly words.\n---\n\nMore.\n",
    "a comment": "---\n# Heading\n---\n\nMore.\n",
    "a list": "---\n- a\n- b\n---\n\nMore.\n",
    "no YAML": "---\ntitle: {{ page }}: [\n---\n\nMore.\n",
    "aliases": f"{BOMB}---\n\nMore.\n",
    "deep": f"---\na: {'[' * 40}{']' * 40}\n---\n\nMore.\n",
    "far too deep": f"---\na: {'[' * 30_000}{']' * 30_000}\n---\n\nMore.\n",
    "an odd key": "---\n? [a]\n: b\n---\n\nMore.\n",
    "an open quote": "---\na: 'b\n---\n\nMore.\n",
    "huge": f"---\na: {'x' * (1 << 17)}\n---\n\nMore.\n",
    "half a character": '---\na: "\\ud800"\n---\n\nMore.\n',
    "beyond Unicode": '---\na: "\\UFFFFFFFF"\n---\n\nMore.\n',
}


@pytest.mark.parametrize("why", NONE)
def test_what_cannot_be_read_stays_text(read, folder, why):
    row = read(folder({"a.md": NONE[why]})).documents["a.md"]
    assert row["text"] == NONE[why]
    assert "front_matter" not in json.loads(row["meta"])


@pytest.mark.parametrize("why", NONE)
def test_nor_can_it_without_libyaml(monkeypatch, why):
    monkeypatch.setattr("graftline_ingest.plain_yaml._Loader", yaml.BaseLoader)
    assert find_front_matter(NONE[why]) is None
    assert find_front_matter(FRONT).fields == FIELDS


def test_no_fields_of_it_are_read_as_headings(read, folder):
    text = "---\ntitle: A: b\nby: me\n---\n\n# Heading\n"
    done = read(folder({"a.md": text}))
    assert done.parts("a.md") == [
        ("code", 0, "---\ntitle: A: b\nby: me\n---"),
        ("heading", 1, "# Heading"),
    ]
    assert done.documents["a.md"]["title"] == "A: b"


def test_nothing_but_front_matter_is_no_text(read, folder):
    done = read(folder({"a.md": FRONT, "b.md": "# B"}))
    assert done.reasons == {"a.md": "empty"}


def test_the_same_text_under_other_fields_is_a_duplicate(read, folder):
    done = read(folder({"a.md": f"{FRONT}\n# A", "b.md": "# A", "c.md": "---\nx: y\n---\n# A"}))
    assert set(done.documents) == {"a.md"}
    assert done.reasons == {"b.md": "duplicate", "c.md": "duplicate"}


def test_only_markdown_files_have_any(read, folder):
    page = "<hr><p>Note: text</p><hr><p>More.</p>"
    done = read(folder({"a.html": page, "b.txt": "---\na: b\n---\nText."}))
    assert [kind for kind, _, _ in done.parts("a.html")] == ["paragraph"] * 4
    assert done.documents["b.txt"]["text"] == "---\na: b\n---\nText."
