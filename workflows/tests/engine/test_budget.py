from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from graftline.v1.stage_pb2 import RESOURCE_CLASS_CPU, RESOURCE_CLASS_GPU
from graftline_workflows.engine.budget import (
    CPU_STEP_BYTES,
    Budget,
    machine_cores,
    machine_memory_bytes,
)


def test_cpu_steps_fill_the_cores_and_share_idle_ones() -> None:
    budget = Budget(4, 64 * CPU_STEP_BYTES)
    first = budget.take("a", RESOURCE_CLASS_CPU, 2)
    second = budget.take("b", RESOURCE_CLASS_CPU, 1)
    assert first is not None
    assert second is not None
    assert (first.threads, second.threads) == (2, 3)
    assert budget.take("c", RESOURCE_CLASS_CPU, 1) is not None
    assert budget.take("d", RESOURCE_CLASS_CPU, 1) is not None
    assert budget.take("e", RESOURCE_CLASS_CPU, 1) is None
    budget.give_back("a")
    assert budget.take("e", RESOURCE_CLASS_CPU, 1) is not None


def test_a_gpu_step_runs_alone_with_all_cores() -> None:
    budget = Budget(4, 64 * CPU_STEP_BYTES)
    assert budget.take("a", RESOURCE_CLASS_CPU, 1) is not None
    assert budget.take("train", RESOURCE_CLASS_GPU, 1) is None
    budget.give_back("a")
    share = budget.take("train", RESOURCE_CLASS_GPU, 1)
    assert share is not None
    assert share.threads == 4
    assert budget.take("evaluate", RESOURCE_CLASS_GPU, 1) is None
    assert budget.take("a", RESOURCE_CLASS_CPU, 1) is None


def test_memory_bounds_the_steps_too_but_one_always_runs() -> None:
    budget = Budget(16, CPU_STEP_BYTES * 2)
    assert budget.take("a", RESOURCE_CLASS_CPU, 3) is not None
    assert budget.take("b", RESOURCE_CLASS_CPU, 2) is not None
    assert budget.take("c", RESOURCE_CLASS_CPU, 1) is None
    assert Budget(1, 1).take("a", RESOURCE_CLASS_CPU, 1) is not None


@given(
    st.integers(1, 64),
    st.lists(st.tuples(st.sampled_from([RESOURCE_CLASS_CPU, RESOURCE_CLASS_GPU]), st.booleans())),
)
def test_what_is_held_never_exceeds_the_cores(cores: int, moves: list[tuple[int, bool]]) -> None:
    budget = Budget(cores, 1 << 50)
    held: dict[str, int] = {}
    for number, (resources, give_back) in enumerate(moves):
        if give_back and held:
            name = next(iter(held))
            budget.give_back(name)
            del held[name]
        share = budget.take(str(number), resources, 1)  # type: ignore[arg-type]
        if share is not None:
            held[str(number)] = share.cores
            assert 1 <= share.threads <= cores
        assert sum(held.values()) <= cores
        assert held


def test_this_machine_has_something() -> None:
    assert machine_cores() >= 1
    assert machine_memory_bytes() > 1 << 28
