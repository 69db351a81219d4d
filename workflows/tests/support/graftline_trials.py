"""`graftline` with the stages of this folder: `python graftline_trials.py run …`."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path

STAGES = Path(__file__).parent / "stages"
RECIPE = Path(__file__).parent / "trial.yaml"


def install() -> None:
    """Make the stages importable here and in steps, and put them into the catalog."""
    from graftline_workflows import catalog
    from graftline_workflows.catalog import Catalog

    if str(STAGES) not in sys.path:
        sys.path.insert(0, str(STAGES))
    paths = [str(STAGES), os.environ.get("PYTHONPATH", "")]
    os.environ["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)
    names = [path.name for path in sorted(STAGES.glob("graftline_*"))]
    assert names
    stages = [importlib.import_module(f"{name}.descriptor").STAGE for name in names]
    trials = Catalog({stage.name: stage.describe() for stage in stages})
    catalog.load_catalog = lambda: trials


if __name__ == "__main__":
    install()
    from graftline_workflows.cli.main import main

    main()
