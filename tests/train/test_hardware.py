"""How fast this machine trains is measured once, and in bounded time."""

import pytest
import torch

from medgraft.train import hardware
from medgraft.train.hardware import measure, measured

CPU = torch.device("cpu")


@pytest.fixture
def steps(monkeypatch):
    """Steps that only move a clock: each takes `steps["seconds"]`; how many were made is counted."""
    state = {"now": 0.0, "seconds": 0.5, "count": 0}

    def stepper(*_, **__):
        def step():
            state["count"] += 1
            state["now"] += state["seconds"]
            return state["seconds"]

        return step

    monkeypatch.setattr(hardware, "_stepper", stepper)
    monkeypatch.setattr(hardware.time, "perf_counter", lambda: state["now"])
    return state


def test_four_ways_are_warmed_up_and_timed_three_times(steps):
    speeds, settled = measure(CPU, batch=32)
    assert settled
    assert steps["count"] == 4 * (1 + 3)
    assert set(speeds.values()) == {64.0}


@pytest.mark.parametrize(("seconds", "rounds"), [(2.4, 2), (6.0, 1), (500.0, 1)])
def test_a_busy_machine_ends_it_after_the_round_in_which_time_is_up(steps, seconds, rounds):
    steps["seconds"] = seconds
    speeds, settled = measure(CPU, batch=32)
    assert not settled
    assert steps["count"] == 4 * (1 + rounds)
    assert set(speeds.values()) == {round(32 / seconds, 1)}


def test_only_a_whole_measurement_is_kept(steps, tmp_path):
    steps["seconds"] = 6.0
    assert len(measured(CPU, tmp_path)) == 4
    assert not (tmp_path / "doctor.json").exists()
    steps["seconds"] = 0.5
    measured(CPU, tmp_path)
    before = steps["count"]
    assert set(measured(CPU, tmp_path).values()) == {64.0}
    assert steps["count"] == before
