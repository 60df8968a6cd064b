"""`medgraft prepare`: pictures, masks, a table, a page; what is broken costs its row."""

import json
import re

import numpy as np
import polars as pl
import pytest
from PIL import Image

from medgraft.cli.__main__ import main
from medgraft.prepare import pipeline, prepare
from medgraft.prepare.job import names_of, prepare_files
from medgraft.prepare.presets import preset_steps
from medgraft.prepare.tracing import prepare_traced
from medgraft.read.scan import Scan
from tests.prepare.mammograms import mammogram
from tests.prepare.scans import scan

SPECS = preset_steps("mammography", 96, 1)


@pytest.fixture
def films(tmp_path):
    """Four films, one of 16 bits and one mirrored, one without a breast and one that is broken."""
    root = tmp_path / "films"
    root.mkdir()
    drawn = {name: mammogram((200, 160), seed=n) for n, name in enumerate("abcd")}
    drawn["d"] = drawn["d"].mirrored()
    for name, film in drawn.items():
        Image.fromarray(film.scan(16 if name == "c" else 8).array[0]).save(root / f"{name}.png")
    Image.fromarray(np.full((60, 50), 4, np.uint8)).save(root / "empty.png")
    (root / "broken.png").write_bytes((root / "a.png").read_bytes()[:300])
    return root


def paths(films):
    return sorted(films.iterdir())


def contents(folder):
    return {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in folder.rglob("*") if p.is_file()}


def test_images_masks_table_and_rejects_are_written_and_the_films_left_alone(films, tmp_path):
    before = contents(films)
    found = prepare_files(paths(films), tmp_path / "out", SPECS, masks=tmp_path / "m", workers=0)
    assert contents(films) == before
    assert [row["path"][-5:] for row in found.done] == ["a.png", "b.png", "c.png", "d.png"]
    table = pl.read_csv(tmp_path / "out/prepared.csv")
    assert table["bits"].to_list() == [8, 8, 16, 8]
    assert table["mirrored"].to_list() == [False, False, False, True]
    for row in table.iter_rows(named=True):
        traced = prepare_traced(_scan(row["path"]), pipeline(SPECS))
        whole = np.asarray(Image.open(tmp_path / "out" / row["image"]))
        assert whole.dtype == (np.uint16 if row["bits"] == 16 else np.uint8)
        most = 2 ** row["bits"] - 1
        np.testing.assert_allclose(whole / most, traced.array[0], atol=0.51 / most)
        mask = np.asarray(Image.open(tmp_path / "out" / row["mask"]))
        np.testing.assert_array_equal(mask == 255, traced.kept)
        assert set(np.unique(mask)) == {0, 255}
        assert row["kept"] == pytest.approx(traced.kept.mean(), abs=1e-6)
    rejects = pl.read_csv(tmp_path / "out/rejects.csv")
    assert [p[-10:] for p in rejects["path"]] == ["broken.png", "/empty.png"]
    assert "no breast was found" in rejects["reason"][1]


def _scan(path):
    from medgraft.read import read

    return read(path)


def test_the_same_call_prepares_nothing_anew_and_a_changed_film_only(films, tmp_path):
    out = tmp_path / "out"
    prepare_files(paths(films), out, SPECS, workers=0)
    made = contents(out)
    again = prepare_files(paths(films), out, SPECS, workers=0)
    assert again.earlier == 4
    assert len(again.rejects) == 2
    images = [p for p in made if p.suffix == ".png"]
    assert all(contents(out)[p] == made[p] for p in images)
    Image.fromarray(mammogram((200, 160), seed=9).scan().array[0]).save(films / "b.png")
    (out / "c.png").unlink()
    changed = prepare_files(paths(films), out, SPECS, workers=0)
    assert changed.earlier == 2
    assert (out / "c.png").read_bytes() == made[out / "c.png"][0]
    assert (out / "b.png").read_bytes() != made[out / "b.png"][0]
    assert (out / "a.png").stat().st_mtime_ns == made[out / "a.png"][1]


def test_a_call_that_was_cut_short_is_gone_on_with(films, tmp_path):
    out = tmp_path / "out"
    whole = prepare_files(paths(films), out, SPECS, workers=0)
    lines = (out / "done.jsonl").read_text().splitlines(keepends=True)
    (out / "done.jsonl").write_text("".join(lines[:2]) + lines[2][:40])
    (out / "prepared.csv").unlink()
    resumed = prepare_files(paths(films), out, SPECS, workers=0)
    assert resumed.earlier == 2
    assert resumed.done == whole.done


def test_nothing_is_overwritten_that_is_not_ours(films, tmp_path, capsys):
    out = tmp_path / "out"
    out.mkdir()
    (out / "a.png").write_bytes(b"mine")
    call = ["prepare", str(films / "a.png"), "--out", str(out), "--preset", "mammography"]
    assert main(call) == 2
    assert "new or empty folder" in capsys.readouterr().err
    assert (out / "a.png").read_bytes() == b"mine"
    (out / "a.png").unlink()
    assert main([*call, "--size", "64"]) == 0
    assert main([*call, "--size", "80"]) == 2
    assert "was prepared with other steps" in capsys.readouterr().err
    masks = tmp_path / "masks"
    masks.mkdir()
    (masks / "a.png").write_bytes(b"mine")
    assert main([*call, "--size", "64", "--masks", str(masks)]) == 2
    assert main([*call, "--size", "64", "--masks", str(out)]) == 2
    assert "another folder than --out" in capsys.readouterr().err
    assert (masks / "a.png").read_bytes() == b"mine"


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--preset", "mammogram"], "Did you mean 'mammography'"),
        (["--preset", "mammography", "--steps", "intensity"], "Leave one out"),
        (["--steps", "nonsense"], "no preparation step is called 'nonsense'"),
        (["--size", "2"], r"--size must be in \[8, 8192\], got 2"),
        (["--preview", "-1"], r"--preview must be in \[0, 1000\], got -1"),
    ],
)
def test_a_wrong_call_is_one_line_and_makes_nothing(films, tmp_path, capsys, flags, said):
    assert main(["prepare", str(films / "a.png"), "--out", str(tmp_path / "out"), *flags]) == 2
    assert re.search(said, capsys.readouterr().err)
    assert not (tmp_path / "out").exists()


def test_when_nothing_can_be_prepared_the_call_fails_and_the_table_says_why(
    films, tmp_path, capsys
):
    out = tmp_path / "out"
    call = ["prepare", str(films / "broken.png"), "--out", str(out), "--preset", "mammography"]
    assert main(call) == 2
    assert "none was" in capsys.readouterr().err
    assert len(pl.read_csv(out / "rejects.csv")) == 1


def test_the_page_shows_each_film_and_what_was_refused_and_is_self_contained(
    films, tmp_path, capsys
):
    out = tmp_path / "out"
    files = list(map(str, paths(films)))
    assert (
        main(["prepare", *files, "--out", str(out), "--preset", "mammography", "--size", "64"]) == 0
    )
    assert "4 images prepared" in capsys.readouterr().out
    page = (out / "preview.html").read_text()
    assert page.count("data:image/jpeg;base64,") == 16
    assert "4 images prepared, 2 not" in page
    assert "no breast was found" in page
    assert not re.search(r"""(?:src|href)=["'](?!data:|#)""", page)
    assert str(films) not in page


@pytest.mark.parametrize(("asked", "shown"), [(0, 0), (1, 1), (3, 3), (99, 4)])
def test_as_many_films_are_shown_as_asked_spread_evenly(films, tmp_path, asked, shown):
    files = [films / f"{name}.png" for name in "abcd"]
    prepare_files(files, tmp_path / "out", SPECS, previews=asked, workers=0)
    told = json.loads((tmp_path / "out/preview.json").read_text())
    assert len(told["shown"]) == shown


def test_it_works_with_any_steps_and_colour(tmp_path):
    colour = np.random.default_rng(0).integers(0, 256, (40, 30, 3)).astype(np.uint8)
    Image.fromarray(colour).save(tmp_path / "x.png")
    found = prepare_files(
        [tmp_path / "x.png"], tmp_path / "out", ["intensity", "pad_square"], workers=0
    )
    assert found.done[0]["removed"] == {}
    whole = np.asarray(Image.open(tmp_path / "out/x.png"))
    np.testing.assert_array_equal(whole[:, 5:35], colour)


def test_a_volume_is_a_reject(tmp_path):
    np.save(tmp_path / "v.npy", np.zeros((1, 4, 5, 6), np.uint8))
    found = prepare_files([tmp_path / "v.npy"], tmp_path / "out", ["intensity"], workers=0)
    assert found.rejects
    assert not found.done


def test_several_processes_write_what_one_does(films, tmp_path):
    files = [films / f"{name}.png" for name in "abcd"]
    one = prepare_files(files, tmp_path / "one", SPECS, workers=0)
    two = prepare_files(files, tmp_path / "two", SPECS, workers=2)
    assert one.done == two.done
    for row in one.done:
        image = row["image"]
        assert (tmp_path / "one" / image).read_bytes() == (tmp_path / "two" / image).read_bytes()


def test_files_of_one_name_are_kept_apart(films, tmp_path):
    other = tmp_path / "more"
    other.mkdir()
    (other / "a.png").write_bytes((films / "b.png").read_bytes())
    found = prepare_files([films / "a.png", other / "a.png"], tmp_path / "out", SPECS, workers=0)
    images = [row["image"] for row in found.done]
    assert len(set(images)) == 2
    assert all((tmp_path / "out" / image).is_file() for image in images)


def test_names_keep_apart_what_differs_in_case_or_suffix_alone(tmp_path):
    names = names_of([tmp_path / "x.png", tmp_path / "X.dcm"])
    assert names == ["x.png", "X.dcm"]


class TestTracing:
    CHAIN = (
        "intensity",
        "keep_breast:missing=keep",
        "crop_to_content",
        "pad_square",
        "resize:side=40",
    )

    @pytest.mark.parametrize("size", [(50, 70), (33, 20)])
    def test_it_prepares_as_prepare_does(self, size):
        image, chain = scan(size), pipeline(self.CHAIN)
        np.testing.assert_array_equal(prepare_traced(image, chain).array, prepare(image, chain))

    def test_what_is_kept_is_what_was_neither_erased_nor_cut_away(self):
        film = mammogram()
        chain = pipeline(["intensity", "erase_frame", "keep_breast", "crop_or_pad:side=200"])
        traced = prepare_traced(film.scan(), chain)
        rows, columns = np.indices(film.values.shape)
        (height, width) = film.values.shape
        box = (abs(rows - (height - 1) / 2) < 100) & (abs(columns - (width - 1) / 2) < 100)
        erased = traced.removed["erase_frame"] | traced.removed["keep_breast"]
        np.testing.assert_array_equal(traced.kept, box & ~erased)
        assert not (traced.removed["erase_frame"] & traced.removed["keep_breast"]).any()
        shown = run_values(film, traced)
        np.testing.assert_allclose(shown[traced.kept], film.scan().array[0][traced.kept] / 255)

    def test_mended_pixels_are_those_that_differ(self):
        film = mammogram(border=0, marker=False).scan().array.copy()
        film[0, 150:152, 40:42] = 0
        traced = prepare_traced(
            Scan(film, value_range=(0, 255)), pipeline(["mend_scratches:least=1", "intensity"])
        )
        assert traced.mended[150:152, 40:42].all()
        assert traced.mended.sum() == 4


def run_values(film, traced):
    """The prepared values on the grid of the file."""
    from medgraft.prepare.geometry import restore

    return restore(traced.array, traced.geometry, fill=0)[0].astype(np.float32)
