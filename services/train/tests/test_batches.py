"""The batch stream and the packing of its steps."""

import random

from hypothesis import given
from hypothesis import strategies as st

from graftline_train.batches import BatchStream, count_steps, pack, rows_per_step
from graftline_train.config import TrainConfig

sizes = st.integers(1, 5)


def stream(rows, config, seed=0):
    return BatchStream(rows, config, lambda purpose: random.Random(f"{seed} {purpose}"))


def all_rows(rows, config, seed=0):
    batches = stream(rows, config, seed)
    return [batches.step(number) for number in range(count_steps(rows, config))]


@given(
    lengths=st.lists(st.integers(1, 50), min_size=1, max_size=30),
    batch=sizes,
    packing=st.booleans(),
    padded=st.booleans(),
)
def test_packing_conserves_rows_and_keeps_within_the_budget(lengths, batch, packing, padded):
    config = TrainConfig(
        max_steps=1, per_device_train_batch_size=batch, max_length=50, packing=packing
    )
    passes = pack(lengths, config, padded)
    assert sorted(index for chosen in passes for index in chosen) == list(range(len(lengths)))
    for chosen in passes:
        held = [lengths[index] for index in chosen]
        assert (max(held) * len(held) if padded else sum(held)) <= batch * 50
        if not packing:
            assert len(chosen) <= batch
    assert pack(lengths, config, padded) == passes


@given(rows=st.integers(1, 40), epochs=st.integers(1, 4), batch=sizes, accumulation=sizes)
def test_every_row_comes_as_often_as_there_are_epochs(rows, epochs, batch, accumulation):
    config = TrainConfig(
        num_epochs=epochs,
        per_device_train_batch_size=batch,
        gradient_accumulation_steps=accumulation,
    )
    steps = all_rows(rows, config)
    assert all(len(step) == rows_per_step(config) for step in steps[:-1])
    flat = [row for step in steps for row in step]
    assert sorted(flat) == sorted(list(range(rows)) * epochs)
    for epoch in range(epochs):
        assert sorted(flat[epoch * rows : (epoch + 1) * rows]) == list(range(rows))


@given(rows=st.integers(1, 40), steps=st.integers(1, 12), batch=sizes)
def test_steps_are_counted_when_they_are_given(rows, steps, batch):
    config = TrainConfig(max_steps=steps, per_device_train_batch_size=batch)
    found = all_rows(rows, config)
    assert [len(step) for step in found] == [batch] * steps


@given(rows=st.integers(1, 40), batch=sizes, start=st.integers(0, 9))
def test_a_step_does_not_depend_on_the_steps_read_before(rows, batch, start):
    config = TrainConfig(max_steps=10, per_device_train_batch_size=batch)
    assert stream(rows, config).step(start) == all_rows(rows, config)[start]


def test_seeds_and_epochs_differ():
    config = TrainConfig(num_epochs=2, per_device_train_batch_size=50)
    first, second = all_rows(50, config)
    assert first != second
    assert all_rows(50, config, seed=1)[0] != first


def test_half_an_epoch():
    config = TrainConfig(num_epochs=0.5, per_device_train_batch_size=4)
    steps = all_rows(20, config)
    assert [len(step) for step in steps] == [4, 4, 2]
