import pytest

from graftline.errors import BugError, DataError
from graftline.store import RunRecords
from graftline.v1 import plan_pb2


def record(run, second=0):
    made = plan_pb2.RunRecord(run=run, recipe="json-extraction")
    made.started_at.FromSeconds(1_700_000_000 + second)
    return made


def test_a_record_comes_back_as_it_was(store):
    records = RunRecords(store)
    assert records.load("r1") is None
    first = record("r1")
    records.save(first)
    first.state = plan_pb2.RUN_STATE_SUCCEEDED
    records.save(first)
    assert records.load("r1") == first


def test_the_newest_comes_first_and_logs_are_no_records(store):
    records = RunRecords(store)
    for run, second in (("b", 1), ("a", 3), ("c", 2)):
        records.save(record(run, second))
    store.put("runs/a/logs/train.log", b"log")
    assert [found.run for found in records.list()] == ["a", "c", "b"]
    assert len(records.list(limit=2)) == 2


@pytest.mark.fault
def test_a_record_that_cannot_be_read_is_told_and_left_out(store, caplog):
    records = RunRecords(store)
    records.save(record("good"))
    store.put("runs/bad.binpb", b"\xff\xff")
    with pytest.raises(DataError, match=r"run 'bad'.*remove s3://.*runs/bad.binpb"):
        records.load("bad")
    assert [found.run for found in records.list()] == ["good"]
    assert "run 'bad'" in caplog.text


def test_a_run_that_cannot_be_a_name_is_refused(store):
    with pytest.raises(BugError, match="cannot be part"):
        RunRecords(store).save(record("../x"))
