"""What a careless user does: every mistake is one line or one reject row, and the rest goes on."""

import os
import subprocess
import sys

import pytest

from medgraft.errors import ArgumentError, TableError
from medgraft.index import build as builder
from medgraft.index.build import build
from medgraft.index.layouts import Asked


def one_line(error):
    return "\n" not in str(error.value)


def table_of(folder, text):
    (folder / "t.csv").write_text(text)
    return {"layout": "csv", "workers": 0}


def test_a_folder_that_is_not_there_or_empty(tmp_path):
    with pytest.raises(TableError, match="does not exist") as error:
        build(tmp_path / "absent")
    assert one_line(error)
    with pytest.raises(TableError, match=r"looked for csv .*folders") as error:
        build(tmp_path)
    assert one_line(error)


def test_a_truncated_image_among_good_ones_costs_its_row(classes):
    whole = (classes / "ill/p0_0.png").read_bytes()
    (classes / "ill/cut.png").write_bytes(whole[: len(whole) // 2])
    (classes / "ill/empty.png").write_bytes(b"")
    index = build(classes, workers=0).index
    assert len(index) == 8
    assert sorted(index.rejects["path"]) == ["ill/cut.png", "ill/empty.png"]
    assert index.rejects["reason"].str.len_chars().min() > 5


def test_nothing_but_damaged_images_is_one_line(tmp_path):
    for name in "ab":
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.png").write_bytes(b"no image")
    with pytest.raises(TableError, match="2 were found and none can") as error:
        build(tmp_path, workers=0)
    assert one_line(error)


def test_files_that_are_no_images_are_counted_and_not_rejected(classes):
    (classes / "ill/notes.txt").write_text("x")
    (classes / "ill/.hidden.png").write_text("x")
    (classes / "README").write_text("x")
    built = build(classes, workers=0)
    assert built.index.rejects.is_empty()
    assert built.notes == ("2 files are no images, such as README",)


def test_an_image_beside_the_class_folders_is_rejected(classes, picture):
    picture(classes / "lost.png")
    rejects = build(classes, workers=0).index.rejects
    assert rejects["path"].to_list() == ["lost.png"]
    assert "no class folder" in rejects["reason"][0]


def test_links_that_go_round_end(classes):
    (classes / "ill/again").symlink_to(classes, target_is_directory=True)
    (classes / "ill/nothing.png").symlink_to(classes / "absent.png")
    index = build(classes, workers=0).index
    assert len(index) == 8
    assert index.rejects["path"].to_list() == ["ill/nothing.png"]


def test_odd_names_are_kept_or_rejected_by_name(classes, picture, tmp_path):
    picture(classes / 'ill/new\nline, "quoted" #3 é.png', 50)
    try:
        os.rename(
            picture(classes / "ill/x.png", 51), os.fsencode(classes / "ill") + b"/caf\xe9.png"
        )
    except OSError:
        pytest.skip("this file system takes no names that are not UTF-8")
    index = build(classes, workers=0).index
    index.save(tmp_path / "index.parquet")
    assert (
        'ill/new\nline, "quoted" #3 é.png' in index.load(tmp_path / "index.parquet").frame["path"]
    )
    assert index.rejects["path"].to_list() == ["ill/caf\\xe9.png"]


def test_a_name_that_is_a_path_elsewhere_costs_its_row(classes, picture):
    picture(classes / "ill/b\\..\\x.png", 50)
    index = build(classes, workers=0).index
    assert len(index) == 8
    assert "another system" in index.rejects["reason"][0]


def test_a_row_without_its_file_is_rejected(tmp_path, picture):
    picture(tmp_path / "a.png")
    options = table_of(tmp_path, "file,y\na.png,1\nb.png,0\n,0\n../c.png,1\n/etc/hosts,1\n")
    index = build(tmp_path, asked=Asked(path="file", label=("y",)), **options).index
    assert index.frame["path"].to_list() == ["a.png"]
    reasons = dict(zip(index.rejects["path"], index.rejects["reason"], strict=True))
    assert reasons == {
        "b.png": "row 3 of t.csv names it, and there is no such file",
        "": "row 4 of t.csv names no file",
        "../c.png": "row 5 of t.csv leads outside the source",
        "/etc/hosts": "row 6 of t.csv leads outside the source",
    }


def test_a_table_of_missing_files_is_one_line(tmp_path):
    options = table_of(tmp_path, "file\na.png\n")
    with pytest.raises(TableError, match="at least one file that exists") as error:
        build(tmp_path, asked=Asked(path="file"), **options)
    assert one_line(error)


def test_a_path_that_stands_twice(tmp_path, picture):
    for number, name in enumerate("abc"):
        picture(tmp_path / f"{name}.png", number)
    text = "file,y\na.png,1\na.png,1\n./a.png,1\nb.png,1\nb.png,0\nc.png,0\n"
    options = table_of(tmp_path, text)
    index = build(tmp_path, asked=Asked(path="file", label=("y",)), **options).index
    assert index.frame["path"].to_list() == ["a.png", "c.png"]
    assert index.rejects["reason"].to_list() == [
        "row 3 repeats row 2",
        "row 4 repeats row 2",
        "it stands twice with different labels (row 5)",
        "it stands twice with different labels (row 6)",
    ]


@pytest.mark.parametrize("wish", ["path", "patient", "group", "mask", "view", "split"])
def test_an_unknown_column_offers_the_nearest(tmp_path, picture, wish):
    picture(tmp_path / "a.png")
    options = table_of(tmp_path, "file,person\na.png,P\n")
    with pytest.raises(
        TableError, match=f"--{wish} .*Did you mean 'person'.*There are: file, person"
    ) as error:
        build(tmp_path, asked=Asked(**({"path": "file"} | {wish: "persn"})), **options)
    assert one_line(error)


@pytest.mark.parametrize("content", [b"", b"file,y\na.png\n\xff\xfe,1\n", b"\x00\x01"])
def test_a_table_that_is_none_is_one_line(tmp_path, picture, content):
    picture(tmp_path / "a.png")
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(TableError, match=r"t\.csv") as error:
        build(tmp_path, layout="csv", asked=Asked(path="file"), workers=0)
    assert one_line(error)


def test_spreadsheets_of_other_countries_are_read(tmp_path, picture):
    picture(tmp_path / "a.png")
    (tmp_path / "t.csv").write_bytes("\ufefffile;y;naïve\na.png;1;ü\n".encode())
    index = build(tmp_path, asked=Asked(label=("naïve",)), workers=0).index
    assert index.frame["naïve"].to_list() == ["ü"]


def test_a_split_column_of_other_words_is_refused(tmp_path, picture):
    picture(tmp_path / "a.png")
    options = table_of(tmp_path, "file,part\na.png,fold1\n")
    with pytest.raises(TableError, match="holds 'fold1'"):
        build(tmp_path, asked=Asked(path="file", split="part"), **options)


def test_a_label_may_not_take_the_name_of_a_column(tmp_path, picture):
    picture(tmp_path / "a.png")
    options = table_of(tmp_path, "file,view\na.png,PA\n")
    with pytest.raises(TableError, match="Rename it"):
        build(tmp_path, asked=Asked(path="file", label=("view",)), **options)


def test_patients_come_from_the_path(classes, picture):
    picture(classes / "ill/stranger.png", 99)
    index = build(classes, patient_from=r"/(?P<patient>p\d+)_", workers=0).index
    assert sorted(index.frame["patient_id"].unique()) == ["p0", "p1", "p2", "p3"]
    assert index.patients_known
    assert index.rejects["path"].to_list() == ["ill/stranger.png"]
    assert "finds no patient" in index.rejects["reason"][0]


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (r"(?P<patient>p\d+", "regular expression"),
        (r"(?P<person>p\d+)", "group .*patient"),
        ("column", "takes no --patient; it goes with --layout csv"),
    ],
)
def test_a_rule_for_patients_that_cannot_work(classes, rule, words):
    with pytest.raises(ArgumentError, match=words):
        build(classes, patient_from=rule, workers=0)


def test_patients_that_are_unknown_are_null(classes):
    index = build(classes, workers=0).index
    assert not index.patients_known
    assert index.frame["patient_id"].null_count() == 8


def test_without_decoding_the_content_is_still_known(classes):
    (classes / "ill/copy.png").write_bytes((classes / "ill/p0_0.png").read_bytes())
    frame = build(classes, decode=False, workers=0).index.frame
    assert frame["image_id"].n_unique() == 8 == len(frame) - 1
    assert frame["phash"].null_count() == frame["shape"].null_count() == 9


def test_a_path_can_be_a_pattern(tmp_path, picture):
    picture(tmp_path / "png/m1_L.png")
    options = table_of(tmp_path, "ref,side\nm1,L\nm2,R\n")
    index = build(tmp_path, asked=Asked(path="png/{ref}_{side}.png"), **options).index
    assert index.frame["path"].to_list() == ["png/m1_L.png"]
    with pytest.raises(TableError, match="Did you mean 'side'"):
        build(tmp_path, asked=Asked(path="{sid}.png"), **options)


def test_a_missing_mask_keeps_its_image(tmp_path, picture):
    picture(tmp_path / "a.png")
    options = table_of(tmp_path, "file,mask\na.png,m.png\n")
    index = build(tmp_path, asked=Asked(path="file", mask="mask"), **options).index
    assert index.frame["mask_path"].to_list() == [None]
    assert "as a mask" in index.rejects["reason"][0]


def test_a_table_from_windows_is_read(tmp_path, picture):
    picture(tmp_path / "im/a.png")
    options = table_of(tmp_path, "file\nim\\a.png\n..\\b.png\n")
    index = build(tmp_path, asked=Asked(path="file"), **options).index
    assert index.frame["path"].to_list() == ["im/a.png"]
    assert index.rejects["path"].to_list() == ["..\\b.png"]


def test_a_script_needs_no_guard(classes, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "from medgraft.index.build import build\n"
        f"print(build({str(classes)!r}, workers=2).index.frame.height)\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "8\n")


def test_a_decoder_that_crashes_costs_its_row_only(classes, monkeypatch):
    real = builder.spread

    def spread(_, jobs, *, settings, **rest):
        return real(
            "tests.index.crashing:measuring", jobs, packages=("tests",), settings=settings, **rest
        )

    monkeypatch.setattr(builder, "spread", spread)
    index = build(classes, workers=2).index
    assert index.rejects["path"].to_list() == ["ill/p1_2.png"]
    assert "SIGABRT" in index.rejects["reason"][0]
    assert index.frame.height == 7


def test_a_column_that_names_parts_is_kept_and_decides_nothing(tmp_path, picture):
    for number in range(4):
        picture(tmp_path / f"{number}.png", number)
    head, rows = "file,label,Part\n", ["0.png,a,train", "1.png,b,Test", "2.png,a,train", "3.png,b,"]
    (tmp_path / "t.csv").write_text(head + "\n".join(rows))
    frame = build(tmp_path, workers=0).index.frame
    assert frame["orig_split"].to_list() == ["train", "test", "train", None]
    assert frame["split"].null_count() == 4
    for other in ("site 1", "train"):  # no part, or the same everywhere
        (tmp_path / "t.csv").write_text(head + "\n".join(rows).replace("Test", other))
        assert "orig_split" not in build(tmp_path, workers=0).index.frame.columns
