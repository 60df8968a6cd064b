"""How scans become pictures: planes, codes, windows, memory."""

import itertools
import threading
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medgraft.errors import ArgumentError, ReadError
from medgraft.read import Scan, read
from medgraft.web import scans
from medgraft.web.greys import coding, reduced, windows
from medgraft.web.planes import planes
from medgraft.web.scans import Scans, Shown

SHAPE = (3, 4, 5)
TOWARDS = {"R": (0, 1), "L": (0, -1), "A": (1, 1), "P": (1, -1), "S": (2, 1), "I": (2, -1)}


def placed(order, flips, spacing=(1.0, 1.0, 1.0)):
    """A volume whose axes run along certain directions of the patient, channel k holding place k."""
    affine = np.zeros((4, 4))
    affine[3, 3] = 1
    for axis, (towards, flip) in enumerate(zip(order, flips, strict=True)):
        affine[towards, axis] = -spacing[axis] if flip else spacing[axis]
    grid = np.stack(np.meshgrid(*map(np.arange, SHAPE), indexing="ij"), axis=-1)
    places = grid @ affine[:3, :3].T
    return Scan(np.moveaxis(places, -1, 0), spacing, affine)


class TestPlanes:
    @given(st.permutations(range(3)), st.tuples(st.booleans(), st.booleans(), st.booleans()))
    def test_the_letters_say_where_the_patient_lies_however_the_file_is_stored(self, order, flips):
        scan = placed(order, flips)
        for plane in planes(scan):
            for number in range(plane.slices):
                cuts = [plane.cut(places, number) for places in scan.array]
                assert cuts[0].shape == plane.shape
                top, right, bottom, left = plane.sides
                for along, (end, begin) in ((0, (bottom, top)), (1, (right, left))):
                    for letter, sign in ((end, 1), (begin, -1)):
                        axis, direction = TOWARDS[letter]
                        assert (np.diff(cuts[axis], axis=along) * direction * sign > 0).all()

    def test_a_patient_is_seen_from_the_feet_and_from_the_front(self):
        found = {one.name: one for one in planes(placed((2, 0, 1), (True, False, True)))}
        assert found["axial"].sides == ("A", "L", "P", "R")
        assert found["coronal"].sides == ("S", "L", "I", "R")
        assert found["sagittal"].sides == ("S", "P", "I", "A")

    def test_slices_rise_to_the_head_the_front_and_the_right(self):
        scan = placed((1, 2, 0), (True, True, False))
        for plane in planes(scan):
            axis = {"axial": 2, "coronal": 1, "sagittal": 0}[plane.name]
            depths = [plane.cut(scan.array[axis], n).mean() for n in range(plane.slices)]
            assert (np.diff(depths) > 0).all()

    def test_the_usual_plane_is_the_one_in_which_the_volume_was_taken(self):
        names = [
            planes(placed((0, 1, 2), (False,) * 3, spacing))[0].name
            for spacing in ((1, 1, 1), (3, 1, 1), (1, 3, 1), (1, 1, 3))
        ]
        assert names == ["axial", "sagittal", "coronal", "axial"]

    def test_pixels_keep_the_size_that_the_file_gives(self):
        found = {one.name: one for one in planes(placed((0, 1, 2), (False,) * 3, (1.0, 2.0, 4.0)))}
        assert found["axial"].spacing_mm == (2.0, 1.0)
        assert found["coronal"].spacing_mm == (4.0, 1.0)
        assert found["sagittal"].spacing_mm == (4.0, 2.0)

    def test_without_a_place_in_the_patient_nothing_is_turned_and_no_side_is_named(self):
        array = np.arange(24).reshape(1, 2, 3, 4)
        (frames,) = planes(Scan(array))
        (picture,) = planes(Scan(array[:, 0]))
        assert (frames.name, frames.slices, frames.sides) == ("frames", 2, None)
        np.testing.assert_array_equal(frames.cut(array[0], 1), array[0, 1])
        np.testing.assert_array_equal(picture.cut(array[0, 0], 0), array[0, 0])

    @given(st.integers(1, 40), st.integers(1, 40))
    def test_a_coarser_array_over_the_same_extent_is_cut_at_the_same_height(self, slices, cells):
        scan = Scan(np.zeros((1, slices, 2, 2)))
        (plane,) = planes(scan)
        heights = np.repeat(np.arange(cells), 4).reshape(cells, 2, 2)
        for number in range(slices):
            cell = plane.cut(heights, number)[0, 0]
            assert cell / cells <= (number + 0.5) / slices <= (cell + 1) / cells


KINDS = ["uint8", "int8", "uint16", "int16", "int32", "float32", "float64", "bool"]


class TestCoding:
    @pytest.mark.parametrize("kind", KINDS)
    @given(seed=st.integers(0, 2**32 - 1))
    def test_values_come_back_exact_or_to_half_a_step(self, kind, seed):
        rng = np.random.default_rng(seed)
        low, high = sorted(rng.integers(-(2**20), 2**20, 2)) if kind == "int32" else (0, 100)
        values = rng.uniform(low, high + 1, (1, 6, 7)).astype(kind)
        found = coding(Scan(values))
        codes = found.encode(values)
        assert codes.dtype == (np.uint8 if found.bits == 8 else np.uint16)
        back = codes * found.slope + found.intercept
        exact = np.dtype(kind).kind in "iub" and int(values.max()) - int(values.min()) < 2**16
        allowed = 0 if exact else found.slope * 0.500001
        assert np.abs(back - values.astype(np.float64)).max() <= allowed

    def test_what_is_no_number_is_told_and_sent_as_the_least(self):
        values = np.array([[[np.nan, 1.0], [np.inf, -np.inf]]], np.float32)
        found = coding(Scan(values))
        assert found.gaps
        np.testing.assert_array_equal(found.encode(values)[0], [[0, 0], [65535, 0]])

    def test_three_equal_colours_are_one_grey_image(self, tmp_path):
        from PIL import Image

        grey = np.arange(48, dtype=np.uint8).reshape(6, 8)
        Image.fromarray(np.stack([grey] * 3, axis=-1)).save(tmp_path / "grey.png")
        shown = scans.show(str(tmp_path / "grey.png"))
        assert (shown.coding.colour, shown.scan.channels) == (False, 1)
        assert shown.pixels(shown.plane(None), 0) == grey.tobytes()

    def test_colours_are_sent_red_green_blue(self, tmp_path):
        from PIL import Image

        colours = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)
        Image.fromarray(colours).save(tmp_path / "colours.png")
        shown = scans.show(str(tmp_path / "colours.png"))
        assert shown.coding.colour
        assert shown.pixels(shown.plane(None), 0) == colours.tobytes()

    @given(st.integers(1, 9), st.integers(1, 20), st.integers(1, 20), st.integers(0, 99))
    def test_blocks_are_averaged_as_in_a_loop(self, factor, rows, columns, seed):
        codes = np.random.default_rng(seed).integers(0, 65536, (rows, columns)).astype(np.uint16)
        found = reduced(codes, factor)
        for i, j in itertools.product(range(found.shape[0]), range(found.shape[1])):
            block = codes[i * factor : (i + 1) * factor, j * factor : (j + 1) * factor]
            assert abs(float(found[i, j]) - block.mean()) <= 0.5
        assert found.shape == (-(-rows // factor), -(-columns // factor))


class TestWindows:
    def test_of_a_picture_of_8_bits_it_is_shown_as_it_is(self):
        values = np.tile(np.arange(256, dtype=np.uint8), (1, 4, 1))
        first = windows(Scan(values, value_range=(0, 255)))[0]
        assert (first.low, first.high) == (0, 255)

    def test_of_more_bits_a_marker_does_not_choose_it(self):
        values = np.random.default_rng(0).normal(1000, 50, (1, 100, 100))
        values[0, :3, :3] = 65535
        first = windows(Scan(values.astype(np.uint16), value_range=(0, 65535)))[0]
        assert 800 < first.low < 1000 < first.high < 1200

    def test_what_the_file_asks_for_comes_first_and_the_usual_ones_of_ct_next(self):
        scan = Scan(np.arange(-1024, 1024).reshape(1, 32, 64), modality="CT")
        names = [one.name for one in windows(scan, (-110, 189))]
        assert names == [
            "as the file asks",
            "lung",
            "soft tissue",
            "bone",
            "middle 99 %",
            "all values",
        ]

    @pytest.mark.parametrize("value", [0, 7, -3.5, np.nan])
    def test_of_a_constant_image_is_not_empty(self, value):
        kind = np.float32 if value != value or value < 0 else np.uint8
        for one in windows(Scan(np.full((1, 4, 4), value, kind))):
            assert one.low < one.high


class TestMemory:
    @pytest.fixture
    def counted(self, monkeypatch):
        """Count decodings; each takes a moment and a thousand bytes."""
        asked = []

        def slowly(file):
            asked.append(file)
            time.sleep(0.02)
            if file == "broken":
                raise ReadError(file, "it is broken", "Mend it.")
            scan = Scan(np.zeros((1, 10, 100), np.uint8))
            return Shown(scan, coding(scan), planes(scan), windows(scan))

        monkeypatch.setattr(scans, "show", slowly)
        return asked

    def test_however_many_ask_at_a_time_a_scan_is_decoded_once(self, counted):
        held = Scans()
        threads = [threading.Thread(target=held.get, args=("a",)) for _ in range(8)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
        assert counted == ["a"]

    def test_the_scans_used_last_stay_within_the_budget(self, counted):
        held = Scans(budget=3000)
        for file in "abcadbe":
            held.get(file)
        assert counted == list("abcdbe")

    def test_one_scan_larger_than_the_budget_is_still_shown(self, counted):
        held = Scans(budget=1)
        assert held.get("a") is held.get("a")
        assert counted == ["a"]

    def test_a_broken_file_is_tried_again_when_it_is_asked_for_again(self, counted):
        held = Scans()
        for _ in range(2):
            with pytest.raises(ReadError):
                held.get("broken")
        assert counted == ["broken"] * 2


def test_an_answer_that_would_be_too_large_is_refused(monkeypatch):
    monkeypatch.setattr(scans, "MOST_PIXELS", 100)
    scan = Scan(np.zeros((1, 40, 40), np.uint8))
    shown = Shown(scan, coding(scan), planes(scan), windows(scan))
    with pytest.raises(ArgumentError, match="at most 100, got 3"):
        shown.pixels(shown.plane(None), 0, reduce=3)
    assert len(shown.pixels(shown.plane(None), 0, reduce=4)) == 100


def test_a_slice_of_a_real_volume_is_what_nibabel_calls_canonical(data):
    import nibabel

    file = sorted((data / "vol-hippocampus" / "images").glob("*.nii.gz"))[0]
    shown = scans.show(str(file))
    plane = shown.plane("axial")
    canonical = np.asarray(nibabel.as_closest_canonical(nibabel.load(file)).dataobj)
    cut = plane.cut(shown.scan.array[0], 5)
    np.testing.assert_array_equal(cut, canonical[::-1, ::-1, 5].T)
    assert read(file).array.shape[1:] == shown.scan.array.shape[1:]
