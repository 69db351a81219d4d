"""What `judge` reads, makes and can be set to."""

from __future__ import annotations

from graftline.stage import Port, Stage
from graftline_judge.config import JudgeConfig, JudgeRuntime

STAGE = Stage(
    name="judge",
    version="1",
    summary="scores examples against their sources, or compares two models' answers",
    inputs=(
        Port(
            "examples",
            ("examples",),
            optional=True,
            repeated=True,
            help="questions and answers to be scored (kind `scores`)",
        ),
        Port(
            "chunks",
            ("chunks",),
            optional=True,
            help="the sources of rows that do not hold theirs (meta.source_text)",
        ),
        Port(
            "answers",
            ("metrics",),
            optional=True,
            repeated=True,
            help="two evaluations of the same rows, the baseline's first (kind `preference`)",
            files=("metrics.json", "rows.parquet"),
        ),
    ),
    outputs=(
        Port(
            "examples",
            ("examples",),
            optional=True,
            help="the same rows in the same order, meta.judgement set (kind `scores`)",
        ),
        Port(
            "metrics",
            ("metrics",),
            help="summary.json: the scores' distribution, or preference.json; judge.json",
        ),
    ),
    config=JudgeConfig,
    runtime=JudgeRuntime,
    run="graftline_judge.stage:run",
    ranks=True,
    conserves_rows=True,
)
