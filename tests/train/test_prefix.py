"""Keeping what still stages make of the images changes the time that a run takes, and nothing else."""

import json
import shutil
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch
from safetensors.torch import load_file

from medgraft.errors import ArgumentError, OutputError
from medgraft.nets import create
from medgraft.train import prefix
from medgraft.train.loop import Loop
from medgraft.train.processes import Processes
from medgraft.train.train import train
from tests.train.conftest import quick
from tests.train.test_ensemble import predictor
from tests.train.test_loop import Memory, batches

TUNED = {
    "head": "the pooled maps",
    "from:layer3": "the last stage",
    "from:layer2": "two stages",
    "two-phase:norms=still": "a phase that is kept and one that is not",
}
SAME = ("step", "epoch", "loss", "loss_val", "auroc_val", "rate")


def run(index, out, **changes):
    return train(index, out, quick(**{"epochs": 3, **changes}), command=["medgraft", "train"])


def outcome(folder):
    weights = load_file(folder.weights)
    history = pl.read_csv(folder.history).select(SAME)
    return weights, history, pl.read_parquet(folder.predictions)


def assert_same(one, other):
    (weights, history, said), (weights_2, history_2, said_2) = outcome(one), outcome(other)
    assert weights.keys() == weights_2.keys()
    different = [name for name in weights if not torch.equal(weights[name], weights_2[name])]
    assert not different
    assert history.equals(history_2)
    assert said.equals(said_2)


def kept(folder):
    return json.loads(folder.record.read_text())["kept"]


@pytest.mark.parametrize("strategy", TUNED)
@pytest.mark.parametrize("layout", ["contiguous", "channels_last"])
def test_without_augmentation_the_result_is_the_same_bit_for_bit(spots, tmp_path, strategy, layout):
    settings = {"strategy": strategy, "augment": (), "memory_format": layout}
    anew = run(spots, tmp_path / "anew", kept_views=0, **settings)
    once = run(spots, tmp_path / "once", **settings)
    assert kept(anew) == []
    assert [one["views"] for one in kept(once)] == [1]
    assert_same(anew, once)


def test_a_view_is_what_an_epoch_would_have_seen(spots, tmp_path):
    """With as many views as epochs even augmented runs are the same, mixed labels included."""
    settings = {"strategy": "from:layer3", "augment": ("films", "mixup")}
    anew = run(spots, tmp_path / "anew", kept_views=0, **settings)
    once = run(spots, tmp_path / "once", kept_views=3, **settings)
    assert kept(once)[0]["views"] == 3
    assert_same(anew, once)


def test_weights_chosen_within_epochs_and_averaged_are_those_of_a_run_that_keeps_nothing(
    spots, tmp_path
):
    """Stage by stage: each phase passes its own still stages, on views of its own seed."""
    settings = {
        "strategy": "gradual:stages=2",
        "after": "layer2",
        "epochs": 6,
        "validate_every": 16,
        "keep_best": 3,
        "combine": "average",
    }
    anew = run(spots, tmp_path / "anew", kept_views=0, **settings)
    once = run(spots, tmp_path / "once", kept_views=2, **settings)
    assert [(one["through"], one["views"]) for one in kept(once)] == [("layer2", 2), ("stem", 2)]
    assert_same(anew, once)


def test_views_that_nothing_is_drawn_for_are_kept_once(spots, tmp_path):
    made = run(spots, tmp_path / "run", strategy="head", augment=(), kept_views=3)
    assert [one["views"] for one in kept(made)] == [1]


def test_several_processes_keep_nothing_and_refuse_to_be_asked(tmp_path):
    one = predictor(0)
    one.network.freeze_through("layer1")
    several = replace(one, processes=Processes(world=2))
    given = replace(batches(), store=Memory(side=16))

    def ask(views):
        return prefix.keep_prefix(several, given, None, views=views, epochs=9, folder=tmp_path)

    assert ask(None) is None
    with pytest.raises(ArgumentError, match="--kept-views needs a single process, got 2"):
        ask(4)


def test_batches_do_not_pass_through_still_stages(spots, tmp_path, monkeypatch):
    seen = []
    through = torch.nn.Conv2d.forward

    def counting(self, x):
        if self.in_channels == 1:  # the very first layer
            seen.append(len(x))
        return through(self, x)

    monkeypatch.setattr(torch.nn.Conv2d, "forward", counting)
    run(spots, tmp_path / "anew", kept_views=0, strategy="head", epochs=5)
    anew = sum(seen)
    seen.clear()
    run(spots, tmp_path / "once", kept_views=2, strategy="head", epochs=5)
    assert anew - sum(seen) == 3 * 28 + 4 * 8 - 4  # epochs that were spared, less two trials


def test_chosen_where_it_saves_time(spots, tmp_path):
    drawn = run(spots, tmp_path / "drawn", strategy="head", epochs=6)
    assert [(one["through"], one["views"]) for one in kept(drawn)] == [("layer3", 4)]
    notes = json.loads(drawn.record.read_text())["notes"]
    assert any("4 views of each training image was computed once" in note for note in notes)
    assert not drawn.checkpoint.exists()
    few = run(spots, tmp_path / "few", strategy="head", epochs=4)
    assert kept(few) == []  # four views are what four epochs see


@pytest.mark.parametrize("strategy", ["full", "two-phase"])
def test_nothing_is_kept_where_norms_move_or_nothing_is_frozen(spots, tmp_path, strategy):
    made = run(spots, tmp_path / "run", strategy=strategy, augment=())
    assert kept(made) == []


def test_more_views_than_the_disk_holds_are_refused(spots, tmp_path, monkeypatch):
    space = shutil.disk_usage(tmp_path)._replace(free=200_000)
    monkeypatch.setattr(prefix.shutil, "disk_usage", lambda _: space)
    with pytest.raises(OutputError, match=r"7 views need .* GiB .* are free\. Ask for fewer"):
        run(spots, tmp_path / "asked", strategy="from:layer1", epochs=8, kept_views=7)
    assert not list((tmp_path / "asked").iterdir())  # the same command works with another number
    silent = run(spots, tmp_path / "silent", strategy="from:layer1", epochs=5)
    assert kept(silent) == []  # nobody asked: computed in every epoch instead


class Killed(BaseException):
    """Stands for the power switch."""


def test_a_run_killed_while_it_trains_on_kept_maps_goes_on_the_same(spots, tmp_path, monkeypatch):
    settings = {"strategy": "from:layer3", "epochs": 6, "checkpoint_seconds": 0.0}
    whole = run(spots, tmp_path / "whole", **settings)
    take = Loop.take

    def dying(self, batch, point):
        if batch.step == 9:
            raise Killed
        return take(self, batch, point)

    with monkeypatch.context() as patch:
        patch.setattr(Loop, "take", dying)
        with pytest.raises(Killed):
            run(spots, tmp_path / "killed", **settings)
    computed = []
    with monkeypatch.context() as patch:
        patch.setattr(prefix, "_through", lambda p, x: computed.append(len(x)) or through(p, x))
        again = train(
            spots, tmp_path / "killed", quick(**settings), command=["medgraft"], resume=True
        )
    assert sum(computed) == 2  # the trial alone: what was kept is taken as it is
    assert_same(whole, again)


through = prefix._through


def test_a_run_whose_maps_fill_the_disk_goes_on(spots, tmp_path, monkeypatch):
    """What was kept before it was killed is not asked of the disk again."""
    settings = {"strategy": "head", "epochs": 4, "kept_views": 4}

    def dying(self, batch, point):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Loop, "take", dying)
        with pytest.raises(Killed):
            run(spots, tmp_path / "run", **settings)
    full = shutil.disk_usage(tmp_path)._replace(free=1_000)
    monkeypatch.setattr(prefix.shutil, "disk_usage", lambda _: full)
    again = train(spots, tmp_path / "run", quick(**settings), command=[], resume=True)
    assert [one["views"] for one in kept(again)] == [4]


@pytest.mark.parametrize("frozen", [None, "stem", "layer2", "layer4"])
@pytest.mark.parametrize("head", ["linear", "concat"])
def test_prefix_and_tail_make_the_network(frozen, head):
    network = create("resnet18", in_channels=1, classes=2, head=head).network.eval()
    network.freeze_through(frozen)
    x = torch.rand(3, 1, 64, 64)
    with torch.no_grad():
        assert torch.equal(network.tail(network.prefix(x)), network(x))
    assert network.prefix(x).ndim == (2 if frozen == "layer4" else 4)


def test_moving_norms_make_no_prefix():
    network = create("resnet18", in_channels=1, classes=2).network
    network.freeze_through("layer4", norms="moving")
    assert network.still_through is None
    x = torch.rand(2, 1, 64, 64)
    assert network.prefix(x) is x


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_maps_come_back_as_they_were(layout):
    maps = torch.rand(4, 5, 3, 2).contiguous(memory_format=layout)
    found = prefix.Layout.of(maps)
    rows = found.flat(maps)
    assert rows.shape == (4, 30)
    back = found.unflat(rows)
    assert torch.equal(back, maps)
    assert back.stride() == maps.stride()


def test_taking_maps_copies_them():
    """Stages may write to what they are given."""
    table = torch.arange(12.0).view(3, 4)
    layout = prefix.Layout((4,), torch.float32, channels_last=False)
    maps = prefix.Maps(table, torch.zeros(3, 1), layout, torch.device("cpu"), 0.0)
    for places in (slice(0, 2), np.array([2, 0])):
        maps.take(places).zero_()
    assert torch.equal(table, torch.arange(12.0).view(3, 4))
