"""What the `evaluate` stage reads, makes and can be told."""

from graftline.stage import Port, Stage
from graftline_evaluate.config import EvaluateConfig, EvaluateRuntime

STAGE = Stage(
    name="evaluate",
    version="1",
    summary="Score a model's answers to held-out examples; with an adapter, against the baseline",
    inputs=(
        Port("model", ("model",), help="the base model"),
        Port("examples", ("examples",), help="examples with the splits to evaluate"),
        Port("adapter", ("adapter",), optional=True, help="without it, the base alone"),
        Port("baseline", ("metrics",), optional=True, help="the base's rows, to compare with"),
    ),
    outputs=(Port("metrics", ("metrics",), help="metrics.json and every row's answer"),),
    config=EvaluateConfig,
    runtime=EvaluateRuntime,
    run="graftline_evaluate.stage:run",
    resources="gpu",
)
