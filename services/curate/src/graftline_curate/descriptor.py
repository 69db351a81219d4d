"""The declaration of the `curate` stage."""

from __future__ import annotations

from graftline.stage import Port, Stage
from graftline_curate.config import CurateConfig

STAGE = Stage(
    name="curate",
    version="1",
    summary="Normalise, filter, validate, deduplicate, decontaminate and sample examples",
    inputs=(Port("examples", ("examples",), repeated=True, help="Examples of any stages"),),
    outputs=(
        Port("examples", ("examples",), help="What is left, in the order of the inputs"),
        Port("rejects", ("rejects",), help="Rows that an operation dropped, with the reason"),
    ),
    config=CurateConfig,
    run="graftline_curate.stage:run",
    conserves_rows=True,
)
