"""The inputs that a stage under test is given: small, and the same every time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graftline import CONTRACT_VERSION
from graftline.canonical import sha256_text
from graftline.domain.examples import example, message
from graftline.domain.rows import EXAMPLES, RowWriter, count_rows
from graftline.errors import ConfigError
from graftline.ports import kind_name, kind_value
from graftline.store import describe_folder
from graftline.v1 import manifest_pb2, stage_pb2

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from graftline.store import Manifests

_ROWS = 40
_PRODUCTS = ("kettle", "lamp", "desk", "router")


def place_inputs(
    descriptor: stage_pb2.StageDescriptor,
    given: Mapping[str, Path],
    manifests: Manifests,
    work: Path,
) -> list[stage_pb2.RequestInput]:
    """Commit an artifact for every required input port, and for every one that was given.

    Args:
        descriptor: The stage's.
        given: Folders by port (`--input PORT=DIR`).
        manifests: Where they are committed.
        work: Where built-in ones are written.

    Raises:
        ConfigError: A required port's kind has no built-in fixture and none was given, or a
            port that was given does not exist.
    """
    known = {port.name for port in descriptor.inputs}
    for name in given:
        if name not in known:
            raise ConfigError(f"--input {name}: no such port", f"ports: {', '.join(sorted(known))}")
    placed = []
    for port in descriptor.inputs:
        kind = kind_name(port.kinds[0])
        folder = given.get(port.name)
        if folder is None and port.optional:
            continue
        if folder is None:
            if kind != "examples":
                raise ConfigError(
                    f"port '{port.name}' needs an artifact of kind '{kind}'",
                    f"give one: --input {port.name}=FOLDER",
                )
            folder = _examples(work / port.name)
        key = sha256_text(f"conformance:{port.name}:{folder}")
        _commit(manifests, key, port.name, kind, folder)
        placed.append(
            stage_pb2.RequestInput(
                port=port.name, step=f"fixture-{port.name}", key=key, output=port.name
            )
        )
    return placed


def _commit(manifests: Manifests, key: str, port: str, kind: str, folder: Path) -> None:
    rows = count_rows(folder) if any(folder.glob("*.parquet")) else None
    artifact = describe_folder(folder, kind_value(kind), rows)
    manifests.upload(key, artifact, folder)
    manifests.commit(
        manifest_pb2.Manifest(
            contract_version=CONTRACT_VERSION,
            key=key,
            step=f"fixture-{port}",
            stage="fixture",
            config="{}",
            outputs=[manifest_pb2.OutputRef(port=port, artifact=artifact)],
        )
    )


def _examples(folder: Path) -> Path:
    """Write forty short chats: thirty to train on, ten to evaluate, two of them equal."""
    folder.mkdir(parents=True, exist_ok=True)
    with RowWriter(folder, EXAMPLES) as writer:
        for number in range(_ROWS):
            product = _PRODUCTS[number % len(_PRODUCTS)]
            asked = number if number != _ROWS // 2 else 0
            writer.write(
                example(
                    messages=[
                        message("system", "Answer in one word."),
                        message("user", f"Order {asked}: which product is the {product}?"),
                        message("assistant", product),
                    ],
                    split="train" if number < _ROWS * 3 // 4 else "eval",
                    group=f"group-{number}",
                    task="conformance",
                )
            )
    return folder
