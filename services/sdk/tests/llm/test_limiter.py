"""How the limit of one endpoint follows what the server can do, on a clock of the test's own."""

from __future__ import annotations

import heapq
import random
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graftline.llm.limiter import Limiter


@dataclass
class Simulation:
    """A server of fixed latency that refuses what is above its slots, and an endless demand."""

    limiter: Limiter
    slots: int
    latency_s: float = 1.0
    retry_after_s: float | None = None
    refused_share: float = 0.0
    seed: int = 0
    now: float = 0.0
    answered: int = 0
    refused: int = 0
    events: list = field(default_factory=list)

    def run(self, seconds: float) -> float:
        """Let time pass; give the share of the server's capacity that was used."""
        end, before = self.now + seconds, self.answered
        dice = random.Random(self.seed)
        while self.now < end:
            while self.limiter.has_room(self.now):
                sending = self.limiter.send(self.now)
                refuse = self.limiter.in_flight > self.slots or dice.random() < self.refused_share
                delay = 0.005 if refuse else self.latency_s
                heapq.heappush(
                    self.events, (self.now + delay, len(self.events), self.now, sending, refuse)
                )
            opening = self.limiter.opens_at
            due = self.events[0][0] if self.events else end
            if self.now < opening < due:
                self.now = opening
                continue
            if due >= end:
                self.now = end
                break
            self.now, _, _, sending, refuse = heapq.heappop(self.events)
            self.limiter.end()
            if refuse:
                self.refused += 1
                self.limiter.troubled("throttled", sending, self.now, self.retry_after_s)
            else:
                self.answered += 1
                self.limiter.succeeded(sending, self.now)
        return (self.answered - before) * self.latency_s / (seconds * self.slots)


@pytest.mark.parametrize("slots", [1, 3, 8, 20, 50])
@pytest.mark.parametrize("retry_after_s", [None, 1.0])
def test_it_finds_a_capacity_that_it_is_not_told(slots, retry_after_s):
    simulation = Simulation(Limiter(64), slots, retry_after_s=retry_after_s)
    simulation.run(60)
    assert simulation.run(600) > 0.95
    assert simulation.refused < max(0.005 * simulation.answered, 40)


def test_it_finds_a_capacity_that_grows_or_shrinks():
    simulation = Simulation(Limiter(64), 4)
    simulation.run(300)
    simulation.slots = 32
    simulation.run(600)
    assert simulation.run(300) > 0.9
    simulation.slots = 6
    simulation.run(100)
    assert simulation.run(300) > 0.9


def test_it_uses_a_server_without_limits_to_the_full():
    simulation = Simulation(Limiter(16), 1000)
    simulation.run(5)
    assert simulation.limiter.slots(simulation.now) == 16


def sent(limiter, now, count=1):
    return [limiter.send(now) for _ in range(count)]


def test_requests_that_were_under_way_together_are_cut_for_once():
    limiter = Limiter(8)
    for sending in sent(limiter, 0.0, 8):
        limiter.troubled("slow", sending, 1.0)
    assert limiter.slots(1.0) == 4


def test_one_broken_request_changes_nothing_but_three_in_a_row_are_a_server_that_is_down():
    limiter = Limiter(8)
    limiter.troubled("failed", *sent(limiter, 0.0), 0.1)
    assert limiter.slots(0.1) == 8
    limiter.succeeded(*sent(limiter, 0.2), 0.3)
    for start in (1.0, 2.0, 3.0):
        limiter.troubled("failed", *sent(limiter, start), start + 0.1)
    assert limiter.down
    assert limiter.slots(3.2) == 0
    assert limiter.slots(3.7) == 1


def test_a_server_that_is_away_is_probed_by_one_request_less_and_less_often():
    limiter = Limiter(8)
    now, pauses = 0.0, []
    for _ in range(8):
        (sending,) = sent(limiter, now)
        limiter.troubled("unreachable", sending, now)
        limiter.end()
        assert limiter.slots(now) == 0
        pauses.append(limiter.opens_at - now)
        now = limiter.opens_at
        assert limiter.slots(now) == 1
    assert pauses == [0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0, 10.0]
    limiter.succeeded(*sent(limiter, now), now + 1)
    assert not limiter.down
    assert limiter.slots(now + 1) >= 1


def test_a_pause_that_was_asked_for_is_kept():
    limiter = Limiter(8)
    limiter.troubled("throttled", *sent(limiter, 0.0), 0.1, 7.0)
    assert limiter.slots(7.0) == 0
    assert limiter.slots(7.2) > 0


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("share", [0.02, 0.1, 0.5])
def test_throughput_recovers_after_refusals_that_mean_nothing(share, seed):
    simulation = Simulation(Limiter(16), 1000, refused_share=share, seed=seed)
    simulation.run(120)
    simulation.refused_share = 0.0
    simulation.run(80)
    assert simulation.limiter.slots(simulation.now) == 16


@given(
    st.integers(1, 40),
    st.lists(
        st.tuples(
            st.sampled_from(
                ["ok", "ok", "ok", "throttled", "slow", "failed", "unreachable", "unavailable"]
            ),
            st.floats(0, 3),
            st.none() | st.floats(0, 5),
        ),
        max_size=80,
    ),
)
def test_the_limit_is_never_above_the_most_and_never_closes_for_good(most, events):
    limiter, now = Limiter(most), 0.0
    for what, seconds, retry_after in events:
        assert limiter.slots(now) <= most
        sending = limiter.send(now)
        now += seconds
        limiter.end()
        if what == "ok":
            limiter.succeeded(sending, now)
        else:
            limiter.troubled(what, sending, now, retry_after)
        assert limiter.in_flight == 0
        assert limiter.slots(max(now, limiter.opens_at)) >= 1
        assert limiter.opens_at - now <= 35
