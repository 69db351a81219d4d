"""Print the entries that all given locks share, hashes included.

pick.py [--only NAME,NAME] [--without NAME,NAME] LOCK...

The locks come from one resolution, so a package common to several has the same entry in each.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

_NAME = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)==")


def entries(lock: str) -> dict[str, str]:
    """Split a lock into its entries: (the line with the version) -> (that line and its hashes)."""
    found: dict[str, list[str]] = {}
    for line in lock.splitlines():
        if _NAME.match(line):
            current = found.setdefault(line, [])
        if line.strip() and not line.lstrip().startswith("#"):
            current.append(line)
    return {head: "\n".join(lines) for head, lines in found.items()}


def pick(locks: list[str], only: set[str] | None = None, without: set[str] = frozenset()) -> str:
    """Give the lock of what all `locks` share, cut down to `only` and freed of `without`.

    Raises:
        ValueError: A name of `only` is in no shared entry.
    """
    first, *others = [entries(lock) for lock in locks]
    shared = {
        head: entry
        for head, entry in first.items()
        if all(other.get(head) == entry for other in others)
    }
    names = {head: _NAME.match(head).group(1) for head in shared}
    missing = (only or set()) - set(names.values())
    if missing:
        raise ValueError(f"not in the lock: {', '.join(sorted(missing))}")
    return "".join(
        entry + "\n"
        for head, entry in shared.items()
        if names[head] not in without and (only is None or names[head] in only)
    )


def _names(text: str) -> set[str]:
    return set(text.split(","))


def main() -> None:
    """Serve the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", type=_names)
    parser.add_argument("--without", type=_names, default=set())
    parser.add_argument("locks", nargs="+", type=Path)
    options = parser.parse_args()
    try:
        text = pick([path.read_text() for path in options.locks], options.only, options.without)
    except ValueError as error:
        parser.error(str(error))
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
