from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from graftline_workflows.planner import main

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_a_full_disk_under_the_termination_log_changes_no_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Full(type(tmp_path)):  # type: ignore[misc]
        def write_text(self, *arguments: object, **more: object) -> int:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    log = Full(tmp_path / "termination-log")
    log.touch()
    monkeypatch.setattr(main, "_TERMINATION_LOG", log)
    monkeypatch.delenv("GRAFTLINE_STORE", raising=False)
    assert main.main(["gate", "--run", "r", "--outputs", str(tmp_path)]) == 64
    assert "GRAFTLINE_STORE is not set" in capsys.readouterr().err
