"""Where curves go besides the log: TensorBoard, Weights & Biases, MLflow; all of them optional."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Protocol

from graftline.errors import ConfigError

if TYPE_CHECKING:
    from graftline.context import Context
    from graftline_train.config import TrainConfig, TrainRuntime


class Tracker(Protocol):
    """Takes points of curves."""

    def point(self, values: dict[str, float], step: int) -> None:
        """Take the values of one optimiser step."""

    def close(self) -> None:
        """Write what is pending."""


def open_trackers(ctx: Context[TrainRuntime], config: TrainConfig) -> list[Tracker]:
    """Open what the runtime settings name.

    Raises:
        ConfigError: One of them is not installed.
    """
    runtime = ctx.runtime
    name = f"{ctx.step}-{ctx.key[:12]}"
    trackers: list[Tracker] = []
    if runtime.tensorboard_dir:
        trackers.append(_TensorBoard(f"{runtime.tensorboard_dir}/{name}"))
    for service in runtime.report_to:
        settings = config.model_dump(mode="json")
        trackers.append(_WandB(name, settings) if service == "wandb" else _MLflow(name, settings))
    return trackers


class _TensorBoard:
    def __init__(self, folder: str) -> None:
        writer = _module("torch.utils.tensorboard", "tensorboard_dir", "tensorboard")
        self._writer: Any = writer.SummaryWriter(folder)

    def point(self, values: dict[str, float], step: int) -> None:
        for name, value in values.items():
            self._writer.add_scalar(f"train/{name}", value, step)

    def close(self) -> None:
        self._writer.close()


class _WandB:
    def __init__(self, name: str, config: dict[str, Any]) -> None:
        wandb = _module("wandb", "report_to", "wandb")
        # The same name after a stop continues the same run.
        self._run: Any = wandb.init(id=name, name=name, config=config, resume="allow")

    def point(self, values: dict[str, float], step: int) -> None:
        self._run.log({f"train/{name}": value for name, value in values.items()}, step=step)

    def close(self) -> None:
        self._run.finish()


class _MLflow:
    def __init__(self, name: str, config: dict[str, Any]) -> None:
        self._mlflow: Any = _module("mlflow", "report_to", "mlflow")
        self._mlflow.start_run(run_name=name)
        self._mlflow.log_params(config)

    def point(self, values: dict[str, float], step: int) -> None:
        self._mlflow.log_metrics(values, step=step)

    def close(self) -> None:
        self._mlflow.end_run()


def _module(name: str, setting: str, extra: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ConfigError(
            f"runtime.{setting}: {extra} is not installed",
            f"install graftline-train[{extra}], or leave it out",
        ) from error
