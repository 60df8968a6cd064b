"""The preparation of mammograms, on films that are known to the pixel, and on real ones."""

import os
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from medgraft.errors import ArgumentError, ReadError, UnknownNameError
from medgraft.prepare import pipeline, prepare
from medgraft.prepare.pipeline import run
from medgraft.prepare.presets import preset_steps
from medgraft.prepare.tracing import prepare_traced
from medgraft.read import read
from medgraft.read.scan import Scan
from tests.prepare.mammograms import mammogram

ROOT = Path(__file__).parents[2]
SMALL = pipeline(preset_steps("mammography", 160, 1))
FILMS = {
    "bordered": mammogram(),
    "no border": mammogram(border=0),
    "no marker": mammogram(marker=False),
    "neither": mammogram(border=0, marker=False),
    "tilted border": mammogram(tilt=0.05),
    "tilted the other way": mammogram(tilt=-0.04),
    "three borders touched": mammogram(wide=True),
    "black air": mammogram(air=0.0),
    "tape": mammogram(tape=True),
    "large": mammogram((800, 640), border=16, tilt=0.03),
}


def kept_of(film, scan=None):
    return prepare_traced(film.scan() if scan is None else scan, SMALL).kept


@pytest.mark.parametrize("name", FILMS)
@pytest.mark.parametrize(("bits", "high"), [(8, None), (16, None), (16, 4095)])
def test_the_breast_is_kept_and_border_tape_and_letters_are_gone(name, bits, high):
    film = FILMS[name]
    kept = kept_of(film, film.scan(bits, high=high))
    assert kept[film.breast].mean() >= 0.99
    assert not kept[film.frame].any()
    assert not kept[film.marker].any()
    assert not kept[film.tape].any()


def test_skin_that_is_darker_than_air_elsewhere_on_the_film_is_kept():
    film = mammogram(border=0, marker=False)
    away = ndimage.distance_transform_edt(~film.breast)
    skin = (away > 0) & (away <= 9)
    air = np.where(np.indices(away.shape)[1] > 0.8 * away.shape[1], 0.1, 0.02)
    values = np.where(film.breast, film.values, np.where(skin, 0.1 - 0.007 * away, air))
    kept = kept_of(replace(film, values=values))
    assert kept[skin].mean() > 0.97
    assert kept[film.breast].all()
    assert not kept[away > 9 + 6].any()


def test_padding_that_a_scratch_crosses_is_not_kept():
    film = mammogram(border=0, marker=False, air=0.08)
    padded = np.pad(film.values, ((0, 0), (200, 200)))
    padded[300] = 0.3
    kept = kept_of(replace(film, values=padded))
    assert kept[:, 200:-200][film.breast].mean() >= 0.99
    assert not kept[:, :198].any()


@pytest.mark.parametrize("name", ["bordered", "tilted border", "tape", "black air"])
def test_pixels_of_border_and_letters_are_zero_in_the_erased_film(name):
    film = FILMS[name]
    done = run(film.scan(), pipeline(["intensity", "erase_frame", "keep_breast"]))
    assert not done.array[0][film.frame | film.marker | film.tape].any()


@pytest.mark.parametrize("name", FILMS)
def test_the_mirrored_film_gives_the_same_image(name):
    film = FILMS[name]
    one = prepare(film.scan(), SMALL).astype(np.float64)
    other = prepare(film.mirrored().scan(), SMALL).astype(np.float64)
    assert np.abs(one - other).mean() < 0.002


@pytest.mark.parametrize("name", ["bordered", "tape", "three borders touched"])
def test_without_turning_the_mirrored_film_gives_the_mirrored_image(name):
    chain = pipeline(preset_steps("mammography:chest=as_it_is", 160, 1))
    film = FILMS[name]
    one = prepare(film.scan(), chain).astype(np.float64)
    other = prepare(film.mirrored().scan(), chain).astype(np.float64)
    # Padding to a square is a pixel wider on one side where the difference is odd.
    assert np.abs(one - other[..., ::-1]).mean() < 0.008
    assert np.abs(one - other).mean() > 0.02


@pytest.mark.parametrize("name", FILMS)
def test_preparing_twice_is_preparing_once_up_to_interpolation(name):
    once = prepare(FILMS[name].scan(), SMALL)
    whole = np.rint(once * 255).astype(np.uint8)
    twice = prepare_traced(Scan(whole, value_range=(0, 255)), SMALL)
    assert np.abs(once.astype(np.float64) - twice.array).mean() < 0.02
    assert twice.geometry.scales == pytest.approx((1, 1), abs=0.025)
    assert not twice.removed["erase_frame"].any()


@pytest.mark.parametrize("bits", [8, 16])
def test_an_inverted_film_gives_the_image_of_the_film(bits):
    film = FILMS["no border"]
    one = prepare(film.scan(bits), SMALL)
    other = prepare(film.scan(bits, inverted=True), SMALL)
    np.testing.assert_allclose(one, other, atol=1e-6)


@pytest.mark.parametrize("name", ["bordered", "three borders touched"])
def test_a_film_with_a_dark_ground_is_not_inverted(name):
    scan = FILMS[name].scan()
    assert pipeline(["dark_ground"])[0](scan) is scan


@pytest.mark.parametrize("size", [(40, 200), (200, 40), (90, 90), (320, 384)])
def test_proportions_are_kept(size):
    film = mammogram(size, border=0, marker=False)
    done = prepare_traced(film.scan(), SMALL)
    assert abs(done.geometry.scales[0]) == pytest.approx(abs(done.geometry.scales[1]), rel=0.02)


EMPTY = {
    "empty": np.full((1, 200, 160), 3, np.uint8),
    "constant": np.full((1, 200, 160), 200, np.uint8),
    "black": np.zeros((1, 200, 160), np.uint8),
    "noise of air": np.random.default_rng(0).integers(0, 9, (1, 200, 160)).astype(np.uint8),
    "letters alone": mammogram(border=0).scan().array * mammogram(border=0).marker,
    "one pixel": np.full((1, 1, 1), 9, np.uint8),
}


@pytest.mark.parametrize("name", EMPTY)
def test_a_film_without_a_breast_is_refused_and_kept_whole_if_asked(name):
    scan = Scan(EMPTY[name], source="x.png", value_range=(0, 255))
    with pytest.raises(ReadError, match=r"'x.png': no breast was found on it.*missing=keep"):
        prepare(scan, SMALL)
    whole = pipeline(["keep_breast:missing=keep"])[0](scan)
    np.testing.assert_array_equal(whole.array, scan.array)


@settings(max_examples=25, deadline=None)
@given(
    height=st.integers(1, 70),
    width=st.integers(1, 70),
    bits=st.sampled_from([8, 16]),
    seed=st.integers(0, 9),
)
def test_any_picture_is_prepared_or_refused(height, width, bits, seed):
    rng = np.random.default_rng(seed)
    array = rng.integers(0, 2**bits, (1, height, width)).astype(f"u{bits // 8}")
    picture = Scan(array, value_range=(0, 2**bits - 1))
    with suppress(ReadError):  # no breast was found
        assert prepare(picture, SMALL).shape == (1, 160, 160)


def test_a_volume_is_refused_with_a_reason():
    with pytest.raises(ReadError, match="dark_ground works on images of 2 spatial axes"):
        prepare(Scan(np.zeros((1, 4, 5, 6), np.uint8), value_range=(0, 255)), SMALL)


class TestScratches:
    def film(self):
        rows, columns = np.indices((200, 160))
        return np.rint(90 + 40 * np.sin(rows / 40) * np.cos(columns / 30)).astype(np.uint8)

    @pytest.mark.parametrize("axis", [0, 1])
    @pytest.mark.parametrize("value", [0, 255])
    @pytest.mark.parametrize("width", [1, 2])
    def test_a_line_is_filled_from_its_sides(self, axis, value, width):
        clean = self.film()
        line = [slice(20, 180), slice(70, 70 + width)]
        scratched = clean.copy()
        scratched[tuple(line if axis == 0 else line[::-1])] = value
        done = pipeline(["mend_scratches:least=1"])[0](Scan(scratched[None], value_range=(0, 255)))
        assert np.abs(done.array[0].astype(int) - clean).max() <= 3

    def test_a_small_copy_is_left_alone(self):
        film = Scan(np.where(np.eye(200, dtype=bool), 0, 90).astype(np.uint8)[None])
        assert pipeline(["mend_scratches"])[0](film) is film

    def test_dark_dust_goes_and_bright_specks_stay(self):
        film = self.film()
        film[50:52, 60:62] = 0
        film[120, 80] = film[121, 81] = 250
        done = pipeline(["mend_scratches:least=1"])[0](
            Scan(film[None], value_range=(0, 255))
        ).array[0]
        assert (done[50:52, 60:62] > 60).all()
        assert done[120, 80] == done[121, 81] == 250
        untouched = np.ones(film.shape, bool)
        untouched[50:52, 60:62] = False
        np.testing.assert_array_equal(done[untouched], film[untouched])


class TestPectoral:
    def film(self, *, muscle):
        film = mammogram(border=0, marker=False, wide=True)
        rows, columns = np.indices(film.values.shape)
        inside = film.breast & (columns / 110 + rows / 230 < 1)
        values = film.values.copy()
        if muscle:
            values[inside] = 0.9 + 0.2 * (values[inside] - 0.6)
        return Scan(np.rint(255 * values.clip(0, 1)).astype(np.uint8)[None]), inside, film.breast

    @pytest.mark.parametrize("mirrored", [False, True])
    def test_the_triangle_goes_and_the_rest_stays(self, mirrored):
        scan, inside, breast = self.film(muscle=True)
        if mirrored:
            scan = Scan(np.ascontiguousarray(scan.array[..., ::-1]))
            inside, breast = inside[:, ::-1], breast[:, ::-1]
        kept = pipeline(["erase_pectoral"])[0].kept(scan)
        assert (~kept)[inside].mean() > 0.95
        assert kept[breast & ~inside].mean() > 0.97

    def test_a_breast_without_muscle_stays_whole(self):
        scan, _, _ = self.film(muscle=False)
        assert pipeline(["erase_pectoral"])[0].kept(scan).all()


def clahe_by_loops(grey, *, limit, tiles, bins=256):
    """The definition, pixel by pixel."""
    height, width = grey.shape
    place = np.array([[grey[r, c] * (bins - 1) for c in range(width)] for r in range(height)])
    lit = [int(place[r, c]) for r in range(height) for c in range(width) if grey[r, c] > 0]
    whole = np.bincount(lit, minlength=bins) / max(len(lit), 1)
    maps = np.zeros((tiles, tiles, bins))
    for i in range(tiles):
        for j in range(tiles):
            pixels = [
                (r, c)
                for r in range(height)
                for c in range(width)
                if r * tiles // height == i and c * tiles // width == j
            ]
            share = np.zeros(bins)
            for r, c in pixels:
                if grey[r, c] > 0:
                    share[int(place[r, c])] += 1 / len(pixels)
            share += (1 - share.sum()) * whole
            excess = sum(max(s - limit / bins, 0) for s in share)
            even = [min(s, limit / bins) + excess / bins for s in share]
            maps[i, j] = [sum(even[:b]) + even[b] / 2 for b in range(bins)]
    result = np.zeros(grey.shape)
    for r in range(height):
        for c in range(width):
            if grey[r, c] == 0:
                continue
            y, x = (r + 0.5) * tiles / height - 0.5, (c + 0.5) * tiles / width - 0.5
            low, share = int(place[r, c]), place[r, c] - int(place[r, c])
            for i, wi in ((int(np.floor(y)), 1 - y % 1), (int(np.floor(y)) + 1, y % 1)):
                for j, wj in ((int(np.floor(x)), 1 - x % 1), (int(np.floor(x)) + 1, x % 1)):
                    found = maps[min(max(i, 0), tiles - 1), min(max(j, 0), tiles - 1)]
                    value = found[low] * (1 - share) + found[min(low + 1, bins - 1)] * share
                    result[r, c] += wi * wj * value
    return result.clip(0, 1)


def test_clahe_agrees_with_its_definition_in_loops():
    rng = np.random.default_rng(0)
    grey = (rng.random((19, 14)) ** 2).astype(np.float32)
    grey[:5, :6] = 0
    step = pipeline(["clahe:limit=3,tiles=3"])[0]
    done = step(Scan(grey[None], value_range=(0, 1))).array[0]
    np.testing.assert_allclose(done, clahe_by_loops(grey, limit=3, tiles=3), atol=2e-5)
    assert not done[grey == 0].any()


def test_clahe_leaves_what_was_erased_black_and_the_geometry_alone():
    plain = prepare_traced(FILMS["bordered"].scan(), SMALL)
    clahe = pipeline(preset_steps("mammography:contrast=clahe", 160, 1))
    done = prepare_traced(FILMS["bordered"].scan(), clahe)
    assert done.geometry == plain.geometry
    np.testing.assert_array_equal(done.array > 0, plain.array > 0)
    assert done.array[done.array > 0].std() > plain.array[plain.array > 0].std()


@pytest.mark.parametrize(
    ("spec", "error", "said"),
    [
        ("mamography", UnknownNameError, "Did you mean 'mammography'"),
        ("mammography:pectoral=maybe", ArgumentError, "pectoral"),
        ("mammography:colour=red", ArgumentError, "no option is called 'colour'"),
    ],
)
def test_a_wrong_preset_is_refused(spec, error, said):
    with pytest.raises(error, match=said):
        preset_steps(spec, 64, 1)


@pytest.fixture(scope="module")
def mias():
    folder = (
        Path(os.environ.get("MEDGRAFT_DATA", ROOT.parent / "shared/data")) / "mammo-mias/png256"
    )
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there; set MEDGRAFT_DATA")
    return {film.stem: film for film in sorted(folder.glob("*.png"))}


def test_of_real_films_a_breast_is_kept_and_not_the_whole_film(mias):
    for name, film in list(mias.items())[::11]:
        kept = prepare_traced(read(film), SMALL).kept
        assert 0.1 < kept.mean() < 0.97, name


def test_the_tape_on_real_films_is_found_and_films_without_are_left_alone(mias):
    step = pipeline(["erase_frame"])[0]
    taped = ["mdb002", "mdb010", "mdb269", "mdb287", "mdb289", "mdb305", "mdb315"]
    for name in taped:
        upper = ~step.kept(read(mias[name]))[:40]
        assert upper.any(axis=0).mean() > 0.3, name
    for name in ["mdb001", "mdb017", "mdb054", "mdb124", "mdb137", "mdb178"]:
        assert step.kept(read(mias[name])).all(), name


def test_real_films_face_one_way_after_it_whichever_way_they_were_scanned(mias):
    """In MIAS the chest wall of odd films lies to the right, of even films to the left."""
    keep, turn = pipeline(["keep_breast", "chest_left"])
    wide = {name: mias[name] for name in ("mdb151", "mdb152")}  # from side to side of the film
    for name, film in (dict(list(mias.items())[::9]) | wide).items():
        alone = keep(read(film))
        assert (turn(alone) is alone) == (int(name[3:]) % 2 == 0), name


def test_nine_in_ten_real_films_prepared_twice_are_prepared_once_up_to_interpolation(mias):
    """On the others stretching makes dense tissue as white as a film edge, or a thin end is lost."""
    differences = []
    for film in list(mias.values())[::17]:
        once = prepare(read(film), SMALL).astype(np.float64)
        whole = np.rint(once * 255).astype(np.uint8)
        twice = prepare(Scan(whole, value_range=(0, 255)), SMALL)
        differences.append(np.abs(once - twice).mean())
    assert np.quantile(differences, 0.9) < 0.02
    assert np.median(differences) < 0.005
