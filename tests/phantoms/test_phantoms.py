"""The phantoms: the same by seed, readable, and honest about what they are."""

import csv
import hashlib
from dataclasses import replace

import numpy as np
import pytest

from medgraft.cli.__main__ import main
from medgraft.errors import ArgumentError, OutputError
from medgraft.phantoms import draw, draw_volumes, render, render_volume, write_archive
from medgraft.prepare.steps.orient import Orient
from medgraft.read import identity, read


def rows_of(table):
    with table.open(newline="") as lines:
        return list(csv.DictReader(lines))


def hashes(folder):
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("kind", ["png", "dicom", "nifti"])
def test_the_same_seed_writes_the_same_bytes_and_another_seed_does_not(tmp_path, kind):
    options = {"patients": 3, "side": 48, "format": kind}
    for name, seed in [("a", 4), ("b", 4), ("c", 5)]:
        write_archive(tmp_path / name, seed=seed, **options)
    assert hashes(tmp_path / "a") == hashes(tmp_path / "b")
    assert hashes(tmp_path / "a")["labels.csv"] != hashes(tmp_path / "c")["labels.csv"]


def test_a_film_does_not_depend_on_how_many_others_there_are():
    few, many = draw(patients=2, views=1, seed=0), draw(patients=50, views=3, seed=0)
    same = next(f for f in many if (f.patient, f.view) == (few[1].patient, few[1].view))
    assert replace(same, lesion=None) == replace(few[1], lesion=None)


@pytest.mark.parametrize("kind", ["png", "dicom"])
@pytest.mark.parametrize("bits", [8, 16])
def test_files_are_read_as_they_were_drawn(tmp_path, bits, kind):
    table = write_archive(tmp_path / "x", patients=4, side=40, bits=bits, format=kind)
    pictures, _ = render(draw(patients=4, views=2, seed=0), side=40, contrast=0.5)
    for row, picture in zip(rows_of(table), pictures, strict=True):
        scan = read(tmp_path / "x" / row["file"])
        assert scan.array.shape == (1, 40, 40)
        np.testing.assert_allclose(scan.array[0] / (2**bits - 1), picture, atol=0.51 / 2**bits)


def test_half_of_the_patients_have_a_lesion_in_all_of_their_views(tmp_path):
    rows = rows_of(write_archive(tmp_path / "x", patients=10, views=3, side=32))
    labels = {
        p: {r["label"] for r in rows if r["patient"] == p} for p in {r["patient"] for r in rows}
    }
    assert len(rows) == 30
    assert sorted(map(len, labels.values())) == [1] * 10
    assert sum(found == {"lesion"} for found in labels.values()) == 5
    assert {r["view"] for r in rows} == {"CC", "MLO", "ML"}


def test_masks_lie_where_the_table_says(tmp_path):
    table = write_archive(tmp_path / "x", patients=12, side=128)
    for row in rows_of(table):
        if row["label"] == "normal":
            assert (row["mask"], row["x"], row["radius"]) == ("", "", "")
            continue
        mask = read(tmp_path / "x" / row["mask"]).array[0] > 0
        ys, xs = np.nonzero(mask)
        assert np.hypot(xs.mean() - float(row["x"]), ys.mean() - float(row["y"])) < 2.5
        assert np.sqrt(mask.sum() / np.pi) == pytest.approx(float(row["radius"]), rel=0.25)


def test_lesions_brighten_what_their_mask_covers_and_nothing_far_away():
    films = draw(patients=20, views=1, seed=1)
    with_them, masks = render(films, side=96, contrast=1.0)
    without, _ = render(films, side=96, contrast=0.0)
    gain = with_them - without
    sick = np.array([film.lesion is not None for film in films])
    assert (gain[~sick] == 0).all()
    inside = np.array([g[m].mean() for g, m in zip(gain[sick], masks[sick], strict=True)])
    assert inside.min() > 0.1
    assert gain.min() > -1e-6


def test_without_contrast_a_film_is_the_same_with_and_without_a_lesion():
    """So nothing else on the film can tell: not borders, not markers, not tape."""
    films = draw(patients=16, views=2, seed=2)
    healthy = [replace(film, lesion=None) for film in films]
    with_them, _ = render(films, side=64, contrast=0.0)
    without, _ = render(healthy, side=64, contrast=0.0)
    np.testing.assert_array_equal(with_them, without)


def test_what_is_on_a_film_does_not_know_the_label():
    """Clutter of sick and healthy patients, 400 of each: no mean differs by four standard errors."""
    films = draw(patients=800, views=1, seed=3)
    sick = np.array([film.lesion is not None for film in films])
    numbers = np.array(
        [
            [
                *film.clutter.border,
                *film.clutter.marker,
                film.clutter.marker_height,
                *film.clutter.tape,
                film.clutter.fog,
                film.clutter.gamma,
                film.clutter.noise,
                film.body.depth,
                film.body.height,
                film.body.density,
                film.laterality == "L",
                len(film.nodes),
            ]
            for film in films
        ],
        dtype=float,
    )
    a, b = numbers[sick], numbers[~sick]
    error = np.sqrt(a.var(axis=0) / len(a) + b.var(axis=0) / len(b))
    assert (np.abs(a.mean(axis=0) - b.mean(axis=0)) <= 4 * error + 1e-12).all()


def test_sides_are_mirrored_and_their_marker_is_not():
    film = draw(patients=1, views=1, seed=0)[0]
    film = replace(film, clutter=replace(film.clutter, noise=0.0))
    left, right = (
        render([replace(film, laterality=side)], side=128, contrast=0.0)[0][0] for side in "LR"
    )
    lead = 0.9  # only markers and white edges are brighter
    body = (left < lead) & (right[:, ::-1] < lead)
    np.testing.assert_array_equal(left[body], right[:, ::-1][body])
    assert (left != right[:, ::-1]).any()


def test_views_of_a_patient_are_more_alike_than_films_of_others():
    films = draw(patients=40, views=2, seed=0)
    depth = np.array([film.body.depth for film in films]).reshape(40, 2)
    assert np.abs(depth[:, 0] - depth[:, 1]).mean() < np.abs(depth[:-1] - depth[1:]).mean() / 1.5


def test_a_dicom_phantom_says_that_it_is_one(tmp_path):
    import pydicom

    table = write_archive(tmp_path / "x", patients=2, side=32, format="dicom")
    row = rows_of(table)[1]
    data = pydicom.dcmread(tmp_path / "x" / row["file"])
    assert str(data.PatientName).startswith("PHANTOM")
    assert "not clinical" in data.ImageComments
    who = identity(tmp_path / "x" / row["file"])
    assert (who.view, who.laterality) == (row["view"], row["laterality"])
    assert read(tmp_path / "x" / row["file"]).spacing_mm == (0.2, 0.2)
    studies = {pydicom.dcmread(tmp_path / "x" / r["file"]).StudyInstanceUID for r in rows_of(table)}
    assert len(studies) == 2


def test_the_folder_says_loudly_what_it_is(tmp_path):
    write_archive(tmp_path / "x", patients=1, side=32)
    assert (tmp_path / "x" / "README.txt").read_text().startswith("SYNTHETIC IMAGES. NOT CLINICAL")


@pytest.mark.parametrize("bits", [8, 16])
def test_volumes_are_read_as_they_were_drawn_whichever_way_they_lie(tmp_path, bits):
    folder = tmp_path / "x"
    rows = rows_of(write_archive(folder, patients=6, side=24, bits=bits, format="nifti", views=1))
    found = set()
    for row, volume in zip(rows, draw_volumes(patients=6, scans=1, seed=0), strict=True):
        values, mask = render_volume(volume, side=24, contrast=0.5)
        for name, wanted in (("file", np.rint(values * (2**bits - 1))), ("mask", mask)):
            scan = Orient()(read(folder / row[name]))
            np.testing.assert_array_equal(scan.array[0], wanted)
            np.testing.assert_allclose(scan.affine[:3, :3], np.diag([1, 1, 2]))
        found.add((read(folder / row["file"]).array.shape, volume.orientation))
    assert len(found) > 3


def test_lesions_of_volumes_lie_where_the_table_says_and_every_patient_has_the_organ(tmp_path):
    folder = tmp_path / "x"
    for row in rows_of(write_archive(folder, patients=8, side=64, format="nifti", views=1)):
        mask = read(folder / row["mask"])
        assert (mask.array == 1).sum() > 100
        places = np.argwhere(mask.array[0] == 2)
        assert bool(len(places)) == (row["label"] == "lesion")
        if len(places):
            said = np.array([float(row[axis]) for axis in "ijk"])
            assert np.linalg.norm((places.mean(axis=0) - said) * mask.spacing_mm) < 2.5
            radius = (len(places) * np.prod(mask.spacing_mm) * 3 / (4 * np.pi)) ** (1 / 3)
            assert radius == pytest.approx(float(row["radius_mm"]), rel=0.25)


def test_without_contrast_a_volume_is_the_same_with_and_without_a_lesion():
    for volume in draw_volumes(patients=6, scans=1, seed=2):
        one, _ = render_volume(volume, side=20, contrast=0.0)
        other, mask = render_volume(replace(volume, lesion=None), side=20, contrast=0.0)
        np.testing.assert_array_equal(one, other)
        assert set(np.unique(mask)) == {0, 1}


def test_what_is_in_a_volume_does_not_know_the_label():
    volumes = draw_volumes(patients=400, scans=1, seed=3)
    sick = np.array([volume.lesion is not None for volume in volumes])
    numbers = np.array(
        [
            [
                *v.extent,
                *v.head.centre,
                *v.head.radii,
                *v.organ.radii,
                *v.bias,
                v.gain,
                v.noise,
                len(v.spots),
                v.orientation == "RAS",
            ]
            for v in volumes
        ]
    )
    a, b = numbers[sick], numbers[~sick]
    error = np.sqrt(a.var(axis=0) / len(a) + b.var(axis=0) / len(b))
    assert (np.abs(a.mean(axis=0) - b.mean(axis=0)) <= 4 * error + 1e-12).all()


@pytest.mark.parametrize(
    "options",
    [
        {"patients": 0},
        {"views": 5},
        {"contrast": 1.2},
        {"side": 8},
        {"side": 600, "format": "nifti"},
        {"bits": 12},
        {"format": "gif"},
    ],
)
def test_wrong_options_are_refused_before_anything_is_written(tmp_path, options):
    with pytest.raises(ArgumentError, match=next(iter(options))):
        write_archive(tmp_path / "x", **options)
    assert not (tmp_path / "x").exists()


def test_an_existing_folder_is_not_overwritten(tmp_path):
    (tmp_path / "mine.txt").write_text("precious")
    with pytest.raises(OutputError, match="exists"):
        write_archive(tmp_path, patients=1, side=32)


def test_the_command_writes_and_says_what_is_next(tmp_path, capsys):
    out = str(tmp_path / "films")
    assert main(["phantoms", "--out", out, "--patients", "2", "--side", "32"]) == 0
    said = capsys.readouterr().out
    assert "not clinical data" in said
    assert "medgraft index" in said
    assert main(["phantoms", "--out", out]) == 2
    assert main(["phantoms", "--out", f"{out}2", "--contrast", "7"]) == 2


def test_the_volumes_it_writes_are_indexed_by_what_it_says(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    flags = "--out volumes --format nifti --patients 3 --views 1 --side 16"
    assert main(["phantoms", *flags.split()]) == 0
    told = capsys.readouterr().out.partition("next: medgraft ")[2]
    assert main([*told.split(), "--workers", "0"]) == 0
    said = capsys.readouterr().out
    assert "masks     3 of 3 images" in said
    assert "rejected  0" in said
