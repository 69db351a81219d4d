"""Units of work that a restart does not repeat: each a small JSON file in a checkpoint."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from graftline.canonical import canonical_json

if TYPE_CHECKING:
    from graftline.context import Context
    from graftline_evaluate.config import EvaluateRuntime

_FILE = "unit.json"


def keep(ctx: Context[EvaluateRuntime], name: str, asked: str, found: Any) -> None:
    """Keep a unit's outcome.

    Args:
        ctx: Of the stage.
        name: The unit's.
        asked: Digest of all that the outcome depends on.
        found: The outcome, as JSON.
    """
    folder = ctx.scratch(f"keep-{name}")
    text = canonical_json({"asked": asked, "found": found})
    (folder / _FILE).write_text(text, encoding="utf-8")
    ctx.checkpoint(name, folder)


def restore(ctx: Context[EvaluateRuntime], name: str, asked: str) -> Any | None:
    """Give a unit's outcome, if it was kept and answers what is asked now."""
    folder = ctx.scratch(f"restore-{name}")
    if not ctx.restore(name, folder):
        return None
    content = json.loads((folder / _FILE).read_text(encoding="utf-8"))
    if content["asked"] != asked:
        ctx.log(f"checkpoint {name} answers other prompts; it is made again", "warning")
        return None
    return content["found"]
