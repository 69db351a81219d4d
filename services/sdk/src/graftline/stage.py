"""How a service declares its stage.

    STAGE = Stage(name="curate", version="1", summary="…", inputs=(…), outputs=(…),
                  config=CurateConfig, runtime=CurateRuntime, run="graftline_curate.stage:run")

    if __name__ == "__main__":
        main(STAGE)

`run` is named, not imported, so that `describe` and `--help` stay light.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from graftline import CONTRACT_VERSION
from graftline.canonical import canonical_json
from graftline.config import Config, Runtime
from graftline.errors import BugError
from graftline.ports import Port, Result, kind_value
from graftline.v1 import stage_pb2

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Config", "Port", "Result", "Runtime", "Stage"]


@dataclass(frozen=True)
class Stage:
    """A kind of work: what it reads, what it makes, what can be set, and the function that does it.

    Args:
        name: Its name in recipes.
        version: For people; the key holds the digest of its sources instead.
        summary: One line for `graftline stages`.
        inputs: Ports it reads; their order is the order in the key.
        outputs: Ports it makes.
        config: Settings that decide the output.
        run: `module:function` with the signature `run(ctx, config, inputs) -> Result`; of a stage
            with ranks, nothing where other ranks go on (see `graftline.context`).
        runtime: Settings that do not.
        ranks: Whether N workers may share a step.
        resources: Where it wants to run.
        conserves_rows: Whether `rows_in = rows_out + rejected` holds, for the runner to check.
    """

    name: str
    version: str
    summary: str
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    config: type[Config]
    run: str
    runtime: type[Runtime] = Runtime
    ranks: bool = False
    resources: Literal["cpu", "gpu"] = "cpu"
    conserves_rows: bool = False

    def describe(self) -> stage_pb2.StageDescriptor:
        """Give the descriptor that planners and renderers use."""
        resources = {
            "cpu": stage_pb2.RESOURCE_CLASS_CPU,
            "gpu": stage_pb2.RESOURCE_CLASS_GPU,
        }[self.resources]
        return stage_pb2.StageDescriptor(
            contract_version=CONTRACT_VERSION,
            name=self.name,
            version=self.version,
            summary=self.summary,
            inputs=[_port_message(port) for port in self.inputs],
            outputs=[_port_message(port) for port in self.outputs],
            config_schema=canonical_json(self.config.model_json_schema()),
            runtime_schema=canonical_json(self.runtime.model_json_schema()),
            ranks=self.ranks,
            resources=resources,
            conserves_rows=self.conserves_rows,
        )

    def load_run(self) -> Callable[..., Result | None]:
        """Import the module that does the work and give its function.

        Raises:
            BugError: `run` does not name a function.
        """
        module_name, _, function_name = self.run.partition(":")
        function: Any = getattr(importlib.import_module(module_name), function_name, None)
        if not callable(function):
            raise BugError(f"stage '{self.name}': {self.run} is not a function")
        return function  # type: ignore[no-any-return]


def _port_message(port: Port) -> stage_pb2.Port:
    return stage_pb2.Port(
        name=port.name,
        kinds=[kind_value(kind) for kind in port.kinds],
        optional=port.optional,
        repeated=port.repeated,
        help=port.help,
        manifest_only=port.manifest_only,
        files=port.files,
    )
