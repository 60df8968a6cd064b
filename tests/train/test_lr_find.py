"""The range test: what it measures, when it stops, and that it leaves no trace."""

import json
import os
import random
import signal
from xml.etree import ElementTree as ET

import numpy as np
import pytest
import torch
from torch import nn

from medgraft.cli.__main__ import main
from medgraft.cli.lr_find import _show
from medgraft.errors import ArgumentError, TrainingError
from medgraft.train.lr_find import RateCurve, find_rate
from medgraft.train.objective import Loss
from medgraft.train.suggestions import suggestions
from tests.train.conftest import quick
from tests.train.test_loop import Rivals, batches, part


class Noisy(nn.Module):
    """Dropout, running statistics, a buffer that no file holds and one that is replaced."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), nn.Dropout(0.2), nn.BatchNorm1d(16))
        self.head = nn.Linear(16, 1)
        self.register_buffer("seen", torch.zeros(()), persistent=False)
        self.register_buffer("last", torch.full((), float("nan")))

    def forward(self, x):
        self.seen += 1
        self.last = x.mean()
        random.random()
        np.random.rand()  # noqa: NPY002
        return self.head(self.body(x))


class Regression:
    """Predict a number from the pixels; something happens at a step."""

    def __init__(self, at=None, happens=None):
        torch.manual_seed(0)
        self.net = Noisy()
        self.net.eval()
        self.net.body[1].train()  # a mode of its own
        self.net.head.weight.grad = torch.ones(1, 16)
        self.parts = {"net": part(self.net)}
        self.at, self.happens = at, happens
        self.modes = set()

    def loss(self, name, batch):
        self.modes.add(self.net.training)
        if batch.step == self.at:
            self.happens()
        return Loss((self.net(batch.images) - batch.targets).square().sum(), len(batch.targets))

    def validate(self):
        raise AssertionError("a range test does not validate")


class Given:
    """Losses that were written down; the weight takes no part."""

    def __init__(self, values):
        self.net, self.values = nn.Linear(1, 1), values
        self.parts = {"net": part(self.net)}

    def loss(self, name, batch):
        value = self.values[batch.step % len(self.values)]
        return Loss(0 * self.net.weight.sum() + 3.0 * value, 0 if value is None else 3)


class Blank(Given):
    """Nothing is known of every other batch."""

    def loss(self, name, batch):
        count = 2.0 * (batch.step % 2)
        return Loss(self.net.weight.sum() * 0 + count, count)


def state(objective):
    """Everything that must not change, as bytes: NaN is equal to itself."""
    module = objective.net
    _, keys, position, *_ = np.random.get_state()  # noqa: NPY002
    tensors = [*module.named_parameters(), *module.named_buffers()]
    return (
        {name: (id(t), t.detach().numpy().tobytes()) for name, t in tensors},
        {name: (id(t.grad), t.grad is not None and t.grad.sum()) for name, t in tensors},
        [m.training for m in module.modules()],
        random.getstate(),
        (keys.tobytes(), position),  # the keys alone stay the same for hundreds of draws
        torch.get_rng_state().numpy().tobytes(),
        signal.getsignal(signal.SIGINT),
    )


def fail():
    raise ValueError("disk on fire")


def interrupt():
    raise KeyboardInterrupt


def press_ctrl_c():
    os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize("optimiser", ["adamw", "sgd"])
@pytest.mark.parametrize(
    ("happens", "raises"),
    [
        (None, None),
        (fail, ValueError),
        (interrupt, KeyboardInterrupt),
        (press_ctrl_c, KeyboardInterrupt),
    ],
)
def test_it_leaves_no_trace(optimiser, happens, raises):
    objective = Regression(at=5, happens=happens) if happens else Regression()
    before = state(objective)
    recipe = quick(optimiser=optimiser, clip=None)
    if raises is None:
        find_rate(objective, batches(), recipe, iterations=30)
    else:
        with pytest.raises(raises):
            find_rate(objective, batches(), recipe, iterations=30)
    assert state(objective) == before
    assert objective.modes == {True}


def test_the_state_that_is_compared_is_changed_by_training():
    objective = Regression()
    before = state(objective)
    objective.net.train()
    objective.loss("net", next(batches().epoch(0)))
    tensors, _, modes, *randomness, _ = (
        one != other for one, other in zip(state(objective), before, strict=True)
    )
    assert tensors
    assert modes
    assert randomness == [True] * 3


def test_rates_rise_geometrically_and_the_loss_falls_before_it_is_lost():
    recipe = quick(optimiser="sgd", clip=None)
    found = find_rate(Regression(), batches(), recipe, iterations=60, low=1e-5, high=100)
    np.testing.assert_allclose(found.rates, np.geomspace(1e-5, 100, 60)[: len(found.rates)])
    assert found.fell
    assert len(found.rates) < 60  # 100 is beyond what a linear network bears
    assert found.suggestions.keys() == set(suggestions.names())


def test_it_is_the_same_twice():
    one, two = (find_rate(Regression(), batches(), quick(), iterations=20) for _ in range(2))
    np.testing.assert_array_equal(one.losses, two.losses)


def test_parts_are_summed():
    found = find_rate(Rivals(), batches(), quick(), iterations=8, high=1e-6)
    np.testing.assert_allclose(found.losses, 0, atol=1e-2)  # one's loss is the other's gain


def test_the_smoothed_loss_is_the_weighted_mean_of_what_came_before():
    values = list(np.random.default_rng(0).random(20) + 1)
    found = find_rate(Given(values), batches(), quick(), iterations=20)
    np.testing.assert_allclose(found.losses, values, rtol=1e-6)
    for last in range(20):
        ages = 0.98 ** np.arange(last, -1, -1)
        assert found.smoothed[last] == pytest.approx(np.average(values[: last + 1], weights=ages))


def test_it_stops_when_the_smoothed_loss_exceeds_four_times_the_best():
    values = [1.0] * 30 + [20.0] * 70
    average = lambda n: np.average(values[:n], weights=0.98 ** np.arange(n, 0, -1))  # noqa: E731
    first = next(n for n in range(1, 101) if average(n) > 4)
    found = find_rate(Given(values), batches(), quick(), iterations=100)
    assert len(found.losses) == first - 1


@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
def test_it_stops_when_a_loss_is_not_finite(wrong):
    found = find_rate(Given([1.0] * 12 + [wrong] * 8), batches(), quick(), iterations=20)
    assert len(found.losses) == 12
    assert np.isfinite(list(found.suggestions.values())).all()


def test_accumulated_batches_are_one_step():
    recipe = quick(accumulate=2)  # 4 batches an epoch
    found = find_rate(Given([1.0, 3.0, 2.0, 6.0]), batches(), recipe, iterations=6)
    np.testing.assert_allclose(found.losses, [2, 4, 2, 4, 2, 4])


def test_a_batch_of_which_nothing_is_known_is_no_point_of_the_curve():
    found = find_rate(Blank([]), batches(), quick(), iterations=10)
    np.testing.assert_allclose(found.losses, np.ones(5))
    np.testing.assert_allclose(found.rates, np.geomspace(1e-7, 10, 10)[1::2])


def test_a_flat_curve_says_that_it_never_fell():
    assert not find_rate(Given([1.0]), batches(), quick(), iterations=10).fell


def test_a_loss_that_is_lost_at_once_is_refused():
    with pytest.raises(TrainingError, match="must last 3 steps, but the loss was lost after 1"):
        find_rate(Given([1.0, float("nan")]), batches(), quick(), iterations=10)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"iterations": 2}, "--iterations must be at least 3, got 2"),
        ({"low": 0}, "--low must be above 0 and below --high, got 0 and 10"),
        ({"low": 20}, "got 20 and 10"),
        ({"high": float("nan")}, "got 1e-07 and nan"),
    ],
)
def test_a_range_that_is_none_is_refused(given, says):
    with pytest.raises(ArgumentError, match=says):
        find_rate(Given([1.0]), batches(), quick(), **given)


class TestTheCommand:
    FLAGS = ("--after", "layer1", "--size", "32", "--batch-size", "8", "--threads", "1")
    SAME = ("--precision", "float32", "--memory-format", "contiguous", "--iterations", "12")

    def test_prints_a_rate_per_rule_and_the_flag_last(self, spots, tmp_path, capsys):
        out = tmp_path / "rates"
        call = ["lr-find", str(spots), *self.FLAGS, *self.SAME]
        assert main([*call, "--rule", "steep", "--out", str(out)]) == 0
        said = capsys.readouterr().out.splitlines()
        saved = json.loads((out / "lr_find.json").read_text())
        for name, rate in saved["suggestions"].items():
            assert any(line.split()[:2] == [name, f"{rate:.2e}"] for line in said)
        assert said[-1] == f"--rate {saved['suggestions']['steep']:.2e}"
        assert len(saved["rates"]) == len(saved["losses"]) == len(saved["smoothed"]) == 12
        drawn = (out / "lr_find.svg").read_text()
        ET.fromstring(drawn)
        assert all(name in drawn for name in suggestions.names())
        assert "mathdefault" not in drawn

    @pytest.mark.parametrize(("strategy", "last"), [("head", "--rate "), ("two-phase", None)])
    def test_of_a_strategy_with_rates_of_its_own_no_flag_is_given(
        self, spots, strategy, last, capsys
    ):
        call = ["lr-find", str(spots), *self.FLAGS, *self.SAME, "--strategy", strategy]
        assert main(call) == 0
        line = capsys.readouterr().out.splitlines()[-1]
        assert line.startswith(last) if last else "two-phase has rates of its own" in line

    def test_writes_nothing_unless_it_is_asked_to(self, spots, tmp_path):
        def files():
            return {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}

        before = files()
        assert main(["lr-find", str(spots), *self.FLAGS, *self.SAME]) == 0
        assert files() == before

    @pytest.mark.parametrize(
        ("flags", "says"),
        [
            (("--rule", "vally"), "no suggestion rule is called 'vally'. Did you mean 'valley'?"),
            (("--iterations", "1"), "--iterations must be at least 3"),
            (("--backbone", "resnet"), "no backbone is called"),
            (("--size", "3"), "size: input should be"),
            (("--recipe", "none.yaml"), "--recipe must name a file"),
        ],
    )
    def test_a_wrong_call_is_one_line_and_exit_2(self, spots, flags, says, capsys):
        assert main(["lr-find", str(spots), *flags]) == 2
        (line,) = capsys.readouterr().err.strip().splitlines()
        assert line.startswith(f"error: {says}")

    def test_a_folder_in_use_is_refused_before_anything_is_computed(self, spots, tmp_path, capsys):
        assert main(["lr-find", str(tmp_path / "none.parquet"), "--out", str(tmp_path)]) == 2
        assert "none.parquet" not in capsys.readouterr().err

    def test_a_suggestion_beyond_the_lowest_loss_is_marked(self, capsys):
        smoothed = np.array([3.0, 2.0, 1.0, 4.0])
        given = {"early": 0.01, "late": 0.5}
        _show(RateCurve(np.geomspace(1e-3, 1, 4), smoothed, smoothed, given), 4)
        early, late = capsys.readouterr().out.splitlines()[-2:]
        assert "do not take it" not in early
        assert "beyond the lowest loss: do not take it" in late

    def test_several_processes_are_refused(self, spots, monkeypatch, capsys):
        monkeypatch.setenv("WORLD_SIZE", "2")
        assert main(["lr-find", str(spots)]) == 2
        assert "lr-find must run in one process, got 2" in capsys.readouterr().err
