"""Crops come out of the store as a slice by hand has them, and never leave a scan."""

import numpy as np
import polars as pl
import pytest
import torch
from torch.nn import functional as F

from medgraft.errors import ArgumentError
from medgraft.pretext.discovery.crops import Crops, resized


class Held:
    """Scans in memory that remember how many were asked for at a time."""

    scale = 255

    def __init__(self, shape, count=5):
        self.array = np.random.default_rng(0).integers(0, 256, (count, *shape), dtype=np.uint8)

    def gather(self, rows):
        return self.array[rows]


@pytest.mark.parametrize("shape", [(1, 20, 24), (3, 20, 24), (1, 12, 20, 24)])
def test_crops_are_the_slices_of_their_scans(shape):
    held, axes = Held(shape), len(shape) - 1
    rng = np.random.default_rng(1)
    crop = (6, 8, 10)[:axes]
    starts = np.stack(
        [rng.integers(0, n - c + 1, 30) for n, c in zip(shape[1:], crop, strict=True)], 1
    )
    rows = rng.integers(0, 5, 30)
    crops = Crops(held, rows, starts, np.tile(crop, (30, 1)), crop)
    asked = rng.permutation(30)[:17]
    for image, number in zip(crops.gather(asked), asked, strict=True):
        box = tuple(slice(a, a + c) for a, c in zip(starts[number], crop, strict=True))
        assert (image == held.array[rows[number]][(slice(None), *box)]).all()


def test_larger_crops_are_resized_linearly():
    held = Held((1, 20, 24))
    crops = Crops(held, np.array([2]), np.array([[3, 4]]), np.array([[12, 16]]), (6, 8))
    whole = torch.from_numpy(held.array[2:3, :, 3:15, 4:20]).float()
    wanted = F.interpolate(whole, (6, 8), mode="bilinear", align_corners=False).round()
    assert (crops.gather(np.array([0]))[0] == wanted[0].numpy()).all()


def test_a_crop_resized_to_its_own_sides_is_itself():
    image = np.arange(24, dtype=np.uint16).reshape(1, 4, 6)
    assert resized(image, (4, 6)) is image


@pytest.mark.parametrize("row", [-1, 1])
def test_a_row_that_is_not_there_is_refused(row):
    crops = Crops(Held((1, 9, 9)), np.array([0]), np.array([[0, 0]]), np.array([[4, 4]]), (4, 4))
    with pytest.raises(ArgumentError, match="rows must be from 0 to 0"):
        crops.gather(np.array([row]))


def test_crops_of_a_table_follow_its_rows():
    held = Held((1, 9, 9))
    frame = pl.DataFrame({"scan": [1, 0], "start": [[2, 3], [0, 5]], "side": [[4, 4], [4, 4]]})
    found = Crops.of(frame, held, np.array([4, 2]), (4, 4)).gather(np.array([0, 1]))
    assert (found[0] == held.array[2][:, 2:6, 3:7]).all()
    assert (found[1] == held.array[4][:, 0:4, 5:9]).all()
