"""The whole of docs-qa on one machine, without a real model to ask: its requests are counted."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from graftline.testkit.llm import Act, FunctionModel

sys.path.insert(0, str(Path(__file__).parents[1]))

from handbook import handbook  # noqa: E402 - found by the line above

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

DOCUMENTS = 30
SCORES = ("factual_accuracy", "completeness", "consistency")


def kind(prompt: str) -> str:
    """Which step asks."""
    if "factual_accuracy" in prompt:
        return "judge"
    return "preference" if "Answer A" in prompt else "generate"


def says(prompt: str) -> Act:
    """A model that reads; its judge gives each thing a score of its own, from 3 to 9."""
    if kind(prompt) == "preference":
        return Act(json.dumps({"better": "A"}))
    found = re.search(r"The ([a-z]+) is ([a-z]+)\.", prompt)
    assert found is not None, prompt
    thing, colour = found.groups()
    if kind(prompt) == "generate":
        pair = {"question": f"Which colour has the {thing}?", "answer": f"The {thing} is {colour}."}
        return Act(json.dumps({"pairs": [pair]}))
    scores = dict.fromkeys(SCORES, 3 + len(thing) % 7)
    return Act(json.dumps({"issues": [], **scores, "recommendation": "Keep it."}))


class Recipe:
    """The recipe on a folder of documents, asking a counting model."""

    def __init__(self, folder: Path) -> None:
        self.model = FunctionModel(says)
        self._folder = folder
        handbook(folder / "handbook", DOCUMENTS)
        (folder / "handbook" / "empty.txt").touch()

    def run(self, threshold: float) -> dict[str, Any]:
        """Run it, and give what `--json` prints."""
        endpoints = json.dumps([{"url": self.model.server.url, "max_concurrency": 8}])
        words = ("docs-qa", "--profile", "tiny", "--set", f"source={self._folder / 'handbook'}")
        settings = (f"llm.endpoints={endpoints}", f"format.threshold={threshold}")
        done = subprocess.run(
            [
                *(sys.executable, "-m", "graftline_workflows.cli.main", "run", *words),
                *(word for setting in settings for word in ("--set", setting)),
                *("--json", "--home", str(self._folder / "home")),
            ],
            env={name: value for name, value in os.environ.items() if "GRAFTLINE" not in name},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return dict(json.loads(done.stdout))

    def asked(self) -> Counter[str]:
        """How many requests each step has sent since this was called last."""
        counted = Counter[str]()
        for prompt, times in self.model.asked.items():
            counted[kind(prompt)] += times
        self.model.asked.clear()
        return counted


def test_a_mixed_folder_to_its_report_and_another_threshold_asks_nothing_of_what_is_there(
    tmp_path: Path,
) -> None:
    recipe = Recipe(tmp_path)
    with recipe.model.server:
        first = recipe.run(7)
        asked = recipe.asked()
        assert first["state"] == "succeeded"
        assert {"ingest", "chunk", "generate", "curate", "judge", "export"} <= set(first["built"])
        # Every document has one chunk, and one pair of it; a few are judged twice.
        assert asked["generate"] == DOCUMENTS
        assert asked["judge"] >= DOCUMENTS
        second = recipe.run(6)
        asked = recipe.asked()
    # The new adapter's answers are compared anew; nothing else is asked.
    rebuilt = {"format", "adapter", "adapted", "preference", "export", "report"}
    assert set(second["built"]) == rebuilt
    assert set(asked) <= {"preference"}
