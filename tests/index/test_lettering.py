"""Printed characters are found on anything; what an image shows by itself is none."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont

from medgraft.index.lettering import find_lines

TEXT = "DOE JOHN 19610203"


def ground(shape=(400, 500), seed=0):
    """A smooth picture with grain, as films are."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[: shape[0], : shape[1]] / max(shape)
    return 120 + 60 * np.sin(5 * rows) * np.cos(4 * columns) + rng.normal(0, 1.5, shape)


def printed(image, text=TEXT, *, size=24, at=(40, 60), value=255.0):
    """The picture with text on it, and the box of the text."""
    stamp = Image.new("L", image.shape[::-1], 0)
    ImageDraw.Draw(stamp).text(at[::-1], text, fill=255, font=ImageFont.load_default(size))
    share = np.asarray(stamp) / 255
    rows, columns = np.nonzero(share > 0.5)
    box = rows.min(), columns.min(), rows.max() + 1, columns.max() + 1
    return image * (1 - share) + value * share, box


def covered(lines, box):
    """Share of the width of a box that lines at its height cover."""
    columns = np.zeros(box[3], bool)
    for top, left, bottom, right in lines:
        if min(bottom, box[2]) > max(top, box[0]):
            columns[left:right] = True
    return columns[box[1] :].mean()


@pytest.mark.parametrize("size", [12, 24, 40])
@pytest.mark.parametrize("value", [255, 20])
def test_bright_and_dark_print_is_found_where_it_stands(size, value):
    image, box = printed(ground(), size=size, value=value)
    assert covered(find_lines(image), box) > 0.5


@pytest.mark.parametrize("turn", [1, 2, 3])
def test_print_turned_by_right_angles_or_mirrored_is_found(turn):
    image, box = printed(ground())
    blank = np.zeros(image.shape, bool)
    blank[box[0] : box[2], box[1] : box[3]] = True
    for move in (lambda a: np.rot90(a, turn), np.fliplr):
        rows, columns = np.nonzero(move(blank))
        there = [
            (top, left)
            for top, left, bottom, right in find_lines(move(image))
            if top < rows.max() and bottom > rows.min()
            if left < columns.max() and right > columns.min()
        ]
        assert there


@pytest.mark.parametrize("kind", ["uint8", "uint16", "int16", "float64", "nan", "colour"])
def test_values_of_any_kind_and_range(kind):
    image, box = printed(ground())
    if kind == "uint16":
        image = (image * 200).astype(np.uint16)
    elif kind == "int16":
        image = (image * 10 - 1024).astype(np.int16)
    elif kind == "float64":
        image = image / 1e6
    elif kind == "nan":
        image[300:, 400:] = np.nan
    elif kind == "colour":
        image = np.stack([image, image, ground()])
    else:
        image = image.astype(np.uint8)
    assert covered(find_lines(image), box) > 0.5


def test_a_large_image_gives_boxes_in_its_own_pixels():
    image, box = printed(ground((1500, 2400)), size=60, at=(800, 1000))
    (top, left, bottom, right), *_ = find_lines(image)
    assert abs(top - box[0]) < 20
    assert left >= box[1] - 6
    assert bottom <= box[2] + 6
    assert right <= box[3] + 6


def test_a_side_marker_is_no_person():
    image, _ = printed(ground(), "R", size=40)
    assert find_lines(image) == []
    image, _ = printed(ground(), "MLO", size=40)
    assert find_lines(image) == []


@given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.integers(1, 60))
def test_noise_of_any_size_breaks_nothing_and_boxes_lie_inside(seed, height, width):
    image = np.random.default_rng(seed).normal(size=(height, width))
    for top, left, bottom, right in find_lines(image):
        assert 0 <= top < bottom <= height
        assert 0 <= left < right <= width


@pytest.mark.parametrize(
    "image",
    [
        ground(),
        np.zeros((300, 300)),
        np.full((300, 300), np.nan),
        np.tile(np.arange(300.0), (300, 1)),
        np.indices((300, 300)).sum(0) // 10 % 2,  # stripes
    ],
)
def test_what_bears_no_text_gives_no_lines(image):
    assert find_lines(image) == []
