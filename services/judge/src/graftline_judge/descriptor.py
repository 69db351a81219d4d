"""What `judge` reads, makes and can be set to."""

from __future__ import annotations

from graftline.stage import Port, Stage
from graftline_judge.config import JudgeConfig, JudgeRuntime

STAGE = Stage(
    name="judge",
    version="1",
    summary="scores examples against their sources, with a language model and validators",
    inputs=(
        Port("examples", ("examples",), repeated=True, help="questions and answers to be scored"),
        Port(
            "chunks",
            ("chunks",),
            optional=True,
            help="the sources of rows that do not hold theirs (meta.source_text)",
        ),
    ),
    outputs=(
        Port("examples", ("examples",), help="the same rows in the same order, meta.judgement set"),
        Port("metrics", ("metrics",), help="summary.json: the scores' distribution; judge.json"),
    ),
    config=JudgeConfig,
    runtime=JudgeRuntime,
    run="graftline_judge.stage:run",
    ranks=True,
    conserves_rows=True,
)
