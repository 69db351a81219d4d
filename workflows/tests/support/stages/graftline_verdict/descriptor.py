"""Says how good something is."""

from pydantic import Field

from graftline.config import Config
from graftline.stage import Port, Stage


class VerdictConfig(Config):
    accuracy: float = Field(0.9, description="What comes out.")


STAGE = Stage(
    name="verdict",
    version="1",
    summary="Says how good something is.",
    inputs=(
        Port("lines", ("documents",)),
        Port("baseline", ("metrics",), optional=True),
    ),
    outputs=(Port("metrics", ("metrics",)),),
    config=VerdictConfig,
    resources="gpu",
    run="graftline_verdict.stage:run",
)
