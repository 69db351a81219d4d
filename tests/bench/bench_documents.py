"""Documents through `ingest` and `chunk`, beside the libraries that others use for it.

    python tests/bench/bench_documents.py [--megabytes 2] [--memory-megabytes 200]
        [--rival-python PYTHON] [--json FILE]

Ingestion, by format: ours is the whole stage (walk, digests, parsing in processes of their own,
blocks, Parquet); the rival is `markitdown`, one `convert` a file, which gives Markdown without
blocks (and of Markdown and text the file as it is). Chunking: ours is the whole stage, Parquet to
Parquet, and the cutting alone, on rows in memory; the rivals are `langchain-text-splitters`'
Markdown and recursive splitters, with start indices, on texts in memory. Memory: a corpus through
both stages; the peak of the stage's process, and of the largest of its parsers.

Each measurement runs in a process of its own, imports not counted; processor seconds (ours with its
parsers') stand beside those on the clock. Rivals that are not installed are left out;
`--rival-python` names an interpreter that has them.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

LIMIT_MIB = 1024
FORMATS = ("md", "txt", "html", "docx", "pdf")
SIZES = {"size": 1000, "overlap": 200}


class Prose:
    """Seeded words, sentences and sections."""

    def __init__(self, seed: int) -> None:
        """Make a vocabulary."""
        self.dice = random.Random(seed)
        letters = "abcdefghijklmnopqrstuvwxyz"
        self.words = ["".join(self.dice.choices(letters, k=n % 8 + 2)) for n in range(5000)]

    def sentence(self, words: int) -> str:
        """Give a sentence."""
        return " ".join(self.dice.choices(self.words, k=words)).capitalize() + "."

    def paragraph(self) -> str:
        """Give five sentences."""
        return " ".join(self.sentence(self.dice.randint(6, 18)) for _ in range(5))

    def sections(self, count: int) -> Iterator[tuple[str, list[str]]]:
        """Give headings, each with its paragraphs."""
        for _ in range(count):
            yield self.sentence(4), [self.paragraph() for _ in range(5)]


def make_md(prose: Prose) -> bytes:
    """Headings, paragraphs, lists, code and tables: about 28 KB."""
    parts = [f"# {prose.sentence(3)}"]
    for heading, paragraphs in prose.sections(12):
        words = prose.words
        lines = "\n".join(f"{words[n]} = {words[n + 1]}({n})" for n in range(12))
        items = "\n".join(f"- {prose.sentence(8)}" for _ in range(5))
        rows = "\n".join(f"| {words[n]} | {n} |" for n in range(8))
        parts += [f"## {heading}", *paragraphs, items, f"```py\n{lines}\n```"]
        parts.append(f"| name | value |\n|---|---|\n{rows}")
    return "\n\n".join(parts).encode()


def make_txt(prose: Prose) -> bytes:
    """Paragraphs: about 100 KB."""
    return "\n\n".join(prose.paragraph() for _ in range(250)).encode()


def make_html(prose: Prose) -> bytes:
    """A page with navigation, lists and tables: about 30 KB."""
    parts = ["<html><head><title>x</title></head><body><nav><a href='/'>Home</a></nav>"]
    for heading, paragraphs in prose.sections(12):
        items = "".join(f"<li>{prose.sentence(8)}</li>" for _ in range(5))
        rows = "".join(f"<tr><td>{word}</td><td>1</td></tr>" for word in prose.words[:8])
        body = "".join(f"<p>{text}</p>" for text in paragraphs)
        parts.append(f"<h2>{heading}</h2>{body}<ul>{items}</ul><table>{rows}</table>")
    return "".join([*parts, "</body></html>"]).encode()


def make_docx(prose: Prose) -> bytes:
    """A Word file of about 50 KB (its text twice that)."""
    import docx

    document = docx.Document()
    for heading, paragraphs in prose.sections(25):
        document.add_heading(heading, 1)
        for text in paragraphs:
            document.add_paragraph(text)
    target = io.BytesIO()
    document.save(target)
    return target.getvalue()


def make_pdf(prose: Prose) -> bytes:
    """Twenty pages."""
    from reportlab.pdfgen.canvas import Canvas

    target = io.BytesIO()
    canvas = Canvas(target, invariant=1)
    for heading, paragraphs in prose.sections(20):
        canvas.setFont("Helvetica", 18)
        canvas.drawString(72, 790, heading)
        canvas.setFont("Helvetica", 10)
        height = 760
        for word_list in (text.split() for text in paragraphs):
            for at in range(0, len(word_list), 12):
                canvas.drawString(72, height, " ".join(word_list[at : at + 12]))
                height -= 12
            height -= 10
        canvas.showPage()
    canvas.save()
    return target.getvalue()


MAKERS: dict[str, Callable[[Prose], bytes]] = {
    "md": make_md,
    "txt": make_txt,
    "html": make_html,
    "docx": make_docx,
    "pdf": make_pdf,
}


def make_folder(folder: Path, suffix: str, megabytes: float, prose: Prose) -> float:
    """Write files of one format and give their megabytes."""
    folder.mkdir(parents=True, exist_ok=True)
    total = number = 0
    while total < megabytes * 1e6:
        data = MAKERS[suffix](prose)
        (folder / f"{number:05d}.{suffix}").write_bytes(data)
        total, number = total + len(data), number + 1
    return total / 1e6


def processor_seconds() -> float:
    """Give the processor time of this process and of those that it waited for."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def begin() -> tuple[float, float]:
    """Start the clocks."""
    return time.perf_counter(), processor_seconds()


def since(started: tuple[float, float]) -> dict[str, float]:
    """Stop the clocks."""
    seconds, processor = begin()
    return {"seconds": seconds - started[0], "cpu_seconds": processor - started[1]}


def run_ingest(work: Path, source: Path) -> dict[str, Any]:
    """Run `ingest`."""
    from graftline.testkit.local import run_stage
    from graftline_ingest.descriptor import STAGE

    STAGE.load_run()
    started = begin()
    done = run_stage(STAGE, work, config={"layout": "documents"}, sources={"source": source})
    assert done.result is not None
    assert not done.result.rejected
    found = {"rows": done.result.rows_out, "characters": done.result.figures["characters"]}
    return {**found, **since(started)}


def run_chunk(work: Path, source: Path) -> dict[str, Any]:
    """Run `chunk` on what `ingest` left."""
    from graftline.testkit.local import run_stage
    from graftline_chunk.descriptor import STAGE

    STAGE.load_run()
    started = begin()
    done = run_stage(STAGE, work, config=SIZES, inputs={"documents": source})
    assert done.result is not None
    return {"rows": done.result.rows_out, **since(started)}


def run_cut(work: Path, source: Path) -> dict[str, Any]:
    """Cut what `ingest` left, read beforehand; keep the spans' texts."""
    from graftline.domain.documents import Block, read_documents
    from graftline_chunk.boundaries import Boundaries
    from graftline_chunk.cutting import Sizes, cut
    from graftline_chunk.measure import Characters

    documents = [
        (row["text"], [Block(**block) for block in row["blocks"]]) for row in read_documents(source)
    ]
    del work
    started = begin()
    chunks = []
    for text, blocks in documents:
        measure = Characters(len(text))
        places = Boundaries(text, blocks, lambda a, b: b - a <= 1000, headings=True)
        chunks += [text[a:b] for a, b in cut(text, places, measure, Sizes(1000, 200, 50))]
    return {"rows": len(chunks), **since(started)}


def run_markitdown(work: Path, source: Path) -> dict[str, Any]:
    """Convert every file by `markitdown`."""
    from markitdown import MarkItDown

    converter = MarkItDown()
    files = sorted(source.iterdir())
    converter.convert(str(files[0]))  # loads what is loaded late
    started = begin()
    texts = [converter.convert(str(path)).text_content for path in files]
    del work
    characters = sum(len(text) for text in texts)
    return {"rows": len(texts), "characters": characters, **since(started)}


def run_langchain(work: Path, source: Path, kind: str) -> dict[str, Any]:
    """Cut every text by one of langchain's splitters."""
    from langchain_text_splitters import MarkdownTextSplitter, RecursiveCharacterTextSplitter

    types = {"markdown": MarkdownTextSplitter, "recursive": RecursiveCharacterTextSplitter}
    splitter = types[kind](chunk_size=1000, chunk_overlap=200, add_start_index=True)
    texts = [path.read_text("utf-8") for path in sorted(source.iterdir())]
    del work
    started = begin()
    rows = len(splitter.create_documents(texts))
    return {"rows": rows, **since(started)}


WORK: dict[str, Callable[[Path, Path], dict[str, Any]]] = {
    "ingest": run_ingest,
    "chunk": run_chunk,
    "cut": run_cut,
    "markitdown": run_markitdown,
    "langchain-markdown": lambda work, source: run_langchain(work, source, "markdown"),
    "langchain-recursive": lambda work, source: run_langchain(work, source, "recursive"),
}


def measure(name: str, work: Path, source: Path) -> None:
    """Do one thing and print its figures: the inside of a process."""
    found = WORK[name](work, source)
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    print(json.dumps({**found, "mib": own // 1024, "parser_mib": children // 1024}))


def in_process(name: str, work: Path, source: Path, python: str = "") -> dict[str, Any] | None:
    """Measure in a process of its own; nothing if the rival is not installed there."""
    command = [python or sys.executable, __file__, "--measure", name, str(work), str(source)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if "ModuleNotFoundError" in ran.stderr and name not in ("ingest", "chunk", "cut"):
        return None
    if ran.returncode:
        raise SystemExit(f"{name} failed:\n{ran.stderr}")
    return json.loads(ran.stdout.splitlines()[-1])  # type: ignore[no-any-return]


def row(
    what: str, megabytes: float, ours: dict[str, Any], rivals: dict[str, dict[str, Any] | None]
) -> dict[str, Any]:
    """Give the speeds of all ways, and ours by each rival's."""
    runs = {"ours": ours, **{name: found for name, found in rivals.items() if found}}
    result: dict[str, Any] = {"what": what, "megabytes": round(megabytes, 2), "runs": runs}
    for unit in ("seconds", "cpu_seconds"):
        speeds = {name: megabytes / found[unit] for name, found in runs.items()}
        result[f"megabytes_per_{unit}"] = {name: round(speed, 3) for name, speed in speeds.items()}
        result[f"ours_by_{unit}"] = {
            name: round(speeds["ours"] / speed, 2) for name, speed in speeds.items()
        }
    print(f"{what:<14}{megabytes:>6.1f} MB  ", end="")
    told = [
        f"{name} {result['megabytes_per_seconds'][name]:.2f} MB/s"
        f" ({result['megabytes_per_cpu_seconds'][name]:.2f} by CPU)"
        for name in runs
    ]
    print(", ".join(told), flush=True)
    return result


def measure_memory(work: Path, megabytes: int, prose: Prose) -> dict[str, Any]:
    """Take a corpus (an eighth Markdown, the rest text) through both stages."""
    source = work / "corpus"
    total = make_folder(source, "md", megabytes / 8, prose)
    total += make_folder(source, "txt", megabytes - total, prose)
    ingested = in_process("ingest", work / "ingest", source)
    chunked = in_process("chunk", work / "chunk", work / "ingest" / "outputs" / "documents")
    assert ingested is not None
    assert chunked is not None
    peaks = {
        "ingest_mib": ingested["mib"],
        "parser_mib": ingested["parser_mib"],
        "chunk_mib": chunked["mib"],
    }
    print(f"memory, {total:.0f} MB: {peaks}", flush=True)
    return {"megabytes": round(total), **peaks, "runs": {"ingest": ingested, "chunk": chunked}}


def main() -> int:
    """Measure, print a line each, and JSON last."""
    if sys.argv[1:2] == ["--measure"]:
        measure(sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4]))
        return 0
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--megabytes", type=float, default=2)
    parser.add_argument("--memory-megabytes", type=int, default=200)
    parser.add_argument("--rival-python", default="")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    load = os.getloadavg()[0]
    prose = Prose(42)
    rows = []
    with tempfile.TemporaryDirectory(prefix="graftline-bench-") as name:
        work = Path(name)
        for suffix in FORMATS:
            # Those two are compressed, and slow by the megabyte everywhere.
            wanted = options.megabytes / (8 if suffix in ("docx", "pdf") else 1)
            megabytes = make_folder(work / suffix, suffix, wanted, prose)
            ours = in_process("ingest", work / f"ingest-{suffix}", work / suffix)
            assert ours is not None
            theirs = in_process("markitdown", work, work / suffix, options.rival_python)
            rows.append(row(f"ingest {suffix}", megabytes, ours, {"markitdown": theirs}))
        megabytes = make_folder(work / "chunks", "md", 2 * options.megabytes, prose)
        in_process("ingest", work / "ingest-chunks", work / "chunks")
        documents = work / "ingest-chunks" / "outputs" / "documents"
        ours = in_process("chunk", work / "chunk", documents)
        assert ours is not None
        rivals = {
            rival: in_process(rival, work, work / "chunks", options.rival_python)
            for rival in ("langchain-markdown", "langchain-recursive")
        }
        rows.append(row("chunk md", megabytes, ours, rivals))
        alone = in_process("cut", work / "cut", documents)
        assert alone is not None
        rows.append(row("cut alone md", megabytes, alone, rivals))
        memory = measure_memory(work / "memory", options.memory_megabytes, prose)
    peak = max(memory["ingest_mib"], memory["parser_mib"], memory["chunk_mib"])
    result: dict[str, Any] = {"rows": rows, "memory": memory, "limit_mib": LIMIT_MIB}
    # What else the machine was doing: speeds of a busy machine are noise.
    result |= {"cpus": os.cpu_count(), "load": [round(load, 2), round(os.getloadavg()[0], 2)]}
    print(json.dumps(result))
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n")
    return 0 if peak <= LIMIT_MIB else 1


if __name__ == "__main__":
    sys.exit(main())
