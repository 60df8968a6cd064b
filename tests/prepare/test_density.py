"""Films of several scanners by optical density, from their files to the prepared image."""

import numpy as np
import pytest

from medgraft.errors import ArgumentError, ReadError
from medgraft.prepare import load, pipeline
from medgraft.prepare.pipeline import run
from medgraft.prepare.presets import preset_steps
from medgraft.read import read
from medgraft.read.scan import Scan
from tests import ddsm_case as ddsm
from tests.prepare.mammograms import mammogram

# Grey levels of a density, the published lines of two scanners turned round, and their bits.
SCANNERS = {
    "B_1_1": ("LUMISYS", 12, lambda density: 4096.99 - 1009.01 * density),
    "A_1_1": ("DBA", 16, lambda density: 10 ** (4.80662 - 1.07553 * density)),
}
DRAWN = mammogram((320, 240), border=0)
DENSITY = 3.0 - 2.5 * DRAWN.values


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    """One film as two scanners see it."""
    folder = tmp_path_factory.mktemp("films")
    paths = []
    for case, (digitizer, bits, grey_of) in SCANNERS.items():
        ddsm.overview(folder, case, {"LEFT_CC": (*DENSITY.shape, bits, 50, False)}, digitizer)
        paths.append(folder / f"{case}.LEFT_CC.LJPEG")
        ddsm.film(paths[-1], np.rint(grey_of(DENSITY)).astype(np.uint16), bits)
    return paths


@pytest.fixture(scope="module")
def chain():
    return pipeline(preset_steps("mammography:contrast=density", 320, 1))


def test_a_density_becomes_its_place_in_the_window(films):
    for film in films:
        done = run(read(f"{film}#optical_density"), pipeline(["density_window"]))
        np.testing.assert_allclose(done.array[0], (3.6 - DENSITY) / 3.55, atol=0.002)
        assert (done.value_range, done.unit) == ((0, 1), None)


def test_one_film_is_one_image_whichever_scanner_took_it(films, chain):
    one, other = (load(f"{film}#optical_density", chain) for film in films)
    assert (one > 0).mean() > 0.2
    assert np.abs(one - other).mean() < 0.002
    grey = pipeline(preset_steps("mammography:contrast=none", 320, 1))
    one, other = (load(film, grey) for film in films)
    assert np.abs(one - other).mean() > 0.05  # grey levels differ, which this is about


def test_the_breast_keeps_its_place_in_the_window_and_letters_go(films, chain):
    done = load(f"{films[0]}#optical_density", chain)
    expected = (3.6 - DENSITY[DRAWN.breast]) / 3.55
    assert done.max() < expected.max() + 0.01
    assert np.median(done[done > 0]) == pytest.approx(np.median(expected), abs=0.03)


def test_what_is_denser_or_clearer_than_the_window_is_black_or_white():
    scan = Scan(np.array([[[0.0, 0.5, 1.0, 1.5, 2.0, 9.0]]], np.float32), unit="OD")
    done = pipeline(["density_window:low=0.5,high=1.5"])[0](scan)
    assert done.array.tolist() == [[[1.0, 1.0, 0.5, 0.0, 0.0, 0.0]]]


def test_films_of_unknown_density_are_left_alone_or_refused(films, chain):
    grey = read(films[0])
    assert pipeline(["density_window"])[0](grey) is grey
    with pytest.raises(ReadError, match=r"not known to be optical densities.*#optical_density"):
        load(films[0], chain)


def test_values_that_were_scaled_are_no_densities_any_more(films):
    done = run(read(f"{films[0]}#optical_density"), pipeline(["intensity"]))
    assert done.unit is None


@pytest.mark.parametrize("window", [(0, 200), "file"])
def test_contrast_by_density_and_another_window_are_refused_together(window):
    with pytest.raises(ArgumentError, match="contrast=density is a window of its own; got"):
        preset_steps("mammography:contrast=density", 64, 1, window)


def test_a_window_whose_limits_are_turned_round_is_refused():
    with pytest.raises(ArgumentError, match=r"low must be less than high, got low=3.0, high=1.0"):
        pipeline(["density_window:low=3,high=1"])
