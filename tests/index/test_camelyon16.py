"""Whole slides to patches: tissue, tumour and the slides that are known to be wrong."""

import runpy
from pathlib import Path

import numpy as np
import pytest
import tifffile
from tests.slides import picture, slide

from medgraft.errors import ArgumentError, TableError
from medgraft.index.build import build
from medgraft.index.layouts import Asked
from medgraft.index.layouts._tissue import otsu, tissue
from medgraft.index.layouts.camelyon16 import _Grid

EXAMPLE = Path(__file__).parent / "layouts/example_camelyon16.py"
ASKED = Asked(path="{slide}#level/0/64")  # tissue fills rows 64 to 320, columns 128 to 512


@pytest.fixture(scope="module")
def xml():
    return runpy.run_path(str(EXAMPLE))["xml"]


@pytest.fixture
def made(tmp_path, xml):
    """Slides by name, each with the outlines that are given."""

    def make(asked=ASKED, text=None, decode=False, **slides):
        for seed, (name, outlines) in enumerate(slides.items()):
            file = tmp_path / f"images/{name}.tif"
            if not file.exists():
                slide(file, picture(seed=seed), compression="deflate")
            if outlines is not None:
                (tmp_path / f"{name}.xml").write_text(text or xml(*outlines))
        return build(tmp_path, asked=asked, decode=decode, workers=0)

    return make


def test_otsu_divides_where_the_variance_between_classes_is_largest():
    for seed in range(5):
        counts = np.random.default_rng(seed).integers(0, 50, 30)
        values = np.repeat(np.arange(30), counts)

        def between(cut, values=values):
            low, high = values[values <= cut], values[values > cut]
            if len(low) == 0 or len(high) == 0:
                return 0.0
            return len(low) * len(high) * (low.mean() - high.mean()) ** 2

        best = max(range(30), key=between)
        assert between(otsu(counts)) == pytest.approx(between(best))


def test_tissue_is_what_is_stained():
    found = tissue(picture())
    wanted = np.zeros(found.shape, dtype=bool)
    wanted[64:320, 128:512] = True
    assert (found == wanted).mean() > 0.999
    assert not tissue(np.full((9, 9, 3), 240, np.uint8)).any()


def test_shares_are_means_over_the_patches():
    mask = np.random.default_rng(0).random((12, 16)) > 0.5
    columns, rows = np.arange(4) * 64, np.arange(3) * 64
    shares = _Grid(columns, rows, 64, 2.0).shares(mask, 32.0)
    for i in range(3):
        for j in range(4):
            assert shares[i, j] == pytest.approx(mask[4 * i : 4 * i + 4, 4 * j : 4 * j + 4].mean())


def test_patches_lie_in_tissue_and_are_labelled_by_what_is_outlined(made):
    square = [(128, 64), (255, 64), (255, 191), (128, 191)]
    corner = [(256, 64), (279, 64), (279, 87), (256, 87)]
    hole = [(128, 64), (191, 64), (191, 127), (128, 127)]
    index = made(tumor_001=[("Tumor", square), ("_1", corner), ("Exclusion", hole)]).index
    frame = index.frame.sort("row", "column")
    assert frame.height == 4 * 6
    assert set(frame["column"]) == set(range(128, 512, 64))
    assert set(frame["row"]) == set(range(64, 320, 64))
    label = {(c, r): y for c, r, y in frame.select("column", "row", "tumour").iter_rows()}
    ones = {place for place, value in label.items() if value == 1}
    assert ones == {(192, 64), (128, 128), (192, 128)}
    assert [place for place, value in label.items() if value == -1] == [(256, 64)]
    assert label[128, 64] == 0


def test_slides_that_are_known_to_be_wrong_are_said_and_blank(made, tmp_path):
    (tmp_path / "reference.csv").write_text("test_049,Normal,None,None\ntest_001,Tumor,IDC,Macro\n")
    square = [(128, 64), (255, 64), (255, 191), (128, 191)]
    slides = {"normal_086": None, "tumor_015": [("_0", square)], "test_049": None, "test_001": None}
    (tmp_path / "tumor_015_mask.tif").write_bytes(b"II*\0")  # the outlines decide
    (tmp_path / "tumor_016_mask.tif").write_bytes(b"II*\0")
    built = made(**slides)
    labels = {
        name: set(part["tumour"].to_list())
        for (name,), part in built.index.frame.group_by(["group"])
    }
    assert labels == {
        "normal_086": {None},
        "tumor_015": {1, None},
        "test_003": {0},
        "test_001": {None},
    }
    assert set(built.index.frame.filter(group="test_003")["orig_split"]) == {"test"}
    assert built.index.rejects["path"].to_list() == ["tumor_016_mask.tif"]
    assert built.notes[1:] == (
        "1 slides have neither outlines nor a mask nor a diagnosis",
        "normal_086 shows tumour that its name denies; its labels are blank",
        "not all tumour is outlined in tumor_015: blank outside of their outlines",
        "test_049 is the same slide as test_003, and of its group",
    )


def masked(path, numbers, **options):
    """A mask as the publishers write them: a pyramid of numbers."""
    with tifffile.TiffWriter(path, bigtiff=True) as file:
        for level in range(3):
            part = np.ascontiguousarray(numbers[:: 2**level, :: 2**level])
            file.write(part, tile=(64, 64), photometric="minisblack", metadata=None, **options)


def test_a_mask_labels_patches_as_the_outlines_do_from_which_it_was_made(made, tmp_path):
    square = [(128, 64), (255, 64), (255, 191), (128, 191)]
    corner = [(256, 64), (279, 64), (279, 87), (256, 87)]
    hole = [(128, 64), (191, 64), (191, 127), (128, 127)]
    outlined = made(tumor_002=[("Tumor", square), ("_1", corner), ("Exclusion", hole)])
    (tmp_path / "tumor_002.xml").unlink()
    numbers = np.zeros((512, 768), np.uint8)
    numbers[64:192, 128:256] = 1
    numbers[64:88, 256:280] = 1
    numbers[64:128, 128:192] = 2
    masked(tmp_path / "Tumor_002_Mask.tif", numbers, compression="lzw")
    built = made(tumor_002=None)
    assert built.index.frame.drop("image_id").equals(outlined.index.frame.drop("image_id"))
    assert "1 slides have no outlines and are labelled by their masks" in built.notes


def test_tiles_that_a_mask_does_not_store_are_no_tumour(made, tmp_path):
    tiles = [np.zeros((64, 64), np.uint8), *[None] * 95]
    tiles[2 * 12 + 4] = np.ones((64, 64), np.uint8)  # at column 256, row 128
    with tifffile.TiffWriter(tmp_path / "test_001_mask.tif", bigtiff=True) as file:
        file.write(
            iter(tiles),
            shape=(512, 768),
            dtype=np.uint8,
            tile=(64, 64),
            photometric="minisblack",
            metadata=None,
        )
    frame = made(test_001=None).index.frame
    assert frame.filter(tumour=1).select("column", "row").rows() == [(256, 128)]
    assert set(frame["tumour"]) == {0, 1}


def numbered(value, shape=(512, 768)):
    numbers = np.zeros(shape, np.uint8)
    numbers[64:192, 128:256] = value
    return numbers


@pytest.mark.parametrize(
    ("numbers", "reason"),
    [
        (numbered(3), "its mask must hold 0, 1 and 2, and holds 3"),
        (numbered(1, (512, 640)), "must be as large as it is, 768 x 512 pixels, and is 640 x 512"),
        (np.ones((512, 768), np.uint8), "its mask marks all tissue"),
        (None, "cut short"),
    ],
)
def test_a_mask_that_cannot_be_used_costs_its_slide_a_reject(made, tmp_path, numbers, reason):
    made(normal_002=None)
    file = tmp_path / "tumor_001_mask.tif"
    masked(file, numbered(1) if numbers is None else numbers)
    if numbers is None:
        file.write_bytes(file.read_bytes()[:9000])
    masked(tmp_path / "normal_002_mask.tif", np.ones((512, 768), np.uint8))  # tissue, not asked
    index = made(tumor_001=None).index
    assert index.rejects["path"].to_list() == ["images/tumor_001.tif"]
    assert reason in index.rejects["reason"][0]
    assert index.frame.select("group", "tumour").unique().rows() == [("normal_002", 0)]


def test_patches_of_a_level_are_those_that_are_read(made):
    index = made(asked=Asked(path="{slide}#level/1/64"), decode=True, normal_001=None).index
    assert sorted(index.frame["tissue"].round(1)) == [0.5] * 6 + [1.0] * 3
    assert index.frame["path"].str.starts_with("images/normal_001.tif#level/1/").all()
    assert set(index.frame["tumour"]) == {0}
    assert index.frame["shape"][0].to_list() == [3, 64, 64]
    assert index.frame["image_id"].n_unique() == 9


@pytest.mark.parametrize(
    "path", ["level/1/64", "{slide}#level/1/0", "{slide}#level/x/64", "{film}"]
)
def test_what_is_no_grid_is_refused(made, path):
    with pytest.raises(ArgumentError, match="must be level and side"):
        made(asked=Asked(path=path), normal_001=None)


@pytest.mark.parametrize(
    ("asked", "text", "reason"),
    [
        (ASKED, '<ASAP><Annotation PartOfGroup="_0"><Coordinate X="1"/></Annotation></ASAP>', "no X or no Y"),
        (ASKED, '<ASAP><Annotation PartOfGroup="Lymph"/></ASAP>', "group 'Lymph', which is not known"),
        (ASKED, '<ASAP><Annotation PartOfGroup="_0"><Coordinate X="900" Y="5"/></Annotation></ASAP>', "outside of the"),
        (ASKED, '<!DOCTYPE a [<!ENTITY b "c">]><a/>', "it defines the entity 'b'"),
        (ASKED, "<ASAP>", "must be XML"),
        (Asked(path="{slide}#level/7/64"), "<ASAP/>", "it has 4 levels, and level 7 is asked for"),
        (Asked(path="{slide}#level/0/3"), "<ASAP/>", "too small to judge"),
    ],
)  # fmt: skip
def test_a_slide_that_cannot_be_used_costs_a_reject(made, asked, text, reason):
    made(normal_002=None)
    if asked is not ASKED:
        with pytest.raises(TableError, match=reason):
            made(asked=asked, text=text, tumor_001=[()])
        return
    index = made(asked=asked, text=text, tumor_001=[()]).index
    assert index.rejects["path"].to_list() == ["images/tumor_001.tif"]
    assert reason in index.rejects["reason"][0]
    assert set(index.frame["group"]) == {"normal_002"}
