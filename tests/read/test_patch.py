"""Patches of volumes around places in millimetres, against SimpleITK."""

import numpy as np
import pytest
import SimpleITK as sitk

from medgraft.errors import ReadError
from medgraft.read import read
from medgraft.read.patch import Patch


@pytest.fixture
def volume(tmp_path):
    """A volume; its axes may be turned over, as those of part of LUNA16 are."""

    def make(flip=1, name="scan.mhd", packed=False):
        values = np.arange(20 * 30 * 40, dtype=np.int16).reshape(20, 30, 40)
        image = sitk.GetImageFromArray(values)
        image.SetSpacing((0.7, 0.8, 2.5))
        image.SetOrigin((-195.5, 120.25, -378.0))
        image.SetDirection((flip, 0, 0, 0, flip, 0, 0, 0, 1))
        sitk.WriteImage(image, tmp_path / name, useCompression=packed)
        return image, tmp_path / name

    return make


@pytest.mark.parametrize("flip", [1, -1])
@pytest.mark.parametrize(("name", "packed"), [("s.mhd", False), ("s.mha", False), ("s.mha", True)])
def test_the_middle_of_a_patch_is_the_voxel_that_simpleitk_finds(volume, flip, name, packed):
    image, path = volume(flip, name, packed)
    for voxel in ((20, 15, 10), (12, 20, 8), (33, 9, 12)):
        place = image.TransformContinuousIndexToPhysicalPoint([float(v) for v in voxel])
        x, y, z = place
        scan = read(f"{path}#at/{x:.4f},{y:.4f},{z:.4f}/5mm")
        sizes = (7, 6, 2)
        assert scan.array.shape == (1, *sizes)
        first = [v - s // 2 + (s % 2 == 0) for v, s in zip(voxel, sizes, strict=True)]
        whole = sitk.GetArrayFromImage(image).T
        part = tuple(slice(f, f + s) for f, s in zip(first, sizes, strict=True))
        np.testing.assert_array_equal(scan.array[0], whole[part])
        corner = image.TransformIndexToPhysicalPoint(first)
        np.testing.assert_allclose(scan.affine[:3, 3] * (-1, -1, 1), corner, atol=1e-9)
        assert scan.spacing_mm == pytest.approx((0.7, 0.8, 2.5))


def test_a_patch_ends_at_the_edge_and_may_be_all(volume):
    image, path = volume()
    x, y, z = image.TransformIndexToPhysicalPoint((0, 0, 0))
    assert read(f"{path}#at/{x},{y},{z}/10mm").array.shape == (1, 8, 7, 3)
    np.testing.assert_array_equal(read(f"{path}#at/{x},{y},{z}/9999mm").array, read(path).array)


def test_a_place_outside_of_the_volume_is_refused(volume):
    image, path = volume()
    x, y, z = image.TransformContinuousIndexToPhysicalPoint((-0.6, 5.0, 5.0))
    with pytest.raises(
        ReadError, match=r"its centre lies at voxel -0\.6, 5\.0, 5\.0, outside of 40"
    ):
        read(f"{path}#at/{x:.6f},{y:.6f},{z:.6f}/10mm")


@pytest.mark.parametrize(
    "member", ["at/1,2/5mm", "at/1,2,3/0mm", "at/1,2,3/5", "at/nan,2,3/5mm", "at/1e9,2,3/5mm", "5"]
)
def test_what_names_no_patch_is_refused(volume, member):
    assert Patch.parse(member) is None
    with pytest.raises(ReadError, match="it has no such member"):
        read(f"{volume()[1]}#{member}")


def test_only_the_patch_counts_and_a_file_cut_short_is_refused(volume):
    image, path = volume()
    x, y, z = image.TransformIndexToPhysicalPoint((20, 15, 10))
    asked = f"{path}#at/{x},{y},{z}/5mm"
    assert read(asked, max_bytes=1000).array.size == 7 * 6 * 2
    with pytest.raises(ReadError, match="may be taken"):
        read(path, max_bytes=1000)
    raw = path.with_suffix(".raw")
    raw.write_bytes(raw.read_bytes()[:-1])
    with pytest.raises(ReadError, match="it is cut short: 48000 bytes"):
        read(asked)
    path.write_text(path.read_text().replace("Offset", "Unsaid").replace("Position", "Unsaid"))
    with pytest.raises(ReadError, match="gives no place in millimetres"):
        read(asked)
