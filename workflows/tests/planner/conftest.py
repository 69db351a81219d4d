from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))


from pods_fixture import pods  # noqa: E402, F401 - a fixture
from trials_fixture import trials  # noqa: E402, F401 - a fixture
