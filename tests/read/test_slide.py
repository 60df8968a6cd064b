"""Patches of whole slides, against all of each level."""

import numpy as np
import pytest
import tifffile
from tests.slides import picture, slide

from medgraft.errors import ReadError
from medgraft.read import read
from medgraft.read.request import Request
from medgraft.read.slide import opened


@pytest.fixture(scope="module")
def tumour(tmp_path_factory):
    return slide(tmp_path_factory.mktemp("slide") / "tumor_001.tif", picture())


@pytest.mark.parametrize("options", [{}, {"compression": "deflate"}, {"compression": "jpeg"}])
def test_a_patch_is_that_part_of_its_level(tmp_path, options):
    path = slide(tmp_path / "a.tif", picture(), **options)
    with tifffile.TiffFile(path) as file:
        for level, column, row, side in (
            (0, 0, 0, 64),
            (0, 100, 37, 200),
            (2, 65, 1, 127),
            (3, 0, 0, 64),
        ):
            whole = file.pages[level].asarray()
            patch = read(f"{path}#level/{level}/{column},{row}/{side}")
            wanted = whole[row : row + side, column : column + side]
            np.testing.assert_array_equal(patch.array, np.moveaxis(wanted, -1, 0))
            assert patch.value_range == (0, 255)


def test_levels_are_the_pages_that_shrink_and_no_label(tumour):
    with opened(Request(tumour)) as found:
        assert [(x.columns, x.rows, x.scale) for x in found.levels] == [
            (768, 512, 1),
            (384, 256, 2),
            (192, 128, 4),
            (96, 64, 8),
        ]
        np.testing.assert_array_equal(found.whole(3), picture()[::8, ::8])


def test_a_thumbnail_between_the_levels_is_none_of_them(tmp_path):
    whole = picture()
    with tifffile.TiffWriter(tmp_path / "a.svs") as file:
        for step, tile in ((1, (64, 64)), (8, None), (2, (64, 64)), (4, (64, 64))):
            part = np.ascontiguousarray(whole[::step, ::step])
            file.write(part, tile=tile, photometric="rgb", metadata=None)
    with opened(Request(tmp_path / "a.svs")) as found:
        assert [level.scale for level in found.levels] == [1, 2, 4]
    patch = read(f"{tmp_path / 'a.svs'}#level/1/64,32/64").array
    np.testing.assert_array_equal(patch, np.moveaxis(whole[64:192:2, 128:256:2], -1, 0))


def test_only_the_tiles_that_a_patch_touches_are_read(tumour, tmp_path):
    path = tmp_path / "damaged.tif"
    data = bytearray(tumour.read_bytes())
    with tifffile.TiffFile(tumour) as file:
        at, count = file.pages[0].dataoffsets[5], file.pages[0].databytecounts[5]
    data[at : at + count] = bytes(count)
    path.write_bytes(data)
    np.testing.assert_array_equal(
        read(f"{path}#level/0/0,0/256").array, read(f"{tumour}#level/0/0,0/256").array
    )
    assert (read(f"{path}#level/0/320,0/64").array == 0).all()


def test_tiles_that_were_not_stored_are_white(tmp_path):
    path = tmp_path / "sparse.tif"
    tiles = [np.zeros((64, 64, 3), np.uint8), None, None, np.full((64, 64, 3), 7, np.uint8)]
    with tifffile.TiffWriter(path) as file:
        file.write(
            iter(tiles),
            shape=(128, 128, 3),
            dtype=np.uint8,
            tile=(64, 64),
            photometric="rgb",
            metadata=None,
        )
    with tifffile.TiffFile(path) as file:
        assert file.pages[0].databytecounts[1] == 0
    found = read(f"{path}#level/0/0,0/128").array[0]
    assert [found[0, 0], found[0, 64], found[64, 0], found[64, 64]] == [0, 255, 255, 7]


@pytest.mark.parametrize(
    ("member", "reason"),
    [
        ("level/0/700,0/256", "reaches out of level 0 of 768 x 512"),
        ("level/9/0,0/8", "it has 4 levels"),
        ("level/0/0,0/0", "reaches out"),
        ("level/0/-1,0/8", "no such member"),
        ("page/0", "no such member"),
    ],
)
def test_what_is_no_place_of_the_slide_is_refused(tumour, member, reason):
    with pytest.raises(ReadError, match=reason):
        read(f"{tumour}#{member}")


def test_a_slide_is_read_in_little_memory_and_cut_short_it_is_refused(tumour, tmp_path):
    assert read(f"{tumour}#level/0/0,0/64", max_bytes=64 * 64 * 3).array.shape == (3, 64, 64)
    with pytest.raises(ReadError, match="may be taken"):
        read(f"{tumour}#level/0/0,0/65", max_bytes=64 * 64 * 3)
    path = tmp_path / "short.tif"
    path.write_bytes(tumour.read_bytes()[: tumour.stat().st_size // 2])
    with pytest.raises(ReadError):
        read(f"{path}#level/3/0,0/64")
    grey = tmp_path / "deep.tif"
    tifffile.imwrite(grey, np.zeros((64, 64), np.uint16))
    with pytest.raises(ReadError, match="must be grey or RGB with 8 bits"):
        read(f"{grey}#level/0/0,0/64")
