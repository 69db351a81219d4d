"""Writes a page and a bundle."""

from graftline.stage import Config, Port, Stage

STAGE = Stage(
    name="page",
    version="1",
    summary="Writes a page and a bundle.",
    inputs=(Port("metrics", ("metrics",)), Port("lines", ("documents",))),
    outputs=(Port("report", ("report",)), Port("bundle", ("bundle",))),
    config=Config,
    run="graftline_page.stage:run",
)
