"""Artifacts of a question-answering run, as the stages before the report write them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa

from graftline.domain.documents import CHUNKS
from graftline.domain.rows import REJECTS, SPAN, RowWriter
from graftline.ports import Input, Port
from graftline.testkit.local import input_artifact
from graftline.v1 import manifest_pb2

VERDICTS = {"PASS": 40, "NEEDS_REVIEW": 9, "FAIL": 8, "UNJUDGED": 3}
ROWS = pa.schema(
    [
        (name, pa.string())
        for name in ("id", "split", "variant", "prompt", "gold", "output", "failure", "reason")
    ]
    + [("exact_match", pa.bool_()), ("token_f1", pa.float64())]
    + [("parents", pa.list_(pa.string())), ("source", SPAN), ("meta", pa.string())]
)


def artifact(
    kind: str,
    folder: Path,
    step: str,
    stage: str,
    config: dict[str, Any] | None = None,
    **more: Any,
) -> Input:
    """An input of a step; what is not given its manifest does not know."""
    manifest = manifest_pb2.Manifest(
        key=f"{step}-key".ljust(64, "0"),
        step=step,
        stage=stage,
        config=json.dumps(config or {}),
        **more,
    )
    return input_artifact(Port(kind, (kind,)), folder, manifest=manifest)


def folder_of(parent: Path, name: str, **files: Any) -> Path:
    folder = parent / name
    folder.mkdir()
    for file, value in files.items():
        (folder / f"{file}.json").write_text(json.dumps(value))
    return folder


def calibration(worth: str | None, auc: float = 0.52, spread: float = 0.1) -> dict[str, Any]:
    interval = {"low": round(auc - spread, 4), "high": round(auc + spread, 4)}
    text = f"This judge is {worth} (AUC {auc:.2f})."
    found = {"rows": 64, "judged_pairs": 60, "unjudged": 4, "mean_true": 7.0, "mean_shuffled": 6.9}
    return {**found, "auc": auc, "interval": interval, "worth": worth, "text": text}


def summary(**more: Any) -> dict[str, Any]:
    bands = [0, 1, 0, 2, 3, 2, 5, 14, 20, 10]
    checks = ("grounding", "answerable", "language", "length", "duplicate")
    return {
        "rows": 60,
        "judged": 57,
        "verdicts": VERDICTS,
        "unjudged": {"truncated": 2, "not-json": 1},
        "mean": {"overall": 7.8},
        "bands": [{"from": n, "to": n + 1, "rows": rows} for n, rows in enumerate(bands)],
        "issues": {"low": 11, "medium": 5, "high": 2},
        "rows_with_issues": 12,
        "validators": {name: {"passed": 55, "failed": 4, "unknown": 1} for name in checks},
        "recommendations": ["rows that FAIL: 8; leave them out with a <threshold>"],
        **more,
    }


def scored(parent: Path, model: str = "small-judge", **more: Any) -> Input:
    folder = folder_of(parent, "judge", summary=summary(**more), judge={"model": model})
    cost = manifest_pb2.Cost(input_tokens=52_000, output_tokens=9_100, usd=0.0042)
    figures = {"llm_requests": 120.0, "llm_cached": 4.0, "llm_failures": 3.0}
    return artifact("metrics", folder, "judge", "judge", cost=cost, figures=figures)


def preferred(parent: Path, model: str = "small-judge", win_rate: float | None = 0.62) -> Input:
    interval = None if win_rate is None else {"low": win_rate - 0.1, "high": win_rate + 0.1}
    found = {
        **{"rows": 50, "adapted": 22, "baseline": 12, "ties": 9, "inconsistent": 5, "unjudged": 2},
        "identical": 4,
        **{"win_rate": win_rate, "interval": interval, "position_bias": 0.56},
        "text": "Neither model's answers are clearly preferred.",
    }
    folder = folder_of(parent, "preference", preference=found, judge={"model": model})
    return artifact("metrics", folder, "preference", "judge")


def rejects(parent: Path, step: str, **reasons: int) -> Input:
    folder = folder_of(parent, f"{step}-rejects")
    with RowWriter(folder, REJECTS) as writer:
        for reason, rows in reasons.items():
            for number in range(rows):
                detail = f"guide/a.md [{number}, 9): it says <{reason}>\nand more"
                row = {"reason": reason.replace("_", "-"), "detail": detail, "row": "{}"}
                writer.write({"id": f"{reason}{number}", "split": None, **row})
    counted = [
        manifest_pb2.RejectCount(reason=reason.replace("_", "-"), rows=rows)
        for reason, rows in reasons.items()
    ]
    return artifact("rejects", folder, step, step, rejected=counted)


def chunks(parent: Path, **texts: str) -> Input:
    folder = folder_of(parent, "chunks")
    with RowWriter(folder, CHUNKS) as writer:
        for name, text in texts.items():
            rest = {"group": "d", "split": "eval", "headings": [], "media_type": "", "meta": "{}"}
            span = {"document": "d", "start": 40, "end": 40 + len(text)}
            found = {
                "id": name,
                "text": text,
                "path": f"{name}.md",
                "source": span,
                "parents": ["d"],
            }
            writer.write({**rest, **found, "index": 0, "count": 1, "tokens": None})
    return artifact("chunks", folder, "chunk", "chunk")


def figure(value: float, spread: float, **more: Any) -> dict[str, Any]:
    return {"value": value, "low": value - spread, "high": value + spread, "n": 9, **more}


def compared(baseline: float, adapted: float, spread: float, **more: Any) -> dict[str, Any]:
    difference = adapted - baseline
    bounds = {"low": difference - spread, "high": difference + spread}
    found = {"baseline": baseline, "adapted": adapted, "baseline_variant": "plain"}
    return {**found, "difference": difference, **bounds, "p_value": 0.01, **more}


LOWER = {"lower_is_better": True}


def evaluation(
    parent: Path,
    role: str,
    overlaps: list[float],
    forgetting: float = 14.0,
    holds_paragraph: bool = True,
) -> Input:
    """An evaluation of free text: row N has the Nth overlap; below 0.3 it is a failure."""
    base = role == "baseline"
    figures = {
        "token_f1": figure(0.2 if base else 0.6, 0.05),
        "rouge_l": figure(0.15 if base else 0.5, 0.05),
        "exact_match": figure(0.05 if base else 0.1, 0.05),
        "perplexity": figure(31.5 if base else 7.25, 1.0, **LOWER),
    }
    probe = {"forgetting_perplexity": figure(14.0 if base else forgetting, 0.2, **LOWER)}
    found: dict[str, Any] = {
        "role": role,
        "scorer": {"kind": "qa", "digest": "d"},
        "variants": {"plain": {"eval": figures, "forgetting": probe}},
    }
    if base:
        found["variants"]["few_shot"] = {"eval": figures}
    else:
        found["comparison"] = {
            "eval": {
                "token_f1": compared(0.2, 0.6, 0.1),
                "rouge_l": compared(0.15, 0.5, 0.1),
                "exact_match": compared(0.05, 0.1, 0.1),
                "perplexity": compared(31.5, 7.25, 2.0, **LOWER),
            },
            "forgetting": {
                "forgetting_perplexity": compared(14.0, forgetting, 0.3, **LOWER),
            },
        }
    folder = folder_of(parent, role, metrics=found)
    meta = {"source_file": "guide/timeouts.md", "source_text": "The time-out is <five> seconds."}
    with RowWriter(folder, ROWS) as writer:
        for number, overlap in enumerate(overlaps):
            low = overlap < 0.3
            writer.write(
                {
                    "id": f"row{number}",
                    "split": "eval",
                    "variant": "plain",
                    "prompt": f"How long is time-out {number}?",
                    "gold": f"It is {number} seconds.",
                    "output": f"{role} says {number}",
                    "failure": "low-overlap" if low else "",
                    "reason": f"token F1 {overlap:.2f}, below 0.3" if low else "",
                    "exact_match": False,
                    "token_f1": overlap,
                    "parents": [f"chunk{number}"],
                    "source": {"document": "d", "start": 120, "end": 151},
                    "meta": json.dumps(meta if holds_paragraph else {}),
                }
            )
    return artifact("metrics", folder, role, "evaluate")
