"""Masks in an index: which belong to their image, what their numbers mean, what an audit says."""

import os

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from medgraft.errors import ArgumentError, ReadError, TableError
from medgraft.index import Index
from medgraft.index.audit import audit
from medgraft.index.build import build
from medgraft.index.layouts import Asked
from medgraft.index.masks import MaskClasses, check_grid, count_values, read_mask, rooted
from medgraft.index.measure import measure
from medgraft.index.remembered import stamp
from medgraft.index.summary import mask_line, summarise
from medgraft.read import Scan

SIZE = (24, 20)


def save(path, array, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(array)).save(path, **options)


def disc(value=255, size=SIZE):
    mask = np.zeros(size, np.uint8)
    mask[5:9, 4:12] = value
    return mask


@pytest.fixture
def cells(tmp_path, picture):
    """images/ and masks/: three pictures with masks, one without."""
    for number in range(4):
        picture(tmp_path / f"images/c{number}.png", number, SIZE)
    for number in range(3):
        save(tmp_path / f"masks/c{number}.png", disc())
    return tmp_path


def index_of(root, **options):
    return build(root, workers=0, **options).index


def reasons(index):
    return dict(index.rejects.select("path", "reason").iter_rows())


def test_images_and_masks_of_one_name_are_paired_and_counted(cells, tmp_path):
    index = index_of(cells)
    assert index.layout == "image_mask"
    assert index.mask_classes == MaskClasses(("0", "255"), (0, 255))
    assert index.frame["mask_path"].to_list() == [f"masks/c{k}.png" for k in range(3)] + [None]
    inside = int((disc() > 0).sum())
    assert index.frame["mask_counts"].to_list() == [[480 - inside, inside]] * 3 + [None]
    index.save(tmp_path / "cells.parquet")
    again = Index.load(tmp_path / "cells.parquet")
    assert again.mask_classes == index.mask_classes
    assert again.frame.equals(index.frame)
    assert mask_line(again) == "3 of 4 images; 0 in 3, 255 in 3"
    assert summarise(again)["masks"] == 3


@pytest.mark.parametrize(
    ("mask", "why"),
    [
        (disc(size=(20, 24)), "must have the shape of its image, and it is 20 x 24 for 24 x 20"),
        (disc(7), "its mask holds 7, which is no class among background=0,cell=255"),
        (np.dstack([disc(), disc(9), disc()]), "one number per pixel"),
    ],
)
def test_a_mask_that_does_not_fit_costs_its_row_only(cells, mask, why):
    save(cells / "masks/c1.png", mask)
    index = index_of(cells, mask_classes=MaskClasses.parse("background=0,cell=255"))
    assert index.frame["path"].to_list() == ["images/c0.png", "images/c2.png", "images/c3.png"]
    assert why in reasons(index)["images/c1.png"]


def test_a_broken_or_lossy_mask_and_one_without_an_image_are_named(cells):
    (cells / "masks/c0.png").write_bytes(b"no picture")
    noise = np.random.default_rng(0).permutation(480).reshape(SIZE)
    np.save(cells / "masks/c1.npy", noise)
    (cells / "masks/c1.png").unlink()
    save(cells / "masks/z.png", disc())
    index = index_of(cells)
    assert index.frame["path"].to_list() == ["images/c2.png", "images/c3.png"]
    assert "its mask" in reasons(index)["images/c0.png"]
    assert "at most 255 classes" in reasons(index)["images/c1.png"]
    assert reasons(index)["masks/z.png"] == "no image goes with this mask"


def test_grey_saved_as_three_channels_and_transparency_are_read(tmp_path):
    save(tmp_path / "a.png", np.dstack([disc()] * 3))
    save(tmp_path / "b.png", np.dstack([*[disc()] * 3, np.full(SIZE, 255, np.uint8)]))
    for name in ("a.png", "b.png"):
        np.testing.assert_array_equal(read_mask(str(tmp_path / name)).array[0], disc())


def test_numbers_that_are_not_whole_are_no_mask(tmp_path):
    np.save(tmp_path / "half.npy", np.full((4, 5), 0.5))
    with pytest.raises(ReadError, match="whole numbers"):
        read_mask(str(tmp_path / "half.npy"))
    np.save(tmp_path / "whole.npy", np.full((4, 5), 2.0))
    assert count_values(read_mask(str(tmp_path / "whole.npy"))) == [(2, 20)]


def test_a_mask_must_lie_where_its_image_lies():
    affine = np.diag([1.0, 2.0, 3.0, 1.0])
    image = Scan(np.zeros((1, 10, 10, 10)), (1.0, 2.0, 3.0), affine)
    shifted, flipped = affine.copy(), affine.copy()
    shifted[0, 3] = 0.5
    flipped[0, 0] = -1
    check_grid(image, Scan(image.array, None, affine + 1e-4))
    check_grid(image, Scan(image.array))
    for other in (shifted, flipped):
        with pytest.raises(ReadError, match=r"lies .* pixels apart"):
            check_grid(image, Scan(image.array, image.spacing_mm, other))
    with pytest.raises(ReadError, match="spacing"):
        check_grid(Scan(image.array, (1.0, 1.0, 1.0)), Scan(image.array, (1.0, 1.0, 1.1)))
    with pytest.raises(ReadError, match="10 x 10 for 10 x 10 x 10"):
        check_grid(image, Scan(np.zeros((1, 10, 10))))


@pytest.fixture
def halves(tmp_path, picture):
    """A picture with two masks: its path, and the path of both."""
    picture(tmp_path / "a.png", 1, SIZE)
    for name, rows in (("left", slice(0, 8)), ("right", slice(6, 12))):
        mask = np.zeros(SIZE, np.uint8)
        mask[rows, :5] = 255
        save(tmp_path / f"{name}.png", mask)
    return tmp_path, {"a.png": "left.png//right.png"}


def test_files_of_one_mask_are_joined_pixel_by_pixel(halves):
    root, masks = halves
    found = measure(root, ["a.png"], masks=masks)
    one, two = (read_mask(str(root / name)).array for name in ("left.png", "right.png"))
    joined = read_mask(rooted(root, masks["a.png"])).array
    np.testing.assert_array_equal(joined > 0, (one > 0) | (two > 0))
    assert found.rows[0]["mask_values"] == [(0, 480 - 60), (255, 60)]
    turned = measure(root, ["a.png"], masks={"a.png": "right.png//left.png"}).rows[0]
    assert found.rows[0]["mask_id"] not in (turned["mask_id"], measure(root, ["left.png"]).rows[0])
    save(root / "right.png", disc())
    assert measure(root, ["a.png"], masks=masks).rows[0]["mask_id"] != found.rows[0]["mask_id"]


@pytest.mark.parametrize(
    ("second", "why"),
    [
        (disc(7), "its mask 'right.png' cannot be used: files of one mask must agree"),
        (disc(size=(20, 24)), "its mask 'right.png' cannot be used: a mask must have the shape"),
        (None, "its mask 'left.png//right.png' cannot be opened: No such file"),
    ],
)
def test_files_of_one_mask_that_do_not_fit_together_cost_their_row(halves, second, why):
    root, masks = halves
    (root / "right.png").unlink()
    if second is not None:
        save(root / "right.png", second)
    ((path, reason, _),) = measure(root, ["a.png"], masks=masks).rejects
    assert path == "a.png"
    assert reason.startswith(why)


def test_a_mask_of_several_files_is_new_when_one_of_them_changed(halves):
    root, masks = halves
    frame = pl.DataFrame({"path": ["a.png"], "mask_path": [masks["a.png"]]})
    before = stamp(frame, root)
    sizes = sum((root / name).stat().st_size for name in ("left.png", "right.png"))
    assert before["mask_bytes"].to_list() == [sizes]
    later = before["mask_modified_ns"][0] + 10**9
    os.utime(root / "left.png", ns=(later, later))
    assert stamp(frame, root)["mask_modified_ns"].to_list() == [later]
    (root / "right.png").unlink()
    assert stamp(frame, root)["mask_bytes"].to_list() == [None]


@pytest.mark.parametrize("mask", ["a.png///etc/b.png", "a.png//../b.png", "/a.png//b.png"])
def test_no_file_of_a_mask_may_lie_outside(table, mask):
    with pytest.raises(TableError, match="mask_path must stay inside the root"):
        table(mask_path=[mask])


def test_identical_images_with_masks_that_differ_are_a_warning(cells):
    (cells / "images/c1.png").write_bytes((cells / "images/c0.png").read_bytes())
    index = index_of(cells)
    assert "mask_conflict" not in {f.name for f in audit(index, workers=0).findings}
    other = disc()
    other[0, 0] = 255
    save(cells / "masks/c1.png", other)
    found = {f.name: f for f in audit(index_of(cells), workers=0).findings}
    assert found["mask_conflict"].examples == ("images/c0.png", "images/c1.png")


def test_a_column_of_masks_is_read_as_the_folder_is(cells):
    rows = ["file,outline,label"] + [f"images/c{k}.png,masks/c{k}.png,{k % 2}" for k in range(3)]
    (cells / "labels.csv").write_text("\n".join(rows))
    index = index_of(cells, asked=Asked(mask="outline"))
    assert index.layout == "csv"
    assert index.mask_classes.values == (0, 255)
    assert index.frame["mask_counts"].null_count() == 0
    (cells / "labels.csv").write_text("\n".join(rows).replace("/", "\\"))  # as Windows writes it
    assert index_of(cells, asked=Asked(mask="outline")).frame.equals(index.frame)
    none = index_of(cells, asked=Asked(mask="none"))
    assert none.mask_classes is None
    assert "mask_counts" not in none.frame.columns


def test_an_image_that_ends_like_a_mask_is_paired_with_the_mask_of_its_own_name(tmp_path, picture):
    for name in ("a_label", "b", "b_seg"):
        picture(tmp_path / f"images/{name}.png", len(name), SIZE)
        save(tmp_path / f"masks/{name}.png", disc())
    index = index_of(tmp_path)
    pairs = index.frame.select("path", "mask_path").rows()
    assert pairs == [(f"images/{n}.png", f"masks/{n}.png") for n in ("a_label", "b", "b_seg")]


def test_nnunet_names_parts_and_channels(tmp_path, picture):
    for part, name in (("imagesTr", "a_0000"), ("imagesTr", "a_0001"), ("imagesTs", "b_0000")):
        picture(tmp_path / part / f"{name}.png", len(name + part), SIZE)
    save(tmp_path / "labelsTr/a.png", disc(1))
    index = index_of(tmp_path)
    rows = index.frame.select("path", "mask_path", "orig_split").rows()
    assert rows == [
        ("imagesTr/a_0000.png", "labelsTr/a.png", "train"),
        ("imagesTs/b_0000.png", None, "test"),
    ]
    assert "the same case" in reasons(index)["imagesTr/a_0001.png"]


def test_an_audit_names_what_cannot_be_learnt(cells):
    save(cells / "masks/c0.png", disc(0))
    save(cells / "masks/c1.png", np.full(SIZE, 255, np.uint8))
    classes = MaskClasses.parse("background=0,cell=255,virus=3")
    index = index_of(cells, mask_classes=classes)
    found = {f.name: f for f in audit(index, workers=0, confirm=False).findings}
    assert found["mask_missing"].examples == ("images/c3.png",)
    assert found["mask_empty"].examples == ("images/c0.png",)
    assert found["mask_constant"].examples == ("images/c1.png",)
    assert found["mask_class_missing"].examples == ("virus",)


def test_masks_without_any_foreground_are_refused(cells):
    for number in range(3):
        save(cells / f"masks/c{number}.png", disc(0))
    with pytest.raises(TableError, match="all pixels of all masks are 0"):
        index_of(cells)
    index = index_of(cells, mask_classes=MaskClasses.parse("ground=0,cell=1"))
    assert any(f.name == "no_foreground" for f in audit(index, workers=0).refusals())


def test_without_decoding_masks_are_hashed_and_their_classes_must_be_told(cells):
    assert index_of(cells, decode=False).mask_classes is None
    index = index_of(cells, decode=False, mask_classes=MaskClasses.parse("a=0,b=255"))
    assert index.frame["mask_id"].null_count() == 1
    assert index.frame["mask_counts"].null_count() == 4


def test_classes_for_an_archive_without_masks_are_refused(classes):
    with pytest.raises(ArgumentError, match="no image has a mask"):
        index_of(classes, mask_classes=MaskClasses.parse("a=0,b=1"))


@pytest.mark.parametrize("text", ["", "a=0", "a,b", "a=0,a=1", "a=0,b=0", "a=0,b=x", "a=0,=1"])
def test_classes_that_make_no_sense_are_refused(text):
    with pytest.raises(ArgumentError):
        MaskClasses.parse(text)


@given(st.lists(st.integers(-300, 300), min_size=2, max_size=20, unique=True))
def test_places_are_those_of_a_lookup_in_a_list(values):
    classes = MaskClasses(tuple(f"c{v}" for v in values), tuple(values))
    assert MaskClasses.parse(classes.written()) == classes
    mask = np.random.default_rng(0).choice(values, (3, 7))
    expected = [[values.index(v) for v in row] for row in mask.tolist()]
    assert classes.places(mask).tolist() == expected
    with pytest.raises(ArgumentError, match="999"):
        classes.places(np.array([999]))


def test_real_masks_of_cells_and_of_the_hippocampus_all_fit(data):
    frame = pl.read_csv(data / "seg-wbc/labels.csv")
    assert len(frame) == 300
    index = index_of(data / "vol-hippocampus", layout="image_mask")
    assert len(index) == 101
    assert index.mask_classes.values == (0, 1, 2)
    said = pl.read_csv(data / "vol-hippocampus/volumes.csv")
    joined = index.frame.join(said, left_on="path", right_on="file")
    for place, column in ((1, "anterior_vox"), (2, "posterior_vox")):
        counts = joined["mask_counts"].list.get(place).cast(pl.Float64)
        assert counts.equals(joined[column], check_names=False, null_equal=True)
