from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from graftline.errors import ConfigError, TransientError
from graftline_workflows.home import Home, new_run_id, os_error


def test_run_ids_sort_by_time_and_differ() -> None:
    ids = [new_run_id() for _ in range(20)]
    assert len(set(ids)) == 20
    assert [name[:15] for name in ids] == sorted(name[:15] for name in ids)


def test_two_runs_in_one_home_are_refused_with_the_first_ones_pid(tmp_path: Path) -> None:
    home = Home(tmp_path)
    with home.lock("first") as interrupted:
        assert interrupted == ""
        assert Home(tmp_path).running() == "first"
        with (
            pytest.raises(TransientError, match=rf"run first, process {os.getpid()}"),
            Home(tmp_path).lock("second"),
        ):
            pass
        assert Home(tmp_path).running() == "first"
    assert home.running() == ""
    with home.lock("third") as interrupted:
        assert interrupted == ""


def test_a_lock_left_by_a_killed_run_names_it(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text('{"pid": 1, "run": "killed"}')
    with Home(tmp_path).lock("next") as interrupted:
        assert interrupted == "killed"


def test_a_damaged_lock_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("{torn")
    with Home(tmp_path).lock("next") as interrupted:
        assert interrupted == ""


def test_a_home_that_cannot_be_made_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TransientError, match="cannot write to the home folder"):
        Home(tmp_path / "file" / "home").prepare()


@pytest.mark.parametrize(
    ("number", "kind", "said"),
    [
        (errno.ENOSPC, TransientError, "the disk is full"),
        (errno.EACCES, ConfigError, "permission denied"),
        (errno.EROFS, ConfigError, "read-only"),
        (errno.EIO, TransientError, "input/output error"),
    ],
)
def test_refusals_of_the_system(number: int, kind: type[Exception], said: str) -> None:
    error = os_error(OSError(number, os.strerror(number), "/x"), "cannot write")
    assert isinstance(error, kind)
    assert said in str(error)
    assert "/x" in str(error)


def test_a_run_that_ends_by_an_error_leaves_the_killed_one_to_the_next(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text('{"pid": 1, "run": "killed"}')
    with pytest.raises(ConfigError), Home(tmp_path).lock("wrong"):
        raise ConfigError("no such recipe")
    with Home(tmp_path).lock("right") as interrupted:
        assert interrupted == "killed"
    with Home(tmp_path).lock("next") as interrupted:
        assert interrupted == ""
