"""What the report stage reads and makes."""

from __future__ import annotations

from graftline.stage import Port, Stage
from graftline_report.config import ReportConfig

ANY_KIND = (
    "examples",
    "training_set",
    "model",
    "adapter",
    "metrics",
    "bundle",
    "rejects",
    "documents",
    "chunks",
    "sessions",
    "preferences",
)

STAGE = Stage(
    name="report",
    version="1",
    summary="One self-contained HTML page: verdict, metrics, judgements, examples, data, cost.",
    inputs=(
        Port(
            "metrics",
            ("metrics",),
            optional=True,
            repeated=True,
            help="The evaluate steps' outputs, baseline and adapted.",
        ),
        Port("training", ("metrics",), optional=True, help="The train step's log."),
        Port(
            "data",
            ("training_set",),
            optional=True,
            files=("statistics.json",),
            help="The training set, of which the token statistics are read.",
        ),
        Port(
            "judgements",
            ("metrics",),
            optional=True,
            repeated=True,
            files=("*.json",),
            help="What judge steps said: scores of the data, or a preference between two models.",
        ),
        Port(
            "rejects",
            ("rejects",),
            optional=True,
            repeated=True,
            help="Rows that steps refused, of which reasons are counted and one example is shown.",
        ),
        Port(
            "chunks",
            ("chunks",),
            optional=True,
            help="The paragraphs of evaluation rows that do not hold theirs (meta.source_text).",
        ),
        Port(
            "steps",
            ANY_KIND,
            optional=True,
            repeated=True,
            manifest_only=True,
            help="Any other steps whose counts, cost and lineage are to be shown.",
        ),
    ),
    outputs=(Port("report", ("report",), help="index.html and report.json."),),
    config=ReportConfig,
    run="graftline_report.stage:run",
)
