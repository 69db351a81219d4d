"""Sets on the Hugging Face Hub, streamed by its own library; their scripts are never run."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from graftline.errors import ConfigError, DataError, TransientError
from graftline_ingest.reading.records import Feed
from graftline_ingest.reading.tables import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from graftline_ingest.reading.records import Numbered

_ADDRESS = re.compile(r"^hf://(?:datasets/)?([\w.-]+(?:/[\w.-]+)?)(?:@([\w./-]+))?$")


@dataclass(frozen=True)
class HubSet:
    """A dataset on the Hub.

    Args:
        name: `org/name`.
        revision: Commit, tag or branch; nothing for the main branch.
    """

    name: str
    revision: str | None

    @classmethod
    def parse(cls, uri: str) -> HubSet:
        """Read `hf://datasets/org/name@revision`.

        Raises:
            ConfigError: It is written otherwise.
        """
        match = _ADDRESS.match(uri)
        if not match:
            raise ConfigError(
                f"source '{uri}' is no Hub address", "write hf://datasets/org/name@revision"
            )
        return cls(match.group(1), match.group(2))


def hub_feeds(
    wanted: HubSet,
    hub_config: str,
    load: Callable[..., Any] | None = None,
) -> list[Feed]:
    """Open a Hub set, one feed a split, in the order of their names.

    Args:
        wanted: Which set.
        hub_config: Which of its configurations; empty for the only one.
        load: Instead of `datasets.load_dataset`.

    Raises:
        ConfigError: It has several configurations, or none of that name.
        DataError: It cannot be read without running its script, or is not there.
        TransientError: The Hub does not answer.
    """
    loaded = _load(wanted, hub_config, load)
    splits: dict[str, Iterable[dict[str, Any]]] = dict(loaded)
    return [
        Feed(
            name=f"{wanted.name}:{split}",
            in_folder=True,
            split=split,
            unit="row",
            text_cells=False,
            records=partial(_numbered, splits[split], wanted.name),
        )
        for split in sorted(splits)
    ]


def _numbered(rows: Iterable[dict[str, Any]], name: str) -> Iterator[Numbered]:
    try:
        for number, row in enumerate(rows, 1):
            yield number, plain(row)
    except OSError as error:
        raise TransientError(
            f"hf://datasets/{name}: the Hub stopped answering: {_first_line(error)}"
        ) from error


def _load(wanted: HubSet, hub_config: str, load: Callable[..., Any] | None) -> Any:
    if load is None:
        import datasets

        datasets.disable_progress_bars()
        load = datasets.load_dataset
    try:
        return load(wanted.name, hub_config or None, revision=wanted.revision, streaming=True)
    except RuntimeError as error:
        raise DataError(
            f"hf://datasets/{wanted.name}: needs its own script, which Graftline does not run:"
            f" {_first_line(error)}",
            "use a revision with Parquet files (refs/convert/parquet)",
        ) from error
    except ValueError as error:
        raise ConfigError(f"hf://datasets/{wanted.name}: {_first_line(error)}") from error
    except FileNotFoundError as error:
        raise DataError(f"hf://datasets/{wanted.name}: {_first_line(error)}") from error
    except OSError as error:
        raise TransientError(
            f"hf://datasets/{wanted.name}: the Hub does not answer: {_first_line(error)}"
        ) from error


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
