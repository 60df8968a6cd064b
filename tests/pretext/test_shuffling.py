"""Shuffling against the windows taken one by one."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from medgraft.pretext import shuffling
from medgraft.pretext.distorter import Distorter, Stage
from medgraft.pretext.shuffling import (
    entries,
    flattened,
    random_windows,
    runs,
    sources,
    uppermost,
)
from tests.slow_twins import genesis as slow

shapes = st.one_of(st.tuples(*[st.integers(2, 14)] * 2), st.tuples(*[st.integers(2, 9)] * 3))


def windows(seed, count, shape, samples=2):
    keys = torch.arange(samples) * 7919 + seed
    largest = tuple(max(1, size // 2) for size in shape)
    return keys + 10**12, *random_windows(keys, count, shape, largest)


def boxes(start, side):
    """Sample and slices of every window, sample after sample."""
    for sample in range(len(start)):
        for first, length in zip(start[sample].T.tolist(), side[sample].T.tolist(), strict=True):
            yield sample, tuple(slice(f, f + n) for f, n in zip(first, length, strict=True))


def one_by_one(keys, start, side, shape):
    """Voxels, and voxels that are read, of every window."""
    found, end = entries(flattened(keys, start, side, shape)), 0
    assert found.voxel.dtype == found.source.dtype == torch.int32
    for length in side.prod(1).flatten().tolist():
        window = slice(end, end := end + length)
        yield found.voxel[window].tolist(), found.source[window].tolist()


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 10**6), st.integers(1, 60), shapes)
def test_equals_the_windows_one_after_the_other(seed, count, shape):
    keys, start, side = windows(seed, count, shape)
    acts = list(one_by_one(keys, start, side, shape))
    state, painted = (np.arange(2 * np.prod(shape)) for _ in range(2))
    for own, read in acts:
        painted[own] = read
    for number in runs(start, side)[0].tolist():
        own, read = acts[number]
        state[own] = state[read]
    for expected, in_sequence in ((state, True), (painted, False)):
        found = sources(keys, start, side, shape, in_sequence=in_sequence)
        np.testing.assert_array_equal(found.numpy(), expected)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10**6), shapes)
def test_lists_exactly_the_voxels_of_each_window_and_permutes_them(seed, shape):
    keys, start, side = windows(seed, 5, shape)
    places = np.arange(2 * np.prod(shape)).reshape(2, *shape)
    acts = one_by_one(keys, start, side, shape)
    for (sample, box), (own, read) in zip(boxes(start, side), acts, strict=True):
        assert sorted(own) == sorted(read) == sorted(places[sample][box].flatten().tolist())


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10**6), st.integers(1, 60), shapes)
def test_the_windows_of_a_run_do_not_meet_and_all_windows_are_in_one(seed, count, shape):
    _, start, side = windows(seed, count, shape)
    order, run = runs(start, side)
    assert sorted(order.tolist()) == list(range(2 * count))
    assert (run.diff() >= 0).all()
    every = list(boxes(start, side))
    for number in range(int(run[-1]) + 1):
        covered = np.zeros((2, *shape))
        for window in order[run == number].tolist():
            sample, box = every[window]
            covered[sample][box] += 1
        assert covered.max() <= 1


def test_the_order_of_a_sample_does_not_depend_on_its_batch():
    _, start, side = windows(5, 200, (30, 20), samples=3)
    order = runs(start, side)[0]
    for sample in range(3):
        own = order[order // 200 == sample] - 200 * sample
        one = slice(sample, sample + 1)
        assert own.tolist() == runs(start[one], side[one])[0].tolist()


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10**6), st.integers(1, 40), shapes)
def test_the_uppermost_window_is_the_last_one_painted(seed, count, shape):
    _, start, side = windows(seed, count, shape, samples=1)
    painted = np.full(shape, -1)
    for number, (_, box) in enumerate(boxes(start, side)):
        painted[box] = number
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
    source = sources(keys, start, side, (40, 40), in_sequence=True).reshape(50, -1) % 1600
    assert ((source // 40 - place // 40).abs() < side[:, 0]).all()
    assert ((source % 40 - place % 40).abs() < side[:, 1]).all()
    moved = (source != place).sum(1)
    assert (moved <= side.prod(1)[:, 0]).all()


def test_all_permutations_of_a_window_are_equally_likely():
    count = 24_000
    start, side = torch.zeros(count, 2, 1).int(), torch.full((count, 2, 1), 2)
    source = sources(torch.arange(count) * 31, start, side, (2, 2), in_sequence=True)
    _, often = (source.reshape(-1, 4) % 4).unique(dim=0, return_counts=True)
    assert len(often) == 24
    chi_square = ((often - 1000).double() ** 2 / 1000).sum()
    assert chi_square < 50  # 23 degrees of freedom: 0.1 % of all cases lie above 49.7


@pytest.mark.parametrize(("windows_", "share"), [(1000, 0.991), (10_000, 0.787)])
def test_published_shuffling_keeps_as_many_distinct_values_as_was_measured(windows_, share):
    image = torch.arange(131_072.0, dtype=torch.float64).reshape(1, 1, 64, 64, 32) / 131_072
    distorter = Distorter([Stage((f"local_shuffle:windows={windows_},as_published=true",))], 3)
    images = image.expand(6, *image.shape[1:])
    changed, _ = distorter.apply(images, distorter.draw(6, (64, 64, 32), seed=0))
    assert np.mean([len(one.unique()) for one in changed]) / 131_072 == pytest.approx(
        share, abs=0.003
    )


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
    """Voxels that moved, how far, and distinct values that are left, with 2,000 windows."""
    image = np.arange(np.prod(shape)).reshape(1, *shape)
    flag = str(published).lower()
    distorter = Distorter([Stage((f"local_shuffle:windows=2000,as_published={flag}",))], len(shape))
    batch = torch.from_numpy(image)[None].double().expand(3, 1, *shape) / image.size
    fast = distorter.apply(batch, distorter.draw(3, shape, seed=1))[0] * image.size
    rng = np.random.default_rng(0)
    twins = [slow.local_shuffle(image, rng, published, windows=2000) for _ in range(3)]
    *shares, far = statistics(np.rint(fast.numpy()).astype(int), shape)
    *expected_shares, expected_far = statistics(twins, shape)
    # Of 150 images of either kind, shares spread by at most 0.0055: four standard errors.
    assert shares == pytest.approx(expected_shares, abs=0.018)
    assert far == pytest.approx(expected_far, rel=0.05)


def statistics(sources, shape):
    """Share of voxels that moved, share of values that are left, root mean square distance."""
    here = np.arange(np.prod(shape))
    sources = np.reshape(sources, (-1, here.size))
    left = np.mean([(np.bincount(source, minlength=here.size) > 0).mean() for source in sources])
    far = np.subtract(np.unravel_index(sources, shape), np.unravel_index(here[None], shape))
    return (sources != here).mean(), left, (far**2).sum(0).mean() ** 0.5


def test_sides_are_uniform_and_places_reach_both_borders():
    side = random_windows(torch.tensor([5]), 12_000, (64, 64, 32), (6, 6, 3))[1][0]
    for axis, most in enumerate((6, 6, 3)):
        often = side[axis].bincount()[1:].double()
        assert len(often) == most
        assert ((often - 12_000 / most).abs() < 4.5 * (12_000 / most) ** 0.5).all()
    start, side = random_windows(torch.tensor([5]), 12_000, (64, 32), (6, 3))
    assert start.amin((0, 2)).tolist() == [0, 0]
    assert (start + side).amax((0, 2)).tolist() == [64, 32]
