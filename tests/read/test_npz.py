"""One image out of an NPZ."""

import numpy as np
import pytest

from medgraft.errors import ReadError
from medgraft.read import read
from medgraft.read.formats import numpy as reader


@pytest.fixture
def archive(tmp_path):
    images = np.random.default_rng(0).integers(0, 255, (6, 5, 7, 3), np.uint8)
    np.savez_compressed(tmp_path / "x.npz", images=images, labels=np.arange(6))
    return tmp_path / "x.npz", images


@pytest.mark.parametrize("kept_bytes", [2**28, 0], ids=["kept", "streamed"])
def test_a_member_and_a_number_pick_one_image(archive, monkeypatch, kept_bytes):
    path, images = archive
    monkeypatch.setattr(reader, "KEPT_BYTES", kept_bytes)
    for number in (0, 5, 2):
        scan = read(f"{path}#images/{number}")
        np.testing.assert_array_equal(scan.array, images[number].transpose(2, 0, 1))
        assert scan.source == f"{path}#images/{number}"
        scan.array[:] = 0  # belongs to the caller; the next reader must not see it
        np.testing.assert_array_equal(read(scan.source).array[0], images[number][..., 0])


def test_a_file_that_changed_is_read_again(archive):
    path, images = archive
    read(f"{path}#images/0")
    np.savez_compressed(path, images=images[::-1].copy(), more=images)
    np.testing.assert_array_equal(read(f"{path}#images/0").array[0], images[-1][..., 0])


def test_images_stored_column_by_column_are_picked_alike(tmp_path):
    images = np.arange(2 * 5 * 7).reshape(2, 5, 7)
    np.savez(tmp_path / "x.npz", images=np.asfortranarray(images))
    np.testing.assert_array_equal(read(f"{tmp_path}/x.npz#images/1").array[0], images[1])


@pytest.mark.parametrize(
    ("member", "reason"),
    [
        ("", "2 arrays .images, labels., and one must be named"),
        ("#image/0", "no array in it is called 'image/0'"),
        ("#images/6", "6 images, numbered from 0"),
        ("#images/-1", "whole number"),
        ("#images/one", "whole number"),
        ("#labels/0", r"shape \(\) is no single image"),
    ],
)
def test_what_is_not_there_is_refused_with_what_is(archive, member, reason):
    with pytest.raises(ReadError, match=reason):
        read(f"{archive[0]}{member}")
