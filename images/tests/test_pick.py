from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

A = "a==1 \\\n    --hash=sha256:aa\n"
B = "b==2 ; python_version < '3.12' \\\n    --hash=sha256:bb \\\n    --hash=sha256:cc\n"
B_LATER = "b==3 ; python_version >= '3.12' \\\n    --hash=sha256:dd\n"
C = "c-d.e==4 \\\n    --hash=sha256:ee\n"


@pytest.fixture(scope="module")
def pick(script):
    return script("inside/pick.py").pick


def test_shared_entries_keep_their_hashes_and_order(pick):
    assert pick(["# made by …\n" + A + B + B_LATER + C, C + B_LATER + B]) == B + B_LATER + C


def test_an_entry_with_another_hash_is_not_shared(pick):
    assert pick([A, A.replace("aa", "ff")]) == ""


def test_only_and_without(pick):
    assert pick([A + B + C], only={"a", "c-d.e"}) == A + C
    assert pick([A + B + C], without={"b", "unheard-of"}) == A + C


def test_a_name_that_is_in_no_lock_is_an_error(pick):
    with pytest.raises(ValueError, match="not in the lock: z"):
        pick([A], only={"a", "z"})


@given(data=st.data())
def test_what_is_picked_is_in_every_lock(pick, data):
    entries = [A, B, B_LATER, C]
    locks = data.draw(st.lists(st.lists(st.sampled_from(entries), unique=True), min_size=1))
    picked = pick(["".join(lock) for lock in locks])
    assert picked == "".join(e for e in locks[0] if all(e in lock for lock in locks))


def test_the_projects_own_locks(pick, root):
    names = ["model", "train", "evaluate", "export"]
    locks = [(root / f"services/{name}/requirements.lock").read_text() for name in names]
    shared = pick(locks)
    assert "\ntransformers==" in shared
    assert "\nbitsandbytes==" not in shared
    assert shared.count("--hash=") > 100


def test_the_command_line(root, tmp_path):
    (tmp_path / "lock").write_text(A)
    command = [sys.executable, root / "images/inside/pick.py", "--only", "z", tmp_path / "lock"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert "not in the lock: z" in ended.stderr
