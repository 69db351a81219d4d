import threading
from types import SimpleNamespace

import pytest

from graftline.events import progress_file
from graftline.events.progress_file import ProgressFile


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(progress_file, "time", SimpleNamespace(monotonic=lambda: now[0]))
    return now


def test_it_says_done_of_total_and_leaves_nothing_beside(tmp_path, clock):
    path = tmp_path / "progress"
    ProgressFile(path).write(3, 10)
    assert path.read_text() == "3/10"
    assert [entry.name for entry in tmp_path.iterdir()] == ["progress"]


@pytest.mark.parametrize(("done", "total"), [(3, None), (0, 0), (3, -1)])
def test_without_a_total_it_says_nothing(tmp_path, done, total):
    ProgressFile(tmp_path / "progress").write(done, total)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("done", "said"), [(11, "10/10"), (-1, "0/10")])
def test_it_never_says_what_argo_refuses(tmp_path, done, said):
    ProgressFile(tmp_path / "progress").write(done, 10)
    assert (tmp_path / "progress").read_text() == said


def test_it_is_thinned_but_for_the_end(tmp_path, clock):
    path = tmp_path / "progress"
    file = ProgressFile(path)
    file.write(1, 10)
    clock[0] += 0.9
    file.write(2, 10)
    assert path.read_text() == "1/10"
    clock[0] += 0.2
    file.write(3, 10)
    assert path.read_text() == "3/10"
    file.write(10, 10)
    assert path.read_text() == "10/10"


def test_a_reader_never_sees_half_of_it(tmp_path, monkeypatch):
    monkeypatch.setattr(progress_file, "FILE_INTERVAL_S", 0.0)
    path, file, over = tmp_path / "progress", ProgressFile(tmp_path / "progress"), threading.Event()
    file.write(0, 100_000)
    seen = set()

    def read():
        while not over.is_set():
            seen.add(path.read_text())

    reader = threading.Thread(target=read)
    reader.start()
    for done in range(1, 1_000):
        file.write(done, 100_000)
    over.set()
    reader.join()
    assert all(text.endswith("/100000") for text in seen)


def test_a_file_that_cannot_be_written_fails_nothing_and_is_told_once(tmp_path, clock, capsys):
    file = ProgressFile(tmp_path / "nowhere" / "progress")
    for done in range(3):
        file.write(done, 10)
        clock[0] += 5
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "nowhere" in said
