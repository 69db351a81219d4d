"""A step's key: the digest of all that determines its output, known before anything runs.

Counted: the contract's version, the stage, its identity (`graftline.identity`, or the image that a
user put in its place), the canonical config without the settings that name sources, the seed, what
it reads (port, key, output) and what its sources hold. Not counted: runtime settings, the step's
name, where a source lies, the gate.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from graftline import CONTRACT_VERSION
from graftline.canonical import digest_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True)
class KeyInput:
    """One artifact that a step reads, as its key counts it.

    Args:
        port: The reading step's port.
        key: The key of the step that makes it.
        output: That step's output port.
    """

    port: str
    key: str
    output: str


def step_key(
    *,
    stage: str,
    identity: str,
    config: Mapping[str, Any],
    seed: int,
    inputs: Sequence[KeyInput] = (),
    sources: Mapping[str, str] | None = None,
    contract_version: str = CONTRACT_VERSION,
) -> str:
    """Digest what determines a step's output: 64 hexadecimal characters.

    Args:
        stage: The stage's name.
        identity: Its build id, or the image or program in its place.
        config: Its config with defaults filled in; settings named in `sources` are left out, since
            what they name counts and not where it lies.
        seed: The step's seed.
        inputs: In the order of the stage's ports, and within a repeated port in the recipe's.
        sources: Fingerprint by the config setting that names the source.
        contract_version: Changed only when old artifacts must not be used any more.
    """
    sources = dict(sources or {})
    return digest_of(
        {
            "contract": contract_version,
            "stage": stage,
            "identity": identity,
            "config": {name: value for name, value in config.items() if name not in sources},
            "seed": seed,
            "inputs": [[item.port, item.key, item.output] for item in inputs],
            "sources": sources,
        }
    )
