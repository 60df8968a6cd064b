"""Films of DDSM: bit for bit, their outlines, their density; what lies is refused."""

import imagecodecs
import numpy as np
import pytest
from scipy import ndimage
from tests import ddsm_case as ddsm

from medgraft.errors import ReadError
from medgraft.read import identity, read
from medgraft.read.ddsm.density import SCANNERS, optical_density
from medgraft.read.ddsm.outlines import STEPS
from medgraft.read.outline import MOST, filled

# Measured on the step wedge of DBA_Scanner_info.html: optical density, mean grey level.
WEDGE = """0.21 37201 0.34 26986 0.50 18445 0.69 12569 0.82 8296 0.96 5648 1.13 3797 1.28 2603
1.44 1772 1.59 1217 1.74 847 1.89 581 2.07 393 2.21 271 2.37 185 2.52 132 2.68 94 2.84 65"""


@pytest.fixture
def case(tmp_path):
    """A film with its overview; returns the path of the film."""

    def make(bits=12, size=(13, 9), digitizer="LUMISYS", name="B_1_1", outlined=False):
        ddsm.overview(tmp_path, name, {"LEFT_CC": (*size, bits, 50, outlined)}, digitizer)
        return tmp_path / f"{name}.LEFT_CC.LJPEG"

    return make


@pytest.mark.parametrize("bits", [12, 16])
@pytest.mark.parametrize("turned", [False, True])
def test_films_come_back_bit_for_bit_whatever_the_predictor(case, bits, turned):
    path, grey = case(bits), ddsm.grey(13, 9, bits, seed=bits)
    for predictor in range(1, 8):
        ddsm.film(path, grey, bits, predictor, turned)
        np.testing.assert_array_equal(read(path).array[0], grey)


@pytest.mark.parametrize("bits", [12, 16])
def test_films_of_another_encoder_come_back_bit_for_bit(case, bits):
    path, grey = case(bits), ddsm.grey(13, 9, bits)
    path.write_bytes(imagecodecs.ljpeg_encode(grey, bitspersample=bits))
    np.testing.assert_array_equal(read(path).array[0], grey)


def test_differences_of_half_the_range_come_back(case):
    path = case(16)
    grey = (np.indices((13, 9)).sum(axis=0) % 2 * 2**15).astype(np.uint16)
    ddsm.film(path, grey, 16)
    np.testing.assert_array_equal(read(path).array[0], grey)


def test_the_name_says_whose_film_it_is(case):
    path = case()
    ddsm.film(path, ddsm.grey(13, 9, 12), 12)
    said = identity(path)
    assert (said.patient_id, said.view, said.laterality, said.modality) == ("B_1", "CC", "L", "MG")


def test_the_density_of_a_scanner_agrees_with_its_step_wedge():
    density, grey = np.array(WEDGE.split(), dtype=float).reshape(-1, 2).T
    # the publishers' line leaves their darkest wedges, of less than 100 grey levels, by 0.06
    np.testing.assert_allclose(optical_density(grey, "DBA", "A"), density, atol=0.06)


def test_the_density_of_lumisys_agrees_with_how_it_is_built():
    grey = np.arange(495, 4096)
    nominal = 3.6 - (grey - 495) / 1000
    np.testing.assert_allclose(optical_density(grey, "LUMISYS", "C"), nominal, atol=0.04)


@pytest.mark.parametrize(("site", "digitizer"), SCANNERS)
def test_more_light_is_less_density(site, digitizer):
    density = optical_density(np.array([0, 1, 500, 4095]), digitizer, site)
    assert density.dtype == np.float32
    assert (np.diff(density) <= 0).all()
    assert density[0] > 3


def test_a_film_can_be_read_as_density(case):
    path, grey = case(), ddsm.grey(13, 9, 12)
    ddsm.film(path, grey, 12)
    scan = read(f"{path}#optical_density")
    np.testing.assert_allclose(scan.array[0], (grey - 4096.99) / -1009.01, rtol=1e-6, atol=1e-6)
    assert (scan.unit, read(path).unit) == ("OD", None)


@pytest.mark.parametrize(("site", "digitizer"), [("B", "HOWTEK"), ("A", "VIDAR"), ("A", "")])
def test_a_scanner_without_calibration_is_refused(case, site, digitizer):
    path = case(digitizer=digitizer, name=f"{site}_1_1")
    ddsm.film(path, ddsm.grey(13, 9, 12), 12)
    assert read(path).array.shape == (1, 13, 9)
    with pytest.raises(ReadError, match="known for the scanners DBA of A, HOWTEK of A"):
        read(f"{path}#optical_density")


def test_a_film_whose_overview_is_missing_or_lies_is_refused(case, tmp_path):
    path, grey = case(size=(13, 8)), ddsm.grey(13, 9, 12)
    ddsm.film(path, grey, 12)
    with pytest.raises(ReadError, match=r"13 x 9 pixels, and its overview says 13 x 8"):
        read(path)
    case(bits=8)
    with pytest.raises(ReadError, match="a value is 4095, and its overview says that it has 8"):
        read(path)
    ics = tmp_path / "B-1-1.ics"
    ics.write_text(ics.read_text().replace("LINES 13", "LINES many"))
    with pytest.raises(ReadError, match="says of LEFT_CC only 'LINES many"):
        read(path)
    ics.write_text("ics_version 1.0\n")
    with pytest.raises(ReadError, match="says nothing of LEFT_CC"):
        read(path)
    ics.unlink()
    with pytest.raises(ReadError, match=r"its overview 'B-1-1\.ics' cannot be read"):
        read(path)


def test_a_film_that_promises_a_terabyte_takes_none(case):
    path = case(size=(65535, 65535))
    ddsm.film(path, ddsm.grey(13, 9, 12), 12)
    data = path.read_bytes()
    at = data.index(b"\xff\xc3") + 5
    path.write_bytes(data[:at] + b"\xff\xff\xff\xff" + data[at + 4 :])
    with pytest.raises(ReadError, match="may be taken"):
        read(path)


@pytest.mark.parametrize(
    ("outline", "reason"),
    [
        (("BOUNDARY", 1, 1, "66"), "outside of the 13 x 9 pixels"),
        (("BOUNDARY", 8, 12, "4"), "outside of the 13 x 9 pixels"),
        (("BOUNDARY", 99999, 1, ""), "outside of the 13 x 9 pixels"),
        (("BOUNDARY", 1, 1, "8"), "steps 0 to 7, got '8'"),
        (("BOUNDARY", 1, -1, ""), "with a number, got '-1'"),
        (("BORDER", 1, 1, "2"), "BOUNDARY or CORE, got 'BORDER'"),
    ],
)
def test_an_outline_that_cannot_be_is_refused(case, outline, reason):
    path = case(outlined=True).with_suffix(".OVERLAY")
    ddsm.overlay(path, ddsm.abnormality(1, "BENIGN", outline))
    with pytest.raises(ReadError, match=reason):
        read(path)


def test_outlines_that_are_not_what_they_count_are_refused(case):
    path = case(outlined=True).with_suffix(".OVERLAY")
    mark = ddsm.abnormality(1, "BENIGN", ("BOUNDARY", 1, 1, "246"))
    path.write_text(f"TOTAL_ABNORMALITIES 2\n{mark}")
    with pytest.raises(ReadError, match="go on with ABNORMALITY, got 'nothing'"):
        read(path)
    path.write_text(f"TOTAL_ABNORMALITIES 1\n{mark}{mark}")
    with pytest.raises(ReadError, match="after the abnormalities that it counts"):
        read(path)
    path.write_text("TOTAL_ABNORMALITIES 1\n" + " " * 2**24)
    with pytest.raises(ReadError, match="at most 16777216 bytes"):
        read(path)


def test_cores_are_a_mask_of_their_own(case):
    path = case(outlined=True).with_suffix(".OVERLAY")
    core = ("CORE", 3, 3, "20")
    ddsm.overlay(path, ddsm.abnormality(1, "BENIGN", ("BOUNDARY", 1, 1, "222444666000"), core))
    assert read(path).array.sum() == 16
    assert read(f"{path}#boundary").array.sum() == 16
    found = np.argwhere(read(f"{path}#core").array[0]).tolist()
    assert found == [[2, 4], [3, 3], [3, 4]]


@pytest.mark.parametrize("seed", range(8))
def test_an_outline_holds_its_edge_and_every_pixel_that_cannot_leave_it(seed):
    rng = np.random.default_rng(seed)
    turns = rng.integers(-1, 2, 120).cumsum() % 8
    path = np.cumsum(np.concatenate([[(0, 0)], STEPS[turns]]), axis=0)
    path = path - path.min(axis=0) + 2
    shape = tuple(path.max(axis=0)[::-1] + 3)
    edge = np.zeros(shape, dtype=bool)
    count = max(1, int(np.abs(path[-1] - path[0]).max()))
    for step in range(count + 1):  # the straight line back to the start
        column, row = np.rint(path[-1] + (path[0] - path[-1]) * (step / count)).astype(int)
        edge[row, column] = True
    for column, row in path:
        edge[row, column] = True
    got = np.zeros(shape, dtype=bool)
    rows, columns, inside = filled(path, shape)
    got[rows, columns] = inside
    np.testing.assert_array_equal(got, ndimage.binary_fill_holes(edge))
    assert got.sum() > edge.sum()


def test_corners_of_an_outline_are_joined_by_straight_lines():
    corners = np.array([(2, 1), (7, 1), (7, 5), (2, 5)])
    rows, columns, inside = filled(corners, (9, 9))
    assert (rows, columns) == (slice(1, 6), slice(2, 8))
    assert inside.all()
    rows, columns, inside = filled(np.array([(4, 4)]), (9, 9))
    assert inside.shape == (1, 1)


def test_a_line_without_end_is_refused():
    corners = np.tile([(0, 0), (9999, 9999)], (MOST // 9000, 1))
    with pytest.raises(ValueError, match="is longer than"):
        filled(corners, (10_000, 10_000))
