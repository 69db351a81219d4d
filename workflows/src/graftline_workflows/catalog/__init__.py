"""All stages' descriptors, generated from their `describe` and committed beside this file.

    catalog/<stage>.json    the descriptor as protobuf JSON, its two schemas written out as objects

With it, planner, renderer and CLI check a recipe without importing a service.
"""

from graftline_workflows.catalog.model import Catalog, load_catalog

__all__ = ["Catalog", "load_catalog"]
