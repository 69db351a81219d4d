from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import pytest

from graftline.domain.documents import DOCUMENTS, Block, blocks_problem, read_documents
from graftline.domain.rows import read_rows
from graftline.testkit.local import StageRun, run_stage
from graftline_ingest.descriptor import STAGE


class Read:
    """What came of a source: the run, its documents by path, its rejects by path."""

    def __init__(self, done: StageRun) -> None:
        self.run = done
        self.result = done.result
        self.rows = list(read_documents(done.outputs["documents"]))
        self.documents = {row["path"]: row for row in self.rows}
        self.rejects = list(read_rows(done.outputs["rejects"]))
        assert len(self.documents) == len(self.rows)
        assert self.result.rows_in == len(self.rows) + len(self.rejects)
        assert self.result.rows_out == len(self.rows)
        assert self.result.outputs["documents"].rows == len(self.rows)
        assert sum(self.result.rejected.values()) == len(self.rejects)
        for row in self.rows:
            assert list(row) == DOCUMENTS.names
            assert blocks_problem(row["text"], self.blocks(row["path"])) == ""

    def blocks(self, path: str) -> list[Block]:
        return [Block(**block) for block in self.documents[path]["blocks"]]

    def parts(self, path: str) -> list[tuple[str, int, str]]:
        """Give (kind, level, text) of a document's blocks."""
        text = self.documents[path]["text"]
        return [(b.kind, b.level, text[b.start : b.end]) for b in self.blocks(path)]

    @property
    def reasons(self) -> dict[str, str]:
        """Give each reject's reason by its path."""
        return {row["detail"].partition(": ")[0]: row["reason"] for row in self.rejects}

    @property
    def splits(self) -> dict[str, str]:
        return {path: row["split"] for path, row in self.documents.items()}


@pytest.fixture
def read(tmp_path: Path):
    counter = iter(range(1000))

    def run(source: Path, *, seed: int = 0, **config: Any) -> Read:
        work = tmp_path / f"work-{next(counter)}"
        config = {"layout": "documents", **config}
        return Read(run_stage(STAGE, work, config=config, sources={"source": source}, seed=seed))

    return run


@pytest.fixture
def folder(tmp_path: Path):
    """Write files (name -> content) into a folder and give it."""

    def make(files: dict[str, str | bytes]) -> Path:
        root = tmp_path / "source"
        for name, content in files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        return root

    return make


def _zip(files: dict[str, str | bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return target.getvalue()


def _pdf(pages: list[list[tuple[float, str]]], **more: Any) -> bytes:
    """Make a PDF of pages of (font size, line); an empty line is a gap."""
    from reportlab.pdfgen.canvas import Canvas

    target = io.BytesIO()
    canvas = Canvas(target, pagesize=(595, 842), invariant=1, **more)
    canvas.setTitle("The PDF")
    canvas.setAuthor("Ada")
    for lines in pages:
        height = 780.0
        for size, line in lines:
            canvas.setFont("Helvetica", size)
            canvas.drawString(72, height, line)
            height -= 1.2 * size
        canvas.showPage()
    canvas.save()
    return target.getvalue()


def _scan(pages: int = 2) -> bytes:
    """Make a PDF whose pages are pictures."""
    from PIL import Image
    from reportlab.lib.utils import ImageReader
    from reportlab.pdfgen.canvas import Canvas

    target = io.BytesIO()
    canvas = Canvas(target, invariant=1)
    for number in range(pages):
        picture = Image.new("RGB", (20, 20), (number, 100, 200))
        canvas.drawImage(ImageReader(picture), 0, 0, 500, 700)
        canvas.showPage()
    canvas.save()
    return target.getvalue()


def _word() -> bytes:
    """Make a Word file with headings, lists, a table, code, a picture, title and author."""
    import docx
    from PIL import Image

    document = docx.Document()
    document.core_properties.title = "The Word file"
    document.core_properties.author = "Grace"
    document.add_heading("Guide", 0)
    document.add_heading("Install", 1)
    paragraph = document.add_paragraph("Run it with ")
    paragraph.add_run("care").bold = True
    document.add_paragraph("first", style="List Bullet")
    document.add_paragraph("second", style="List Bullet")
    table = document.add_table(rows=2, cols=2)
    for row, cells in zip(table.rows, (("name", "value"), ("a|b", "1")), strict=True):
        for cell, text in zip(row.cells, cells, strict=True):
            cell.text = text
    picture = io.BytesIO()
    Image.new("RGB", (400, 400)).save(picture, "PNG")
    document.add_picture(picture)
    document.add_heading("Use", 2)
    document.add_paragraph("To be or not.", style="Quote")
    target = io.BytesIO()
    document.save(target)
    return target.getvalue()


@pytest.fixture
def make_zip():
    return _zip


@pytest.fixture
def make_pdf():
    return _pdf


@pytest.fixture
def make_scan():
    return _scan


@pytest.fixture
def make_word():
    return _word
