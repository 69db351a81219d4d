from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from graftline_generate.config import SupportTickets
from graftline_generate.tickets.sampling import ticket_examples
from graftline_generate.tickets.voices import VOICES

REPOSITORY = Path(__file__).parents[3]


@pytest.fixture(scope="session")
def seeded():
    """What `ctx.random` is to a stage."""
    return lambda purpose: random.Random(f"42/{purpose}")


@pytest.fixture(scope="session")
def default_rows(seeded) -> list[dict]:
    """All rows of the task as it is by default."""
    task = SupportTickets(kind="support-tickets")
    return list(ticket_examples(task, VOICES, seeded))


@pytest.fixture(scope="session")
def by_split(default_rows) -> dict[str, list[dict]]:
    return {
        split: [row for row in default_rows if row["split"] == split]
        for split in ("train", "eval", "ood")
    }


@pytest.fixture(scope="session")
def schema() -> dict:
    path = REPOSITORY / "workflows/recipes/support-ticket.schema.json"
    return json.loads(path.read_text())
