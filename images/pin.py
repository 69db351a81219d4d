"""Turn the lines that `build.sh push` writes into values of the chart.

pin.py DIGESTS...                   print them as a values file
pin.py --into VALUES DIGESTS...     write them into the chart's own values.yaml, comments kept
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path

_REFERENCE = re.compile(r"(?P<registry>\S+)/graftline-(?P<name>[^\s/@]+)@(?P<digest>sha256:\w{64})")


def read(lines: list[str]) -> tuple[str, dict[str, str]]:
    """Give the registry and the digest of each name.

    Raises:
        ValueError: A line is not `name registry/graftline-name@digest`, or registries differ.
    """
    registries, digests = set(), {}
    for line in lines:
        name, _, reference = line.partition(" ")
        found = _REFERENCE.fullmatch(reference)
        if found is None or found["name"] != name:
            raise ValueError(f"not a line of `build.sh push`: {line}")
        registries.add(found["registry"])
        digests[name] = found["digest"]
    if len(registries) != 1:
        raise ValueError(f"one registry is wanted, not {sorted(registries)}")
    return registries.pop(), dict(sorted(digests.items()))


def pinned(values: str, registry: str, digests: dict[str, str]) -> str:
    """Put registry and digests into the text of the chart's values.

    Raises:
        ValueError: The text has not exactly one place for each.
    """
    for old, new in (
        (r"^  registry: localhost$", f"  registry: {registry}"),
        (r"^  digests: \{\}$", f"  digests: {json.dumps(digests)}"),
    ):
        values, count = re.subn(old, new, values, flags=re.MULTILINE)
        if count != 1:
            raise ValueError(f"{count} lines of the values match {old}, not one")
    return values


def main() -> None:
    """Serve the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--into", type=Path, metavar="VALUES")
    parser.add_argument("digests", nargs="+", type=Path)
    options = parser.parse_args()
    try:
        lines = [line for path in options.digests for line in path.read_text().splitlines()]
        registry, digests = read(lines)
        if options.into:
            options.into.write_text(pinned(options.into.read_text(), registry, digests))
            return
    except ValueError as error:
        parser.error(str(error))
    document = {"images": {"registry": registry, "digests": digests}}
    sys.stdout.write(json.dumps(document, indent=2) + "\n")


if __name__ == "__main__":
    main()
