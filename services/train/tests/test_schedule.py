"""The learning rate's course."""

import pytest

from graftline_train.config import TrainConfig
from graftline_train.schedule import learning_rate


def course(steps, **settings):
    config = TrainConfig(max_steps=steps, learning_rate=1.0, **settings)
    return [learning_rate(config, step, steps) for step in range(steps)]


def test_constant_after_a_warm_up_in_which_no_step_is_wasted():
    assert course(6, lr_scheduler_type="constant", warmup_steps=3) == pytest.approx(
        [0.25, 0.5, 0.75, 1, 1, 1]
    )


def test_linear():
    assert course(4, lr_scheduler_type="linear") == pytest.approx([1, 0.75, 0.5, 0.25])


def test_cosine_with_a_warm_up_by_share():
    assert course(8, warmup_ratio=0.5) == pytest.approx(
        [0.2, 0.4, 0.6, 0.8, 1, 0.853553, 0.5, 0.146447], rel=1e-5
    )


def test_a_warm_up_longer_than_the_run():
    assert course(2, warmup_steps=9) == pytest.approx([0.1, 0.2])
