"""Films with known findings in the shape of CheXpert: what reports say follows the rule, and nothing else."""

import csv
from collections import Counter

import numpy as np
import polars as pl
import pytest

from medgraft.cli.__main__ import main
from medgraft.errors import ArgumentError
from medgraft.index import Index
from medgraft.phantoms import Picture, is_archive, phantom_pictures, write_reported
from medgraft.phantoms.findings import SIGNS, Finding, draw_findings, show
from medgraft.phantoms.reported import HEDGES

PATIENTS = 60


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("made") / "chexpert"
    asked = ["--patients", str(PATIENTS), "--views", "2", "--side", "32", "--seed", "3"]
    assert main(["phantoms", "--out", str(out), "--format", "chexpert", *asked]) == 0
    return out


def rows_of(folder, table):
    with (folder / table).open(newline="") as lines:
        return {row["Path"]: row for row in csv.DictReader(lines)}


def test_the_layout_of_chexpert_recognises_it_and_all_four_answers_are_there(folder, tmp_path):
    path = tmp_path / "films.parquet"
    assert main(["index", str(folder), "--label", ",".join(SIGNS), "--out", str(path)]) == 0
    index = Index.load(path)
    assert index.layout == "chexpert"
    assert index.frame["patient_id"].n_unique() == PATIENTS
    assert (index.frame.group_by("patient_id").len()["len"] == 2).all()
    train = index.frame.filter(pl.col("orig_split") == "train")
    for name in SIGNS:
        assert set(train[name]) == {1, 0, -1, None}
    checked = index.frame.filter(pl.col("orig_split") == "val").select(*SIGNS)
    assert set(checked.to_numpy().ravel()) == {0, 1}
    assert is_archive(folder)


def test_reports_follow_their_rule(folder):
    truth = rows_of(folder, "truth.csv")
    for path, said in rows_of(folder, "train.csv").items():
        for name, finding in draw_findings(said["Path"].split("/")[1], 3).items():
            there = finding.strength > 0
            assert truth[path][name] == ("1.0" if there else "0.0")
            if there:
                sure = finding.strength >= HEDGES[name].present
                assert said[name] == ("1.0" if sure else "-1.0")
            else:
                assert said[name] in (["", "0.0", "-1.0"] if HEDGES[name].absent else ["", "0.0"])
        well = all(said[name] in ("", "0.0") for name in SIGNS)
        assert said["No Finding"] == ("1.0" if well else "")


def test_what_an_uncertain_label_is_worth_differs_between_findings(folder):
    truth, said = rows_of(folder, "truth.csv"), rows_of(folder, "train.csv")
    worth = {
        name: Counter(truth[path][name] for path, row in said.items() if row[name] == "-1.0")
        for name in SIGNS
    }
    assert set(worth["Atelectasis"]) == {"1.0"}
    assert set(worth["Consolidation"]) == {"0.0"}
    assert set(worth["Pleural Effusion"]) == {"0.0", "1.0"}


def test_films_that_were_checked_have_the_truth(folder):
    truth, checked = rows_of(folder, "truth.csv"), rows_of(folder, "valid.csv")
    assert len(checked) == PATIENTS // 4 * 2
    assert all(truth[path] == row for path, row in checked.items())


@pytest.mark.parametrize("name", SIGNS)
def test_a_sign_brightens_a_part_of_the_film_and_more_so_the_stronger_it_is(name):
    grey = np.full((48, 48), 0.3, np.float32)

    def shown(strength, contrast=0.5):
        return show(grey, {name: Finding(strength, 1, 0.2, 0.3)}, contrast=contrast)

    np.testing.assert_array_equal(shown(0.0), grey)
    np.testing.assert_array_equal(shown(1.0, contrast=0.0), grey)
    faint, strong = shown(0.1) - grey, shown(1.0) - grey
    assert (strong >= 0).all()
    assert (strong > 0.02).mean() < 0.6
    assert strong.max() > 1.5 * faint.max() > 0.03


def test_patients_of_real_films_are_never_divided(tmp_path):
    rng = np.random.default_rng(0)
    pictures = [
        Picture(f"p{k}", lambda k=k: np.full((16, 16), k / 40))
        for k in range(20)
        for _ in range(rng.integers(1, 4))
    ]
    write_reported(tmp_path / "a", pictures, patients=8, views=3, contrast=0.0)
    homes = {}
    for path in (tmp_path / "a").rglob("*.jpg"):
        from PIL import Image

        grey = round(float(np.asarray(Image.open(path)).mean()) / 255 * 40)
        homes.setdefault(grey, set()).add(path.parts[-3])
    assert all(len(found) == 1 for found in homes.values())
    films = Counter(path.parts[-3] for path in (tmp_path / "a").rglob("*.jpg"))
    assert len(films) == 8
    assert min(films.values()) >= 3


def test_the_same_seed_writes_the_same_and_another_does_not(tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        pictures = phantom_pictures(patients=6, views=1, seed=seed, side=32)
        write_reported(tmp_path / name, pictures, patients=6, views=1, seed=seed)
    files = [
        {str(p.relative_to(tmp_path / n)): p.read_bytes() for p in (tmp_path / n).rglob("*.*")}
        for n in "abc"
    ]
    assert files[0] == files[1]
    assert files[0]["truth.csv"] != files[2]["truth.csv"]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"patients": 0}, "at least 1, got 0"),
        ({"contrast": 2}, r"in \[0, 1\], got 2"),
        ({"patients": 9}, "films for 9 patients with 1 each, but 4 make 4"),
    ],
)
def test_wrong_numbers_are_refused(asked, said, tmp_path):
    pictures = phantom_pictures(patients=4, views=1, seed=0, side=32)
    with pytest.raises(ArgumentError, match=said):
        write_reported(tmp_path / "x", pictures, **{"patients": 4, "views": 1, **asked})
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    "asked", [["--films", "a.parquet"], ["--format", "chexpert", "--bits", "16"]]
)
def test_flags_that_do_not_belong_together_are_refused(asked, tmp_path, capsys):
    assert main(["phantoms", "--out", str(tmp_path / "x"), *asked]) == 2
    assert "--format chexpert" in capsys.readouterr().err
