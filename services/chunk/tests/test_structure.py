"""Where cuts fall: along headings, blocks, sentences; around code and tables."""

from __future__ import annotations

import pyarrow.parquet as pq
import pytest

PROSE = "This is a sentence of some length. Here is another one, a little longer than that. "


def code(lines: int, width: int = 30) -> str:
    return "\n".join(["```py", *(f"line_{n:03d} = " + "x" * width for n in range(lines)), "```"])


def table(rows: int) -> str:
    return "\n".join(
        ["| name | value |", "|---|---|", *(f"| row {n} | {n} |" for n in range(rows))]
    )


def test_sections_are_not_cut_apart_where_they_fit(document, chunk):
    from_parts = [
        part
        for n in range(6)
        for part in (
            ("heading", 2, f"## Section {n}"),
            ("space", 0, "\n\n"),
            ("paragraph", 0, (PROSE * 3).strip()),
            ("space", 0, "\n\n"),
        )
    ]
    done = chunk([document([("heading", 1, "# All"), ("space", 0, "\n\n"), *from_parts])], size=600)
    assert [text.count("## Section") for text in done.texts] == [2, 2, 2]
    assert done.texts[0].startswith("# All\n\n## Section 0")
    assert done.texts[1].startswith("## Section 2")
    assert [row["headings"] for row in done.chunks] == [
        ["All"],
        ["All", "Section 2"],
        ["All", "Section 4"],
    ]


def test_a_higher_heading_is_cut_before_a_lower_one(markdown, chunk):
    text = f"# A\n\n{PROSE}\n\n# B\n\n{PROSE}\n\n## B1\n\n{PROSE * 2}\n\n## B2\n\n{PROSE * 4}"
    done = chunk([markdown(text)], size=400)
    assert done.texts[0] == f"# A\n\n{PROSE.strip()}"
    assert done.texts[1].startswith("# B\n")
    # Where headings are blocks like others, as much is taken as fits.
    plain = chunk([markdown(text)], size=400, strategy="recursive")
    assert "# B\n" in plain.texts[0]


def test_html_is_another_name_for_markdown(markdown, chunk):
    rows = [markdown(f"# A\n\n{PROSE * 5}\n\n## B\n\n{PROSE * 9}")]
    assert chunk(rows, strategy="html").texts == chunk(rows, strategy="markdown").texts


@pytest.mark.parametrize("strategy", ["markdown", "recursive"])
@pytest.mark.parametrize("before", range(0, 900, 60))
def test_code_and_tables_that_fit_stay_whole(markdown, chunk, strategy, before):
    prose = (PROSE * 12)[:before].strip()
    rows = [markdown(f"# T\n\n{prose}\n\n{code(16)}\n\n{PROSE * 3}\n\n{table(40)}\n\n{PROSE * 3}")]
    done = chunk(rows, strategy=strategy)
    assert any(code(16) in text for text in done.texts)
    for row in range(40):
        assert any(f"| row {row} | {row} |" in text for text in done.texts)
    for text in done.texts:
        for line in text.splitlines():
            if line.startswith(("line_", "|")):
                assert line in code(16).splitlines() + table(40).splitlines()


def test_a_fence_is_not_cut_only_for_a_short_line_before_it(markdown, chunk):
    block, short = code(22, width=32), "See this, which is short:"
    assert len(block) < 1000 < len(block) + len(short)
    done = chunk([markdown(f"{short}\n\n{block}\n\n{PROSE * 9}")])
    assert done.texts[0] == short
    assert done.texts[1].endswith(block)


def test_code_longer_than_a_chunk_is_cut_between_lines(markdown, chunk):
    block = code(100)
    done = chunk([markdown(f"# T\n\n{block}")], overlap=0)
    assert len(done.texts) > 4
    lines = [line for text in done.texts for line in text.splitlines()]
    assert lines == ["# T", "", *block.splitlines()]


def test_the_overlap_begins_at_a_sentence(markdown, chunk):
    done = chunk([markdown(PROSE * 60)], size=500, overlap=120)
    for before, after in zip(done.chunks, done.chunks[1:], strict=False):
        shared = before["source"]["end"] - after["source"]["start"]
        assert 30 <= shared <= 120
        assert after["text"].startswith(("This is", "Here is"))
        assert before["text"].endswith(".")


def test_a_chunk_that_begins_with_a_heading_repeats_nothing(markdown, chunk):
    text = "\n\n".join(f"## S{n}\n\n{PROSE * 5}" for n in range(8))
    done = chunk([markdown(text)], size=600)
    ends = [row["source"]["end"] for row in done.chunks]
    assert all(row["text"].startswith("## S") for row in done.chunks)
    assert all(
        row["source"]["start"] >= end for row, end in zip(done.chunks[1:], ends, strict=False)
    )


def test_no_chunk_is_tiny_where_that_can_be_avoided(markdown, chunk):
    for extra in range(0, 90, 7):
        text = (PROSE * 25)[: 1000 + extra].strip()
        done = chunk([markdown(text)], overlap=0, min_size=100)
        assert min(len(part) for part in done.texts) >= 90


def test_character_cuts_at_its_separator_alone(markdown, chunk):
    text = "\n\n".join(f"# H{n}\n{PROSE * 2}" for n in range(9))
    done = chunk([markdown(text)], strategy="character", size=400, overlap=0)
    assert all(part.startswith("# H") for part in done.texts)
    semicolons = "a b;" * 300
    done = chunk([markdown(semicolons)], strategy="character", separator=";", size=101, overlap=0)
    assert {len(part) for part in done.texts} == {100}
    hard = chunk([markdown("x" * 1000)], strategy="character", size=300, overlap=100)
    assert [(r["source"]["start"], r["source"]["end"]) for r in hard.chunks] == [
        (0, 300),
        (200, 500),
        (400, 700),
        (600, 900),
        (800, 1000),
    ]


def test_what_readers_see_as_one_character_is_not_cut(document, chunk):
    text = "👩\u200d👩\u200d👧" * 50 + "e\u0301" * 50
    done = chunk([document([("paragraph", 0, text)])], size=11, overlap=0)
    for part in done.texts[1:]:
        assert part[0] not in "\u200d\u0301"


def test_the_first_line_of_code_keeps_its_indentation(document, chunk):
    lines = "\n".join("    " + "y" * 40 for _ in range(40))
    done = chunk([document([("code", 0, lines)])], size=300, overlap=0)
    assert all(part.startswith("    y") for part in done.texts)


def test_pages_and_titles_are_told(document, chunk):
    parts = []
    for page in range(1, 5):
        parts += [("page", page, ""), ("paragraph", 0, PROSE * 6), ("space", 0, "\n\n")]
    done = chunk([document(parts, title="Paper", media_type="application/pdf")], size=400)
    metas = [row["meta"] for row in done.chunks]
    assert metas[0] == '{"page":1,"title":"Paper"}'
    assert metas[-1] == '{"page":4,"title":"Paper"}'
    assert len(set(metas)) == 4


def test_headings_count_towards_a_batch(markdown, chunk):
    """Chunks of a few letters beneath long headings: a batch of them is still of a few MB."""
    headings = "\n\n".join(f"{'#' * level} {level}{'h' * 299}" for level in range(1, 7))
    title = "t" * 300
    done = chunk([markdown(f"{headings}\n\n{'word ' * 18_000}", title=title)], size=10, overlap=0)
    (file,) = done.run.outputs["chunks"].iterdir()
    footer = pq.read_metadata(file)
    groups = [footer.row_group(n).num_rows for n in range(footer.num_row_groups)]
    assert sum(groups) == len(done.chunks) > 9000 > groups[0] > 7000
    assert groups[0] % 2048


def test_a_heading_path_forgets_what_it_leaves(markdown, chunk):
    text = "\n\n".join(
        f"{mark} {name}\n\n{PROSE * 4}"
        for mark, name in (("#", "A"), ("###", "A.x"), ("##", "A.b"), ("#", "B"), ("##", "B.a"))
    )
    done = chunk([markdown(text)], size=350, overlap=0)
    paths = [row["headings"] for row in done.chunks if row["text"].startswith("#")]
    assert paths == [["A"], ["A", "A.x"], ["A", "A.b"], ["B"], ["B", "B.a"]]


def test_a_heading_or_title_without_end_is_not_repeated_whole(markdown, chunk):
    long = "word " * 400
    text = f"# {long.strip()}\n\n{PROSE * 20}"
    done = chunk([markdown(text, title=long)], size=500)
    assert len(done.chunks) > 4
    assert {len(row["headings"][0]) for row in done.chunks} == {300}
    assert {row["headings"][0] for row in done.chunks} == {f"{long[:299]}…"}
    assert {row["meta"] for row in done.chunks} == {f'{{"title":"{long[:299]}…"}}'}
    whole = chunk([markdown(f"# {'x' * 300}\n\n{PROSE}", title="y" * 300)])
    assert whole.chunks[0]["headings"] == ["x" * 300]
    assert whole.chunks[0]["meta"] == f'{{"title":"{"y" * 300}"}}'
