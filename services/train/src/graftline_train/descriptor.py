"""What the `train` stage reads, makes and can be told."""

from graftline.stage import Port, Stage
from graftline_train.config import TrainConfig, TrainRuntime

STAGE = Stage(
    name="train",
    version="1",
    summary="Train a LoRA or QLoRA adapter on a training set.",
    inputs=(
        Port("model", ("model",), help="The base model; its weights stay as they are."),
        Port(
            "training_set",
            ("training_set",),
            help="Token rows with loss masks; only rows of split 'train' are trained on.",
        ),
    ),
    outputs=(
        Port("adapter", ("adapter",), help="The adapter in PEFT's format."),
        Port("metrics", ("metrics",), help="log.jsonl: a line an optimiser step."),
    ),
    config=TrainConfig,
    runtime=TrainRuntime,
    run="graftline_train.stage:run",
    resources="gpu",
)
