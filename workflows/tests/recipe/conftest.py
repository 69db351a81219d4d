from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from graftline_toys import resolve  # noqa: E402, F401 - a fixture
