"""How lineages, of artifacts and of single rows, look on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.markup import escape
from rich.tree import Tree

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Console

    from graftline.v1.manifest_pb2 import Manifest
    from graftline_workflows.lineage.ancestors import Found, Paragraph
    from graftline_workflows.lineage.row import RowLineage
    from graftline_workflows.lineage.training import Training

_SHORT_KEY = 12
_SHORT_ID = 12
_MOST_CHARACTERS = 600
_RELATIONS = {
    "same-chunk": "of the same chunk",
    "same-source": "of the same document, session or template",
    "alike": "of another source",
}


def print_lineage(console: Console, manifests: Sequence[Manifest]) -> None:
    """Show a lineage as a tree; what stands in it twice is spelled out once."""
    by_key = {manifest.key: manifest for manifest in manifests}
    shown: set[str] = set()
    console.print(_branch(None, manifests[0].key, "", by_key, shown))


def _branch(
    tree: Tree | None, key: str, step: str, by_key: dict[str, Manifest], shown: set[str]
) -> Tree:
    manifest = by_key.get(key)
    if manifest is None:
        text = f"{escape(step)} [dim]{key[:_SHORT_KEY]}[/] [yellow]no longer in the store[/]"
        return tree.add(text) if tree is not None else Tree(text)
    text = f"[bold]{escape(manifest.step)}[/] {manifest.stage} [dim]{key[:_SHORT_KEY]}[/]"
    again = key in shown and bool(manifest.inputs or manifest.sources)
    text += " [dim](above)[/]" if again else ""
    branch = tree.add(text) if tree is not None else Tree(text)
    if not again:
        shown.add(key)
        for source in manifest.sources:
            branch.add(f"{escape(source.uri)} [dim]{escape(source.fingerprint[:19])}[/]")
        for item in manifest.inputs:
            _branch(branch, item.key, item.step, by_key, shown)
    return branch


def print_row(console: Console, lineage: RowLineage) -> None:
    """Show where a row came from, the paragraph it stands on, and what was learned like it."""
    for line in _row_lines(lineage):
        console.print(line, highlight=False)


def _row_lines(lineage: RowLineage) -> Iterator[str]:
    first, asked = lineage.rows[0], lineage.asked
    yield f"row [bold]{first.id}[/] of step {escape(first.place.manifest.step)}"
    for title, text in (("asked", asked.question), ("expected", asked.expected)):
        if text:
            yield from _quoted(title, text)
    for item in (*lineage.rows, *lineage.ancestors):
        if item.is_answer:
            yield from _answer(item)
    yield "[bold]came from[/]"
    ancestors = [item for item in lineage.ancestors if item.place.kind != "metrics"]
    yield from (_ancestor(item) for item in ancestors)
    if not ancestors:
        yield "  nothing that is a row: this is where it began"
    for step in lineage.lost:
        yield f"  [yellow]step {escape(step)} is no longer in the store[/]"
    for paragraph in lineage.paragraphs:
        yield "[bold]paragraph[/]"
        yield from _paragraph(paragraph, "  ")
    if lineage.training is not None:
        yield from _training(lineage.training)


def _answer(item: Found) -> Iterator[str]:
    row = item.row
    who = f"{item.place.manifest.step} ({row['variant']}, {row['split']})"
    yield from _quoted(f"answer of {who}", row["output"])
    if row["reason"]:
        yield f"  [red]✗[/] {escape(row['reason'])}"


def _ancestor(item: Found) -> str:
    found = item.as_json()
    parts = [f"  {found['kind']} [bold]{item.id[:_SHORT_ID]}[/] of {escape(found['step'])}"]
    if found["path"]:
        parts.append(escape(found["path"]))
    if found["start"] is not None and found["end"] is not None:
        parts.append(_span(found["start"], found["end"]))
    if found["verdict"]:
        overall = "" if found["overall"] is None else f" {found['overall']:g}"
        parts.append(f"judged {found['verdict']}{overall}")
    return " · ".join(parts)


def _training(training: Training) -> Iterator[str]:
    yield f"[bold]learned[/] {training.rows:,} rows ({escape(training.place.manifest.step)})"
    if training.holds_row:
        yield "  [red]this very row was learned: its score says nothing[/]"
    for relation, count in training.counts.items():
        yield f"  {count or 'no'} rows {_RELATIONS[relation]}"
    if training.shown:
        yield "  the nearest of them all"
    for row in training.shown:
        about = f"{100 * row.alike:.0f} % of words in common"
        yield f"  row [bold]{row.id[:_SHORT_ID]}[/] {_RELATIONS[row.relation]} · {about}"
        yield from _quoted("asked", row.question, "    ")
        for paragraph in row.paragraphs:
            yield from _paragraph(paragraph, "    ")


def _paragraph(paragraph: Paragraph, indent: str) -> Iterator[str]:
    where = [escape(paragraph.path)] if paragraph.path else []
    if paragraph.start is not None and paragraph.end is not None:
        where.append(_span(paragraph.start, paragraph.end))
    if paragraph.headings:
        where.append(escape(" › ".join(paragraph.headings)))
    yield f"{indent}{' · '.join(where)}"
    yield from _text(paragraph.text, indent)


def _span(start: int, end: int) -> str:
    return f"characters {start:,} to {end:,}"


def _quoted(title: str, text: str, indent: str = "") -> Iterator[str]:
    yield f"{indent}{escape(title)}"
    yield from _text(text, indent)


def _text(text: str, indent: str) -> Iterator[str]:
    left = len(text) - _MOST_CHARACTERS
    shown = text[:_MOST_CHARACTERS].rstrip() + (
        f" … ({left:,} more characters)" if left > 0 else ""
    )
    yield from (f"{indent}  [dim]│[/] {escape(line)}" for line in shown.splitlines())
