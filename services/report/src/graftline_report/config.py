"""The report stage's settings."""

from __future__ import annotations

from pydantic import Field

from graftline.config import Config
from graftline.domain.gate import Check


class ReportConfig(Config):
    """What the page shows."""

    title: str = Field("Adapter report", description="The page's heading.")
    description: str = Field("", description="A sentence under it.")
    split: str = Field("eval", description="The split that the verdict is about.")
    checks: list[Check] = Field(
        [],
        description="The checks that the verdict shows; the recipe gives its gate's. A gate judges"
        " by itself: changing this changes the page, never an exit code.",
    )
    examples: int = Field(6, ge=0, le=100, description="Rows to show of each kind: won, lost, …")
    max_characters: int = Field(
        1200, ge=100, description="Longer texts of examples are cut in the middle."
    )
