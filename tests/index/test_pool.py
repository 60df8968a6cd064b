"""A process that dies costs one task, and no task is lost or done twice."""

import os

import pytest

from medgraft.index.pool import CHUNK, spread


def square(number):
    return number * number


def square_or_die(number):
    if number % 50 == 7:
        os.abort()
    return number * number


@pytest.mark.parametrize("workers", [0, 2])
def test_every_task_is_done_once(workers):
    done = dict(spread(square, range(3 * CHUNK + 5), what="testing", workers=workers))
    assert done == {k: k * k for k in range(3 * CHUNK + 5)}


def test_a_crash_costs_its_task_only():
    done = list(spread(square_or_die, range(60), what="testing", workers=2))
    assert sorted(k for k, _ in done) == list(range(60))
    assert dict(done) == {k: None if k % 50 == 7 else k * k for k in range(60)}
