"""Masks in the store: beside their images, row by row, and kept as they are."""

import nibabel
import numpy as np
import pytest
from PIL import Image

from medgraft.errors import ArgumentError, TableError
from medgraft.index.build import build
from medgraft.index.masks import UNLABELLED, MaskClasses
from medgraft.prepare import pipeline
from medgraft.prepare.geometry import prepare_placed
from medgraft.prepare.store import Store
from medgraft.read import read

STEPS = ["intensity", "pad_square", "resize:side=16"]


@pytest.fixture
def cells(tmp_path):
    """Six pictures of different sizes, masks of three classes, the last one without a mask."""
    for name in ("images", "masks"):
        (tmp_path / "cells" / name).mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number in range(6):
        size = (20 + number, 30 - number)
        picture = rng.integers(0, 256, size, dtype=np.uint8)
        Image.fromarray(picture).save(tmp_path / f"cells/images/{number}.png")
        if number < 5:
            mask = rng.choice(np.array([0, 128, 255], np.uint8), size)
            Image.fromarray(mask).save(tmp_path / f"cells/masks/{number}.png")
    return build(tmp_path / "cells", workers=0).index


def expected_mask(index, row, steps=STEPS):
    """The definition: each prepared pixel takes the nearest pixel of the file, or background."""
    image = read(index.file(index.frame["path"][row]))
    mask = read(index.file(index.frame["mask_path"][row])).array[0]
    array, g = prepare_placed(image, pipeline(steps))
    result = np.zeros(array.shape[1:], np.uint8)
    for place in np.ndindex(result.shape):
        near = [0] * len(place)
        for k, n in enumerate(place):
            near[g.axes[k]] = int(np.floor(g.offsets[k] + g.scales[k] * n + 0.5 + 1e-6))
        if all(0 <= p < n for p, n in zip(near, mask.shape, strict=True)):
            result[place] = index.mask_classes.values.index(int(mask[tuple(near)]))
    return result


@pytest.mark.parametrize("memory_bytes", [None, 0])
def test_masks_are_those_of_their_rows_in_any_order(cells, tmp_path, memory_bytes):
    store = Store.open(
        cells, STEPS, cache=tmp_path, workers=0, masks=True, memory_bytes=memory_bytes
    )
    assert (store.masks.array is None) == (memory_bytes == 0)
    assert store.masks.labelled.tolist() == [True] * 5 + [False]
    rows = np.array([4, 0, 5, 2, 2])
    masks = store.gather_masks(rows)
    assert masks.shape == (5, 1, 16, 16)
    assert masks.dtype == np.uint8
    for mask, row in zip(masks, rows.tolist(), strict=True):
        wanted = np.full((16, 16), UNLABELLED) if row == 5 else expected_mask(cells, row)
        np.testing.assert_array_equal(mask[0], wanted)


def test_images_are_shared_with_a_store_without_masks(cells, tmp_path):
    plain = Store.open(cells, STEPS, cache=tmp_path, workers=0)
    with pytest.raises(ArgumentError, match="masks=True"):
        plain.gather_masks(np.array([0]))
    files = {f: f.stat().st_mtime_ns for f in plain.folder.iterdir()}
    store = Store.open(cells, STEPS, cache=tmp_path, workers=0, masks=True)
    assert store.folder == plain.folder
    assert {f: f.stat().st_mtime_ns for f in store.folder.iterdir()} == files
    np.testing.assert_array_equal(store.gather(np.arange(6)), plain.gather(np.arange(6)))


def test_masks_are_prepared_once_and_again_where_they_were_damaged(cells, tmp_path, capsys):
    first = Store.open(cells, STEPS, cache=tmp_path, workers=0, masks=True)
    (folder,) = [f for f in (tmp_path / "store").iterdir() if f != first.folder]
    (shard,) = folder.glob("*.bin")
    before = shard.stat().st_mtime_ns
    Store.open(cells, STEPS, cache=tmp_path, workers=0, masks=True)
    assert shard.stat().st_mtime_ns == before
    shard.write_bytes(b"\7" * shard.stat().st_size)
    again = Store.open(cells, STEPS, cache=tmp_path, workers=0, masks=True)
    np.testing.assert_array_equal(
        again.gather_masks(np.arange(6)), first.gather_masks(np.arange(6))
    )
    assert any("damaged" in note for note in again.notes)
    assert "damaged" in capsys.readouterr().err


def test_a_mask_that_changed_for_the_worse_costs_its_row(cells, tmp_path):
    for number, wrong in ((1, np.full((21, 29), 7, np.uint8)), (2, np.zeros((4, 4), np.uint8))):
        Image.fromarray(wrong).save(cells.root / f"masks/{number}.png")
    store = Store.open(cells, STEPS, cache=tmp_path, workers=0, masks=True)
    assert (store.rows == -1).tolist() == [False, True, True, False, False, False]
    first, second = store.rejects.rows(named=True)
    assert "holds 7, which is no class" in first["reason"]
    assert "4 x 4 for 22 x 28" in second["reason"]


def test_other_classes_have_other_masks(cells, tmp_path):
    Store.open(cells, STEPS, cache=tmp_path, workers=0, masks=True)
    from dataclasses import replace

    turned = replace(cells, mask_classes=MaskClasses(("b", "c", "a"), (128, 255, 0)))
    store = Store.open(turned, STEPS, cache=tmp_path, workers=0, masks=True)
    np.testing.assert_array_equal(
        store.gather_masks(np.array([3]))[0, 0], expected_mask(turned, 3) % 3
    )


@pytest.mark.parametrize("memory_bytes", [None, 0])
def test_an_image_that_was_outlined_twice_stands_twice(cells, tmp_path, memory_bytes):
    (cells.root / "images/again.png").write_bytes((cells.root / "images/1.png").read_bytes())
    (cells.root / "images/same.png").write_bytes((cells.root / "images/0.png").read_bytes())
    (cells.root / "masks/same.png").write_bytes((cells.root / "masks/0.png").read_bytes())
    Image.fromarray(np.full((21, 29), 255, np.uint8)).save(cells.root / "masks/again.png")
    index = build(cells.root, workers=0).index
    store = Store.open(
        index, STEPS, cache=tmp_path, workers=0, masks=True, memory_bytes=memory_bytes
    )
    row = dict(zip(index.frame["path"], store.rows.tolist(), strict=True))
    assert row["images/same.png"] == row["images/0.png"]
    one, two = row["images/1.png"], row["images/again.png"]
    assert one != two
    np.testing.assert_array_equal(*store.gather(np.array([one, two])))
    masks = store.gather_masks(store.rows)
    for number, path in enumerate(index.frame["mask_path"]):
        if path is not None:
            np.testing.assert_array_equal(masks[number, 0], expected_mask(index, number))


def test_masks_of_an_index_without_any_are_refused(archive, tmp_path):
    from tests.prepare.conftest import index_of

    with pytest.raises(TableError, match="must have masks"):
        Store.open(index_of(archive), STEPS, cache=tmp_path, workers=0, masks=True)


def test_volumes_in_odd_orientations_and_their_masks_end_up_alike(tmp_path):
    """Masks that are made of the image itself must agree with it after every turn."""
    root = tmp_path / "volumes"
    for name in ("images", "labels"):
        (root / name).mkdir(parents=True)
    rng = np.random.default_rng(0)
    turns = (
        [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
        [[0, -2, 0], [1, 0, 0], [0, 0, 3]],
        [[0, 0, -1], [0, -1, 0], [2, 0, 0]],
    )
    for number, turn in enumerate(turns):
        affine = np.eye(4)
        affine[:3, :3] = turn
        array = rng.integers(0, 256, (9 + number, 12, 7), dtype=np.uint8)
        for name, values in (("images", array), ("labels", (array > 127).astype(np.uint8))):
            nibabel.save(nibabel.Nifti1Image(values, affine), root / name / f"v{number}.nii.gz")
    index = build(root, workers=0).index
    steps = ["orient", "intensity", "crop_or_pad:side=10;8;6"]
    store = Store.open(index, steps, cache=tmp_path, workers=0, masks=True)
    images, masks = store.gather(np.arange(3)), store.gather_masks(np.arange(3))
    assert images.shape == masks.shape == (3, 1, 10, 8, 6)
    np.testing.assert_array_equal(images > 127, masks == 1)
