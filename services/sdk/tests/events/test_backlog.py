from hypothesis import given
from hypothesis import strategies as st

from graftline.events import backlog as module
from graftline.events.backlog import MAX_EVENT_BYTES, Backlog, Backlogs, fitted
from graftline.events.messages import EventSource
from graftline.v1 import stage_pb2

RUNNING, SUCCEEDED = stage_pb2.STEP_STATE_RUNNING, stage_pb2.STEP_STATE_SUCCEEDED
ONE, TWO = EventSource("r", "one"), EventSource("r", "two")


def filled(events):
    backlog = Backlog()
    for number, event in enumerate(events, 1):
        backlog.add(number, event)
    return backlog


def texts(numbered):
    return [event.log.text for _, event in numbered]


def test_events_are_given_in_order_from_where_one_stands():
    events = [ONE.log("a", "info"), ONE.state(RUNNING), ONE.metric("loss", 1.0, 1)]
    backlog = filled([*events, ONE.progress(1, 2, "rows")])
    assert [number for number, _ in backlog.after(0, 100)] == [1, 2, 3, 4]
    assert backlog.after(0, 2) == [(1, events[0]), (2, events[1])]
    assert [number for number, _ in backlog.after(2, 100)] == [3, 4]
    assert backlog.after(4, 100) == []


def test_only_the_newest_progress_of_each_step_and_rank_is_kept():
    other_rank = EventSource("r", "one", rank=1)
    backlog = filled([source.progress(n, 9, "rows") for n in range(9) for source in (ONE, TWO)])
    backlog.add(99, other_rank.progress(3, 9, "rows"))
    kept = [(e.step, e.rank, e.progress.done) for _, e in backlog.after(0, 100)]
    assert kept == [("one", 0, 8), ("two", 0, 8), ("one", 1, 3)]


def test_chatter_never_pushes_out_a_state():
    chatter = [ONE.log(str(n), "info") for n in range(3 * module.KEPT_CHATTER)]
    backlog = filled([ONE.state(RUNNING), *chatter])
    kept = backlog.after(0, 10_000)
    assert kept[0][1].state.state == RUNNING
    assert texts(kept[1:]) == [e.log.text for e in chatter[-module.KEPT_CHATTER :]]


def test_what_a_reporter_repeats_is_known():
    said = [ONE.state(RUNNING), ONE.progress(1, 2, "rows"), ONE.log("x", "info")]
    backlog = filled(said)
    assert not any(backlog.add(number, event) for number, event in enumerate(said, 4))
    assert backlog.add(7, ONE.state(RUNNING, "again"))
    assert backlog.add(8, TWO.log("x", "info"))
    assert [number for number, _ in backlog.after(0, 100)] == [1, 2, 3, 7, 8]


def test_how_steps_stand():
    said = [ONE.state(RUNNING), ONE.log("x", "info"), ONE.progress(1, 2, "rows")]
    backlog = filled([*said, TWO.state(RUNNING), ONE.state(SUCCEEDED)])
    assert backlog.standing(4) == [said[0], said[2], backlog.after(3, 1)[0][1]]
    assert [event.step for event in backlog.standing(5)] == ["one", "two", "one"]
    assert backlog.standing(0) == []


def test_a_long_text_is_cut_and_what_stays_too_long_is_dropped():
    short = ONE.log("short", "info")
    assert fitted(short) is short
    for event in (ONE.log("ä" * MAX_EVENT_BYTES, "info"), ONE.state(RUNNING, "x" * 99_999)):
        cut = fitted(event)
        assert cut.ByteSize() <= MAX_EVENT_BYTES
        assert (cut.log.text or cut.state.message).endswith("(cut)")
        assert len(event.log.text or event.state.message) > 10_000
    assert fitted(EventSource("r", "s" * 99_999).log("x", "info")) is None


@given(
    st.lists(
        st.one_of(
            st.builds(lambda n: ONE.log("x" * n, "info"), st.integers(0, 400)),
            st.builds(lambda n: ONE.progress(n, 1000, "rows"), st.integers(0, 1000)),
            st.builds(lambda n: TWO.state(RUNNING, "x" * n), st.integers(0, 400)),
            st.builds(
                lambda run, n: EventSource(run, "s").log("x" * n, "info"),
                st.sampled_from("abcd"),
                st.integers(0, 400),
            ),
        ),
        max_size=60,
    )
)
def test_bounds_hold_and_sizes_add_up(events):
    import unittest.mock as mock

    bounds = {"KEPT_STATES": 5, "KEPT_CHATTER": 7, "KEPT_PROGRESS": 1, "KEPT_BYTES": 6_000}
    with mock.patch.multiple(module, **bounds, KEPT_RUNS=3, KEPT_BYTES_IN_ALL=10_000):
        backlogs = Backlogs()
        for event in events:
            backlogs.add(event)
            assert len(backlogs) <= 3
            assert backlogs.size <= 10_000
        kept = backlogs.after(0, "", 10_000)
    numbers = [number for number, _ in kept]
    assert numbers == sorted(set(numbers))
    assert backlogs.size == sum(event.ByteSize() + 512 for _, event in kept)
    for run in {event.run for event in events}:
        of_run = backlogs.after(0, run, 10_000)
        assert of_run == [(number, event) for number, event in kept if event.run == run]
        assert len(of_run) <= 5 + 7 + 1
    if events:
        assert kept[-1][1] == events[-1]


def test_the_run_that_was_silent_longest_goes_first(monkeypatch):
    monkeypatch.setattr(module, "KEPT_RUNS", 2)
    backlogs = Backlogs()
    for run in ("a", "b", "a", "c"):
        backlogs.add(EventSource(run, "s").log(run, "info"))
    assert texts(backlogs.after(0, "", 10)) == ["a", "a", "c"]
    assert backlogs.after(0, "b", 10) == []
