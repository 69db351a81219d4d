"""How a step's manifest looks on a terminal, and what was thrown away."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from graftline_workflows.cli.console import SHORT_KEY, counted, line
from graftline_workflows.engine.meter import duration, quantity

if TYPE_CHECKING:
    from rich.console import Console

    from graftline.v1.manifest_pb2 import Manifest
    from graftline_workflows.cleaning import Cleaning


def print_manifest(console: Console, manifest: Manifest) -> None:
    """Show a manifest: what made it, from what, what came out, what it cost."""
    table = Table.grid(padding=(0, 2))
    for name, value in _manifest_lines(manifest):
        table.add_row(f"[dim]{name}[/]", escape(value))
    console.print(table)


def _manifest_lines(manifest: Manifest) -> list[tuple[str, str]]:
    code = manifest.image or f"build {manifest.identity[:SHORT_KEY]}"
    lines = [
        ("step", f"{manifest.step} ({manifest.stage} {manifest.stage_version}, {code})"),
        ("key", manifest.key),
        ("made", f"{manifest.finished_at.ToJsonString()} in run {manifest.run}"),
    ]
    if manifest.base_model:
        lines.append(("base model", manifest.base_model))
    for item in manifest.inputs:
        lines.append(("from", f"{item.port}: {item.step}.{item.output} {item.key[:SHORT_KEY]}"))
    for source in manifest.sources:
        lines.append(("source", f"{source.setting}: {source.uri} {source.fingerprint[:19]}"))
    for output in manifest.outputs:
        artifact = output.artifact
        size = sum(blob.size for blob in artifact.blobs)
        rows = f", {artifact.rows:,} rows" if artifact.HasField("rows") else ""
        lines.append(
            ("output", f"{output.port}: {len(artifact.blobs)} files, {size:,} bytes{rows}")
        )
        lines.extend(("", f"  {blob.path}  {blob.size:,}") for blob in artifact.blobs[:20])
    if manifest.HasField("rows_in"):
        lines.append(("rows", f"{manifest.rows_in:,} in, {manifest.rows_out:,} out"))
    lines.extend(("rejected", f"{item.rows:,} {item.reason}") for item in manifest.rejected)
    lines.append(("cost", _cost(manifest)))
    lines.extend((name, quantity(value)) for name, value in sorted(manifest.figures.items()))
    lines.append(("seed", str(manifest.seed)))
    config = json.dumps(json.loads(manifest.config or "{}"), indent=2, ensure_ascii=False)
    lines.append(("config", config))
    return lines


def _cost(manifest: Manifest) -> str:
    cost = manifest.cost
    parts = []
    if cost.HasField("wall_seconds"):
        parts.append(duration(cost.wall_seconds))
    if cost.HasField("cpu_seconds"):
        parts.append(f"{duration(cost.cpu_seconds)} of CPU")
    if cost.HasField("gpu_seconds"):
        parts.append(f"{duration(cost.gpu_seconds)} of GPU")
    if cost.HasField("peak_memory_bytes"):
        parts.append(f"{cost.peak_memory_bytes / (1 << 20):,.0f} MiB at most")
    if cost.HasField("usd"):
        parts.append(f"{cost.usd:.4f} USD")
    return ", ".join(parts) or "unknown"


def print_cleaning(console: Console, cleaning: Cleaning) -> None:
    """Say what would go, or went."""
    gone = [
        counted(len(cleaning.removed_runs), "run"),
        counted(len(cleaning.removed_keys), "step"),
    ]
    if cleaning.removed_sources:
        gone.append(counted(len(cleaning.removed_sources), "sent source"))
    if cleaning.removed_answers:
        gone.append(counted(cleaning.removed_answers, "answer"))
    what = ", ".join([*gone, f"{cleaning.bytes:,} bytes"])
    runs = counted(len(cleaning.kept_runs), "run")
    kept = f"kept: {runs}, {counted(len(cleaning.kept_keys), 'step')}"
    if cleaning.dry_run:
        line(console, f"would go: {what} ({kept})")
        if cleaning.removed_runs or cleaning.removed_keys or cleaning.bytes:
            line(console, "to let it go: the same command with --yes")
    else:
        line(console, f"gone: {what} ({kept})")
