"""A folder of small documents of several kinds, each about one thing."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

THINGS = re.findall(
    r"\w+",
    """
    anchor anvil atlas backdrop balcony beehive bell bellows bindery buoy catalogue chimney
    clock compost cooler costume crane crucible curtain desk dredger ferry furnace gangway
    globe greenhouse grinder hammer hedge kneader ladder ladle lighthouse microfilm mixer
    mould mower orchestra organ oven pier pond prompter proofer quench rake roller scale
    shed shelf sieve slicer spotlight sprinkler tongs trapdoor tray trellis tugboat
    warehouse wheelbarrow whisk wig winch windmill
    """,
)
COLOURS = ("red", "green", "yellow", "grey", "blue", "white", "black")
PEOPLE = ("Ada", "Bruno", "Chidi", "Dora", "Emil", "Farah", "Goran", "Hana", "Ivo")


def handbook(folder: Path, documents: int = len(THINGS)) -> Path:
    """Write documents of one paragraph: an HTML page, a Word file, a PDF, the rest Markdown.

    Args:
        folder: A folder that is not there yet.
        documents: How many; all are more than one unit of chunks has (64).
    """
    folder.mkdir()
    for number, thing in enumerate(THINGS[:documents]):
        text = (
            f"The {thing} is {COLOURS[number % 7]}. {PEOPLE[number % 9]} bought it in "
            f"{1900 + number} for {17 * number + 9} crowns. Nobody but {PEOPLE[number % 5]} may "
            f"repair the {thing}, and only in week {number % 50 + 1}."
        )
        WRITERS.get(number, write_markdown)(folder / thing, f"The {thing}", text)
    return folder


def write_markdown(path: Path, title: str, text: str) -> None:
    path.with_suffix(".md").write_text(f"# {title}\n\n{text}\n")


def write_html(path: Path, title: str, text: str) -> None:
    page = f"<!doctype html><title>{title}</title><h1>{title}</h1><p>{text}</p>"
    path.with_suffix(".html").write_text(page)


def write_docx(path: Path, title: str, text: str) -> None:
    import docx

    document = docx.Document()
    document.add_heading(title)
    document.add_paragraph(text)
    document.save(str(path.with_suffix(".docx")))


def write_pdf(path: Path, title: str, text: str) -> None:
    from reportlab.lib.styles import getSampleStyleSheet
    from reportlab.platypus import Paragraph, SimpleDocTemplate

    styles = getSampleStyleSheet()
    parts = [Paragraph(title, styles["Heading1"]), Paragraph(text, styles["BodyText"])]
    SimpleDocTemplate(str(path.with_suffix(".pdf"))).build(parts)


WRITERS = {1: write_html, 2: write_docx, 3: write_pdf}
