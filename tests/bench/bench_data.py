"""Rows through `ingest` and `curate` (and `format`), beside the `datasets` library doing the same.

    python tests/bench/bench_data.py --rows 1000000 [--model FOLDER] [--json FILE]

Each stage, and the rival, runs in a process of its own: wall time and peak resident memory. The
work: JSON Lines of chat examples (about 1 KB a row) -> normalise user text -> filter -> drop equal
prompts -> drop train rows that share a prompt or 13 words in a row with an evaluation row ->
Parquet. Both must keep the same number of rows of each split.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import unicodedata
from pathlib import Path
from typing import Any

NGRAM = 13
LIMIT_MIB = 1024
OPERATIONS: list[dict[str, Any]] = [
    {"op": "normalise"},
    {"op": "filter", "min_prompt_chars": 10, "max_prompt_chars": 20_000},
    {"op": "dedupe"},
    {"op": "decontaminate", "ngram": NGRAM},
]
INSTRUCTION = "Read the support message and answer with JSON: intent, priority, entities."


def make_rows(path: Path, rows: int) -> None:
    """Write rows: 2 % evaluation, 3 % equal prompts, 1 % too short, 0.5 % contaminated."""
    dice = random.Random(42)
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = ["".join(dice.choices(letters, k=dice.randint(2, 9))) for _ in range(20_000)]
    phrases = [" ".join(dice.choices(words, k=6)) for _ in range(50_000)]
    recent: list[str] = []
    evaluation: list[str] = []
    with path.open("w", encoding="utf-8") as file:
        for number in range(rows):
            text = " ".join(dice.choices(phrases, k=20))
            split, draw = "train", dice.random()
            if number % 50 == 0:
                split = "eval"
                evaluation.append(text)
                del evaluation[:-500]
            elif draw < 0.03 and recent:
                text = dice.choice(recent).upper()
            elif draw < 0.04:
                text = "short"
            elif draw < 0.045:
                text = f"{text} {' '.join(dice.choice(evaluation).split()[20:40])} {text[:30]}"
            elif draw < 0.1:
                text = f"  Caf\u0065\u0301 {text}\r\nregards\u200b  "
            recent.append(text)
            del recent[:-500]
            answer = {"intent": dice.choice(["refund", "cancel"]), "order_id": f"ORD-{number:05d}"}
            messages = [
                {"role": "system", "content": INSTRUCTION},
                {"role": "user", "content": text},
                {"role": "assistant", "content": json.dumps(answer)},
            ]
            row = {"messages": messages, "split": split}
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def run_ingest(work: Path, source: Path) -> dict[str, Any]:
    """Run `ingest`."""
    from graftline.testkit.local import run_stage
    from graftline_ingest.descriptor import STAGE

    done = run_stage(
        STAGE, work / "ingest", config={"split": {"field": "split"}}, sources={"source": source}
    )
    return {"rows_out": done.result.rows_out}


def run_curate(work: Path, source: Path) -> dict[str, Any]:
    """Run `curate` on what `ingest` made."""
    from graftline.testkit.local import run_stage
    from graftline_curate.descriptor import STAGE

    done = run_stage(
        STAGE,
        work / "curate",
        config={"operations": OPERATIONS},
        inputs={"examples": work / "ingest/outputs/examples"},
    )
    figures = {name: int(value) for name, value in done.result.figures.items()}
    return {**figures, "rejected": dict(done.result.rejected)}


def run_format(work: Path, source: Path) -> dict[str, Any]:
    """Run `format` on what `curate` left."""
    from graftline.testkit.local import run_stage
    from graftline_format.descriptor import STAGE

    done = run_stage(
        STAGE,
        work / "format",
        inputs={"examples": work / "curate/outputs/examples", "model": source},
    )
    return {"rows_out": done.result.rows_out}


def run_datasets(work: Path, source: Path) -> dict[str, Any]:
    """Do the work of `ingest` and `curate` as a user of `datasets` would, in batches."""
    import datasets

    datasets.disable_progress_bars()
    invisible = re.compile("[\u200b\u2060\ufeff\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")

    def clean(text: str) -> str:
        text = unicodedata.normalize("NFC", text).replace("\r\n", "\n").replace("\r", "\n")
        return invisible.sub("", text).strip()

    def normalise(batch: dict[str, list[Any]]) -> dict[str, list[Any]]:
        for messages in batch["messages"]:
            for message in messages:
                if message["role"] == "user":
                    message["content"] = clean(message["content"])
        return {"messages": batch["messages"]}

    def prompt(messages: list[dict[str, str]]) -> str:
        said = [item["content"] for item in messages[:-1] if item["role"] != "system"]
        return "\n".join(said)

    def sound(batch: dict[str, list[Any]]) -> list[bool]:
        return [
            [item["role"] for item in messages] == ["system", "user", "assistant"]
            and bool(messages[-1]["content"].strip())
            and 10 <= len(prompt(messages)) <= 20_000
            for messages in batch["messages"]
        ]

    def same(messages: list[dict[str, str]]) -> str:
        text = unicodedata.normalize("NFKC", prompt(messages)).lower()
        return " ".join(text.split())

    def grams(messages: list[dict[str, str]]) -> list[int]:
        words = re.findall(r"[^\W_]+", same(messages))
        return [hash(tuple(words[i : i + NGRAM])) for i in range(len(words) - NGRAM + 1)]

    rows = datasets.load_dataset(
        "json", data_files=str(source), split="train", cache_dir=str(work / "datasets-cache")
    )
    rows = rows.map(normalise, batched=True)
    rows = rows.filter(sound, batched=True)
    evaluation = rows.filter(lambda batch: [s == "eval" for s in batch["split"]], batched=True)
    seen_eval = {same(messages) for messages in evaluation["messages"]}
    in_eval = {gram for messages in evaluation["messages"] for gram in grams(messages)}
    seen: set[str] = set()

    def first(batch: dict[str, list[Any]]) -> list[bool]:
        keep = []
        for messages, split in zip(batch["messages"], batch["split"], strict=True):
            key = same(messages)
            keep.append(key not in seen and (split == "eval" or key not in seen_eval))
            seen.add(key)
        return keep

    def uncontaminated(batch: dict[str, list[Any]]) -> list[bool]:
        return [
            split == "eval" or not any(gram in in_eval for gram in grams(messages))
            for messages, split in zip(batch["messages"], batch["split"], strict=True)
        ]

    rows = rows.filter(first, batched=True)
    rows = rows.filter(uncontaminated, batched=True)
    rows.to_parquet(str(work / "datasets.parquet"))
    splits = rows["split"]
    return {f"rows_{name}": sum(split == name for split in splits) for name in ("eval", "train")}


def run_datasets_format(work: Path, source: Path) -> dict[str, Any]:
    """Do the work of `format` as a user of `datasets` would: tokens and a loss mask, in batches."""
    import datasets
    from transformers import AutoTokenizer

    datasets.disable_progress_bars()
    tokenizer = AutoTokenizer.from_pretrained(source)

    def render(messages: list[dict[str, str]], *, prompt: bool) -> str:
        text: str = tokenizer.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=prompt
        )
        return text

    def tokenise(batch: dict[str, list[Any]]) -> dict[str, list[Any]]:
        whole = [render(messages, prompt=False) for messages in batch["messages"]]
        prompts = [render(messages[:-1], prompt=True) for messages in batch["messages"]]
        ids = tokenizer(whole, add_special_tokens=False)["input_ids"]
        before = tokenizer(prompts, add_special_tokens=False)["input_ids"]
        mask = [
            [place >= len(head) for place in range(len(row))]
            for row, head in zip(ids, before, strict=True)
        ]
        return {"input_ids": ids, "loss_mask": mask}

    rows = datasets.load_dataset(
        "parquet",
        data_files=str(work / "curate/outputs/examples/*.parquet"),
        split="train",
        cache_dir=str(work / "datasets-cache"),
    )
    rows = rows.filter(lambda batch: [s == "train" for s in batch["split"]], batched=True)
    rows = rows.map(tokenise, batched=True, remove_columns=["messages"])
    rows.to_parquet(str(work / "datasets-format.parquet"))
    return {"rows_out": len(rows)}


CHILDREN = {
    "ingest": run_ingest,
    "curate": run_curate,
    "format": run_format,
    "datasets": run_datasets,
    "datasets-format": run_datasets_format,
}


def child(name: str, work: Path, source: Path) -> None:
    """Run one of them in this process and print what it took."""
    begun = time.perf_counter()
    result = CHILDREN[name](work, source)
    seconds = time.perf_counter() - begun
    used = resource.getrusage(resource.RUSAGE_SELF)
    measured = {
        "name": name,
        "seconds": seconds,
        # On a shared machine the processor's time says more than the clock's.
        "cpu_seconds": used.ru_utime + used.ru_stime,
        "peak_mib": used.ru_maxrss / 1024,
    }
    print(json.dumps({**measured, **result}))


def measure(name: str, work: Path, source: Path) -> dict[str, Any]:
    """Run one of them in a process of its own."""
    print(f"… {name}", file=sys.stderr, flush=True)
    done = subprocess.run(
        [sys.executable, __file__, "--child", name, "--work", str(work), "--source", str(source)],
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    measured: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return measured


def bench(rows: int, model: Path | None, work: Path) -> dict[str, Any]:
    """Measure all and judge."""
    source = work / "rows.jsonl"
    make_rows(source, rows)
    size_mib = source.stat().st_size / 2**20
    ours = [measure("ingest", work, source), measure("curate", work, source)]
    rival = measure("datasets", work, source)
    shutil.rmtree(work / "datasets-cache")
    extra = [measure("format", work, model)] if model else []
    extra += [measure("datasets-format", work, model)] if model else []
    seconds = sum(item["seconds"] for item in ours)
    same = all(ours[1][name] == rival[name] for name in ("rows_eval", "rows_train"))
    return {
        "rows": rows,
        "mib": size_mib,
        "measured": [*ours, *extra, rival],
        "seconds": seconds,
        "rival_seconds": rival["seconds"],
        "ratio": rival["seconds"] / seconds,
        "cpu_ratio": rival["cpu_seconds"] / sum(item["cpu_seconds"] for item in ours),
        "peak_mib": max(item["peak_mib"] for item in [*ours, *extra[:1]]),
        "same_rows": same,
        "passed": same
        and seconds <= rival["seconds"]
        and (not extra or extra[0]["seconds"] <= extra[1]["seconds"])
        and all(item["peak_mib"] < LIMIT_MIB for item in [*ours, *extra[:1]]),
    }


def main() -> int:
    """Parse arguments, measure, print a table and JSON; 1 if a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--model", type=Path, help="a model folder, to measure `format` too")
    parser.add_argument("--work", type=Path, help="scratch folder (default: a temporary one)")
    parser.add_argument("--json", type=Path, help="write the figures there")
    parser.add_argument("--child", choices=CHILDREN, help=argparse.SUPPRESS)
    parser.add_argument("--source", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        child(arguments.child, arguments.work, arguments.source)
        return 0
    with tempfile.TemporaryDirectory(prefix="graftline-bench-", dir=arguments.work) as folder:
        figures = bench(arguments.rows, arguments.model, Path(folder))
    print(f"{figures['rows']:,} rows, {figures['mib']:,.0f} MiB of JSON Lines")
    print(f"{'':18}{'seconds':>9}{'CPU s':>8}{'rows/s':>12}{'peak MiB':>10}")
    for item in figures["measured"]:
        rate = figures["rows"] / item["seconds"]
        times = f"{item['seconds']:9.1f}{item['cpu_seconds']:8.1f}"
        print(f"{item['name']:18}{times}{rate:12,.0f}{item['peak_mib']:10.0f}")
    print(
        f"ingest + curate {figures['seconds']:.1f} s, datasets {figures['rival_seconds']:.1f} s:"
        f" {figures['ratio']:.2f} times as fast ({figures['cpu_ratio']:.2f} by CPU time);"
        f" same rows: {figures['same_rows']}"
    )
    text = json.dumps(figures, indent=2)
    print(text)
    if arguments.json:
        arguments.json.write_text(text + "\n")
    return 0 if figures["passed"] else 1


if __name__ == "__main__":
    sys.exit(main())
