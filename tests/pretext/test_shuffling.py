"""Shuffling against the windows taken one by one."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from medgraft.pretext import shuffling
from medgraft.pretext.distorter import Distorter, Stage
from medgraft.pretext.shuffling import entries, random_windows, sources, uppermost
from tests.slow_twins import genesis as slow

shapes = st.one_of(st.tuples(*[st.integers(2, 14)] * 2), st.tuples(*[st.integers(2, 9)] * 3))


def windows(seed, count, shape, samples=2):
    keys = torch.arange(samples) * 7919 + seed
    largest = tuple(max(1, size // 2) for size in shape)
    return keys + 10**12, *random_windows(keys, count, shape, largest)


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 10**6), st.integers(1, 60), shapes)
def test_equals_the_windows_one_after_the_other(seed, count, shape):
    keys, start, side = windows(seed, count, shape)
    voxels = int(np.prod(shape))
    top = np.full(2 * voxels, -1)
    for number, own, _ in one_by_one(keys, start, side, shape):
        top[own] = number
    seen = torch.from_numpy(np.isin(np.arange(2 * count), top)).reshape(2, count, 1)
    state, painted = np.arange(2 * voxels), np.arange(2 * voxels)
    for _, own, read in one_by_one(keys, start, side, shape):
        assert sorted(own) == sorted(read)
        state[own] = state[read]
    for _, own, read in one_by_one(
        keys, start, side * seen, shape
    ):  # the others get no permutation
        painted[own] = read
    for expected, in_sequence in ((state, True), (painted, False)):
        found = sources(keys, start, side, shape, in_sequence=in_sequence)
        np.testing.assert_array_equal(found.numpy(), expected.reshape(2, -1) - [[0], [voxels]])


def one_by_one(keys, start, side, shape):
    """Number, voxels, and voxels that are read, of every window."""
    listed, end = entries(keys, start, side, shape), 0
    for number, length in enumerate(side.prod(2).flatten().tolist()):
        window = slice(end, end := end + length)
        read = listed.voxel[listed.source[window].long()]
        yield number, listed.voxel[window].tolist(), read.tolist()


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10**6), shapes)
def test_lists_exactly_the_voxels_of_each_window(seed, shape):
    keys, start, side = windows(seed, 5, shape, samples=1)
    listed, end = entries(keys, start, side, shape), 0
    places = np.arange(np.prod(shape)).reshape(shape)
    for first, length in zip(start[0].tolist(), side[0].tolist(), strict=True):
        box = tuple(slice(f, f + n) for f, n in zip(first, length, strict=True))
        own = listed.voxel[end : end + np.prod(length)]
        assert sorted(own.tolist()) == sorted(places[box].flatten().tolist())
        end += np.prod(length)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10**6), st.integers(1, 40), shapes)
def test_the_uppermost_window_is_the_last_one_painted(seed, count, shape):
    _, start, side = windows(seed, count, shape, samples=1)
    painted = np.full(shape, -1)
    for number in range(count):
        box = zip(start[0, number].tolist(), side[0, number].tolist(), strict=True)
        painted[tuple(slice(f, f + n) for f, n in box)] = number
    assert uppermost(start, side, shape).flatten().tolist() == painted.flatten().tolist()


def test_blocks_change_nothing(monkeypatch):
    keys, start, side = windows(5, 300, (30, 20), samples=3)
    whole = [sources(keys, start, side, (30, 20), in_sequence=flag) for flag in (True, False)]
    monkeypatch.setattr(shuffling, "_BLOCK", 50)
    blocks = [sources(keys, start, side, (30, 20), in_sequence=flag) for flag in (True, False)]
    assert all(torch.equal(one, other) for one, other in zip(whole, blocks, strict=True))


def test_one_window_moves_a_voxel_by_less_than_its_side():
    keys, start, side = windows(3, 1, (40, 40), samples=50)
    place = torch.arange(1600)
    source = sources(keys, start, side, (40, 40), in_sequence=True)
    assert ((source // 40 - place // 40).abs() < side[:, 0, :1]).all()
    assert ((source % 40 - place % 40).abs() < side[:, 0, 1:]).all()
    moved = (source != place).sum(1)
    assert (moved <= side.prod(2)[:, 0]).all()


def test_all_permutations_of_a_window_are_equally_likely():
    count = 24_000
    start, side = torch.zeros(count, 1, 2).long(), torch.full((count, 1, 2), 2)
    source = sources(torch.arange(count) * 31, start, side, (2, 2), in_sequence=True)
    _, often = source.unique(dim=0, return_counts=True)
    assert len(often) == 24
    chi_square = ((often - 1000).double() ** 2 / 1000).sum()
    assert chi_square < 50  # 23 degrees of freedom: 0.1 % of all cases lie above 49.7


@pytest.mark.parametrize(("windows_", "low", "high"), [(1000, 0.990, 0.992), (10_000, 0.78, 0.795)])
def test_published_shuffling_keeps_as_many_distinct_values_as_was_measured(windows_, low, high):
    image = torch.arange(131_072.0, dtype=torch.float64).reshape(1, 1, 64, 64, 32) / 131_072
    distorter = Distorter([Stage((f"local_shuffle:windows={windows_},as_published=true",))], 3)
    changed, _ = distorter.apply(image, distorter.draw(1, (64, 64, 32), seed=0))
    assert low < len(changed.unique()) / 131_072 < high


@pytest.mark.parametrize("shape", [(64, 64, 32), (96, 80)])
def test_corrected_shuffling_keeps_the_multiset_of_values(shape):
    image = torch.rand(1, 2, *shape)
    distorter = Distorter([Stage(("local_shuffle",))], len(shape))
    changed, _ = distorter.apply(image, distorter.draw(1, shape, seed=0))
    for channel in range(2):
        assert torch.equal(
            changed[0, channel].flatten().sort()[0], image[0, channel].flatten().sort()[0]
        )


@pytest.mark.parametrize("published", [False, True])
@pytest.mark.parametrize("shape", [(64, 64, 32), (224, 224)])
def test_statistics_are_those_of_the_slow_twin(shape, published):
    """Share of voxels that moved, and of distinct values that are left, with 2,000 windows."""
    image = np.arange(np.prod(shape)).reshape(1, *shape)
    flag = str(published).lower()
    distorter = Distorter([Stage((f"local_shuffle:windows=2000,as_published={flag}",))], len(shape))
    batch = torch.from_numpy(image)[None].double().expand(3, 1, *shape) / image.size
    fast = distorter.apply(batch, distorter.draw(3, shape, seed=1))[0]
    rng = np.random.default_rng(0)
    twins = [slow.local_shuffle(image, rng, published, windows=2000) for _ in range(3)]
    touched = (fast != batch).double().mean().item()
    distinct = np.mean([len(one.unique()) for one in fast]) / image.size
    assert touched == pytest.approx(np.mean([twin != image for twin in twins]), abs=0.01)
    assert distinct == pytest.approx(
        np.mean([len(np.unique(twin)) for twin in twins]) / image.size, abs=0.005
    )


def test_sides_are_uniform_and_places_reach_both_borders():
    _, start, side = windows(0, 10_000, (64, 64, 32), samples=1)
    side = random_windows(torch.tensor([5]), 12_000, (64, 64, 32), (6, 6, 3))[1][0]
    for axis, most in enumerate((6, 6, 3)):
        often = side[:, axis].bincount()[1:].double()
        assert len(often) == most
        assert ((often - 12_000 / most).abs() < 4.5 * (12_000 / most) ** 0.5).all()
    start, side = random_windows(torch.tensor([5]), 12_000, (64, 32), (6, 3))
    assert start.amin((0, 1)).tolist() == [0, 0]
    assert (start + side).amax((0, 1)).tolist() == [64, 32]
