"""What the first line that anybody types finds by itself, and what it says of it."""

import polars as pl
import pytest

from medgraft.cli.__main__ import main
from medgraft.errors import TableError
from medgraft.index import Index
from medgraft.index.build import build
from medgraft.index.layouts import Asked
from medgraft.index.split import split


@pytest.fixture
def archive(tmp_path, picture):
    """A function that writes a table and four images in `images` and `masks`."""

    def write(text):
        for number in range(4):
            picture(tmp_path / f"images/{number}.png", number)
            picture(tmp_path / f"masks/{number}.png", number + 10)
        head, *rows = text.split("|")
        lines = [head, *(row.replace("@", f"images/{n}.png") for n, row in enumerate(rows))]
        (tmp_path / "t.csv").write_text("\n".join(lines) + "\n")
        return tmp_path

    return write


def test_folders_of_images_and_masks_are_no_classes_and_the_table_decides(archive):
    built = build(archive("file,label,patient|@,a,p|@,b,q|@,a,r|@,b,s"), workers=0)
    assert built.layout == "csv"
    assert built.index.labels == ("label",)
    assert built.index.frame["patient_id"].to_list() == list("pqrs")
    assert built.guessed == (
        "path=file label=label patient=patient (guessed; name them with --path --label --patient)"
    )


def test_what_was_said_is_not_guessed(archive):
    root = archive("file,label,kind,patient|@,a,1,p|@,b,0,q")
    asked = Asked(path="file", label=("kind",), patient="none")
    built = build(root, asked=asked, workers=0)
    assert (built.guessed, built.index.labels) == ("", ("kind",))
    assert not built.index.patients_known


def test_a_pattern_for_patients_leaves_no_column_to_be_guessed(archive):
    root = archive("file,label,patient|@,a,p|@,b,q")
    built = build(root, patient_from=r"(?P<patient>\d)\.png", workers=0)
    assert built.index.frame["patient_id"].to_list() == ["0", "1"]
    assert "patient" not in built.guessed


@pytest.mark.parametrize(
    ("head", "guessed"),
    [
        ("file,group,patient", "patient=patient"),
        ("file,group,Subject ID", "patient=Subject ID"),
        ("file,group,other", "patient=group"),
    ],
)
def test_the_patient_comes_before_the_group(archive, head, guessed):
    assert f" {guessed} (" in build(archive(f"{head}|@,g,p|@,h,q"), workers=0).guessed


def test_a_column_label_that_names_files_is_a_mask(archive):
    built = build(archive("file,label|@,masks/0.png|@,masks/1.png"), workers=0)
    assert built.index.labels == ()
    assert built.index.frame["mask_path"].to_list() == ["masks/0.png", "masks/1.png"]


@pytest.mark.parametrize(
    ("table", "wish", "names"),
    [
        ("file,path|@,images/1.png", "path", "file, path"),
        ("file,label,diagnosis|@,a,b", "label", "label, diagnosis"),
        ("file,patient,subject|@,a,b", "patient", "patient, subject"),
        ("file,mask,segmentation|@,masks/0.png,masks/1.png", "mask", "mask, segmentation"),
    ],
)
def test_two_good_columns_are_an_error_that_lists_them(archive, table, wish, names):
    root = archive(table)
    with pytest.raises(TableError, match=f"2 look like it: {names}") as error:
        build(root, layout="csv", workers=0)
    assert f"--{wish} {names.partition(',')[0]}" in str(error.value)
    first = names.partition(",")[0]
    asked = Asked(**{wish: (first,) if wish == "label" else first})
    assert len(build(root, asked=asked, workers=0).index) == 1


def test_a_table_without_a_path_lists_its_columns_and_the_flags(archive):
    with pytest.raises(TableError, match=r"Its columns are ref, age; give --path, and --label"):
        build(archive("ref,age|x,1"), layout="csv", workers=0)


def test_images_without_classes_are_told_what_to_do_and_can_be_taken(tmp_path, picture, capsys):
    for number in range(3):
        picture(tmp_path / f"films/{number}.png", number)
    words = [
        "index",
        str(tmp_path / "films"),
        "--out",
        str(tmp_path / "x.parquet"),
        "--workers",
        "0",
    ]
    assert main(words) == 2
    said = capsys.readouterr().err
    assert "one class only, or no label at all" in said
    assert "--layout folders" in said
    assert main([*words, "--layout", "folders"]) == 0
    assert "labels    none: `medgraft train` will need a label" in capsys.readouterr().out
    assert Index.load(tmp_path / "x.parquet").labels == ()


def test_masks_beside_class_folders_are_left_out(classes, picture):
    picture(classes / "masks/p0.png", 90)
    picture(classes / "ill/masks/p0.png", 91)
    built = build(classes, workers=0)
    assert set(built.index.frame["label"]) == {"ill", "well"}
    assert built.notes == ("2 files in folders of masks or annotations were left out",)


def test_one_class_is_said_to_be_too_few(classes, tmp_path, capsys):
    words = ["--layout", "folders", "--workers", "0", "--out", str(tmp_path / "x.parquet")]
    (tmp_path / "one").mkdir()
    (classes / "ill").rename(tmp_path / "one/ill")
    assert main(["index", str(tmp_path / "one"), *words]) == 0
    assert "warning: there is one class only" in capsys.readouterr().out


def test_signs_are_counted_by_name(archive, capsys):
    root = archive("file,label|@,1|@,0|@,-1|@,")
    assert main(["index", str(root), "--workers", "0", "--out", str(root / "x.parquet")]) == 0
    said = capsys.readouterr().out
    assert "label: 1 positive, 1 negative, 1 uncertain, 1 blank" in said
    assert "columns   path=file label=label (guessed; name them with --path --label)" in said


def test_rows_without_label_are_counted_in_each_part_and_spread_evenly(table, tmp_path, capsys):
    labels = ["a", "b", None, None, None] * 20
    index = split(table(label=labels, patient_id=[f"p{k}" for k in range(100)]), test=0.2, val=0.2)
    for part, count in (("train", 36), ("val", 12), ("test", 12)):
        rows = index.part(part).frame["label"]
        assert rows.is_null().sum() == pytest.approx(count, abs=1)
    path = tmp_path / "x.parquet"
    index.with_frame(index.frame.with_columns(pl.lit(None, pl.String).alias("split"))).save(path)
    assert main(["split", str(path)]) == 0
    said = capsys.readouterr().out
    assert said.splitlines()[0].endswith("a   b  no label")
    assert "note: 60 of 100 images have no label" in said
    assert main(["audit", str(path), "--workers", "0"]) == 0
    assert "no label" in capsys.readouterr().out.splitlines()[0]


def test_original_advises_to_leave_it_out(classes, tmp_path, capsys):
    path = str(tmp_path / "x.parquet")
    main(["index", str(classes), "--out", path, "--workers", "0"])
    assert main(["split", path, "--original"]) == 2
    assert "`medgraft split INDEX` without --original" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("folder", "guessed"),
    [
        ("cxr-kermany", "path=file label=label patient=group"),
        ("histo-idc", "path=file label=label patient=patient"),
        ("seg-wbc", "path=file label=label mask=mask"),
        ("vol-hippocampus", "path=file mask=label"),
    ],
)
def test_real_archives_are_guessed_rightly(data, folder, guessed):
    from medgraft.index.layouts.csv import csv

    found = csv(data / folder, Asked())
    assert found.guessed.startswith(f"{guessed} (guessed; ")
    assert not found.rejects
