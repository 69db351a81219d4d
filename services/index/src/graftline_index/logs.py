"""The log: one line a record, to stderr."""

from __future__ import annotations

import logging
import time


class OneLine(logging.Formatter):
    """`2026-01-31T12:00:00.000Z INFO text`; what has more lines, as a traceback, is joined."""

    def __init__(self) -> None:
        """Take the format above."""
        super().__init__(
            "%(asctime)s.%(msecs)03dZ %(levelname)s %(message)s", datefmt="%Y-%m-%dT%H:%M:%S"
        )
        self.converter = time.gmtime

    def format(self, record: logging.LogRecord) -> str:
        """Give the line."""
        lines = super().format(record).splitlines()
        return " | ".join(line.strip() for line in lines if line.strip())


def log_to_stderr() -> None:
    """Send all that is logged or warned about to stderr, from INFO on (libraries: WARNING)."""
    handler = logging.StreamHandler()
    handler.setFormatter(OneLine())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    for name in ("graftline", "graftline_index"):
        logging.getLogger(name).setLevel(logging.INFO)
    logging.captureWarnings(True)
