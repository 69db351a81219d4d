"""A stage's descriptor names these settings: importing them, and the client, must cost nothing."""

from __future__ import annotations

import subprocess
import sys

HEAVY = ["openai", "anthropic", "google.genai", "httpx2", "aiohttp", "json_repair", "jsonschema"]


def test_nothing_heavy_is_imported_before_an_endpoint_is_opened():
    code = (
        "import sys, graftline.llm.config, graftline.llm.asking;"
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
