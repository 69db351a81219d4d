"""A leaf of an InstructLab taxonomy: one YAML file with examples of a skill, or of knowledge.

    knowledge: seed_examples: [{context, questions_and_answers: [{question, answer}…]}…]
    skill:     seed_examples: [{question, answer, context?}…]

Every scalar is read as the text that stands there (an answer `yes` stays `yes`). The pairs are
given one by one, with what stands above them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from graftline.errors import DataError
from graftline_ingest.plain_yaml import UnusableYaml, parse_plain_yaml
from graftline_ingest.reading.records import Malformed, Numbered

if TYPE_CHECKING:
    from collections.abc import Iterator

_SHARED = ("domain", "task_description")


def read_taxonomy_leaf(blocks: Iterator[bytes], name: str, *, max_bytes: int) -> Iterator[Numbered]:
    """Give the pairs of a leaf, from 1; of a file that is none, what is wrong with it.

    Args:
        blocks: The file's bytes, as UTF-8.
        name: The file's name; the pairs get it as `source_file`.
        max_bytes: Largest file.

    Raises:
        DataError: It is larger.
    """
    data = bytearray()
    for block in blocks:
        data += block
        if len(data) > max_bytes:
            raise DataError(
                f"{name}: a YAML file of more than {max_bytes >> 20} MiB",
                "raise `max_document_mb` if it is right",
            )
    try:
        leaf = parse_plain_yaml(data.decode())
        seeds = leaf.get("seed_examples") if isinstance(leaf, dict) else None
        if not isinstance(seeds, list):
            raise UnusableYaml("no list 'seed_examples' at its top")
    except UnicodeDecodeError as error:
        yield 1, Malformed.of("wrong-encoding", f"byte {error.start} is not UTF-8", bytes(data))
        return
    except UnusableYaml as error:
        yield 1, Malformed.of("malformed-yaml", str(error), bytes(data))
        return
    shared = {key: leaf[key] for key in _SHARED if isinstance(leaf.get(key), str)}
    pairs = (pair for seed in seeds for pair in _pairs(seed))
    for number, pair in enumerate(pairs, 1):
        yield number, {**shared, **pair, "source_file": name} if isinstance(pair, dict) else pair


def _pairs(seed: Any) -> Iterator[Any]:
    """Give a seed example's pairs, each with the context that they share."""
    inner = seed.get("questions_and_answers") if isinstance(seed, dict) else None
    if not isinstance(inner, list):
        yield seed
        return
    for pair in inner:
        yield {"context": seed.get("context"), **pair} if isinstance(pair, dict) else pair
