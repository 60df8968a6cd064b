"""The contact sheet, and the command that makes it."""

import os
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image

from medgraft.augment import Augmenter
from medgraft.augment.preview import Cell, contact_sheet, flat, save_sheet
from medgraft.cli.__main__ import main
from medgraft.index import Index

DATA = Path(os.environ.get("MEDGRAFT_DATA", Path(__file__).parents[3] / "shared" / "data"))


@pytest.fixture
def film(tmp_path):
    path = tmp_path / "film.png"
    values = np.random.default_rng(0).integers(0, 255, (40, 30), dtype=np.uint8)
    Image.fromarray(values).save(path)
    return path


def index_of(folder, count):
    rng = np.random.default_rng(0)
    for number in range(count):
        Image.fromarray(rng.integers(0, 255, (20, 20 + number), dtype=np.uint8)).save(
            folder / f"{number}.png"
        )
    frame = pl.DataFrame(
        {
            "image_id": [f"{n:064x}" for n in range(count)],
            "path": [f"{n}.png" for n in range(count)],
        }
    )
    Index(frame=frame, root=folder).save(folder / "index.parquet")
    return folder / "index.parquet"


def test_a_sheet_has_a_row_per_image_and_the_original_first():
    images = [torch.rand(1, 8, 9), torch.rand(3, 8, 8), torch.rand(1, 8, 9)]
    augmenter = Augmenter(["flip:p=1"])
    sheet = contact_sheet(images, ["a", "b", "c"], augmenter, draws=4, seed=0)
    assert [len(row) for row in sheet] == [5, 5, 5]
    assert [row[0].caption for row in sheet] == ["a", "b", "c"]
    assert [cell.caption for cell in sheet[0][1:]] == ["flip 1"] * 4
    np.testing.assert_array_equal(sheet[1][0].picture, images[1].permute(1, 2, 0))
    np.testing.assert_array_equal(sheet[0][1].picture, images[0][0].flip(-1))


def test_a_volume_is_shown_by_its_middle_slices():
    volume = torch.rand(1, 4, 5, 6)
    picture = flat(volume)
    assert picture.shape == (5, 6 + 6 + 5 + 2)
    np.testing.assert_array_equal(picture[:5, :6], volume[0, 2])
    np.testing.assert_array_equal(picture[:4, 7:13], volume[0, :, 2])
    np.testing.assert_array_equal(picture[:4, 14:], volume[0, :, :, 3])


def test_the_command_writes_a_sheet_of_one_image(film, tmp_path, capsys):
    out = tmp_path / "sheet.png"
    specs = ["rotate:degrees=15", "flip"]
    assert main(["augment", "--preview", str(film), "--specs", *specs, "--out", str(out)]) == 0
    with Image.open(out) as sheet:
        assert sheet.width > 500
    assert "rotate:p=0.75,degrees=15.0" in capsys.readouterr().out


def test_the_same_command_writes_the_same_sheet(film, tmp_path):
    sheets = []
    for name in ("a.png", "b.png"):
        asked = ["--specs", "noise:p=1", "--draws", "2", "--out", str(tmp_path / name)]
        assert main(["augment", "--preview", str(film), *asked]) == 0
        with Image.open(tmp_path / name) as sheet:
            sheets.append(np.asarray(sheet))
    np.testing.assert_array_equal(*sheets)


def test_an_index_is_shown_by_images_spread_over_its_rows(tmp_path, capsys):
    index, out = index_of(tmp_path, 9), tmp_path / "sheet.png"
    asked = ["--specs", "mixup", "--images", "3", "--draws", "1", "--size", "16"]
    assert main(["augment", "--preview", str(index), *asked, "--out", str(out)]) == 0
    assert "3 x 1 draws" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--specs", "rotat"], "Did you mean 'rotate'"),
        (["--specs", "rotate:degrees=700"], "less than or equal to 180"),
        (["--out", "sheet.docx"], "--out must end in one of .png"),
        (["--draws", "0"], "--draws must be in [1, 50], got 0"),
        (["--images", "-1"], "--images must be in [1, 50], got -1"),
        (["--specs", "dihedral:p=1"], "square plane"),
    ],
)
def test_a_wrong_call_is_one_line_and_exit_2(film, flags, message, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert main(["augment", "--preview", str(film), *flags]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_a_missing_file_is_one_line_and_exit_2(tmp_path, capsys):
    assert main(["augment", "--preview", str(tmp_path / "no.png")]) == 2
    assert "no.png" in capsys.readouterr().err


@pytest.mark.parametrize(
    "file",
    ["vol-hippocampus/images/hippocampus_003.nii.gz", "vol-ct-totalseg/example_ct_sm.nii.gz"],
)
def test_a_real_volume(file, tmp_path):
    if not (DATA / file).exists():
        pytest.skip(f"needs {file} of the shared data")
    out = tmp_path / "sheet.png"
    asked = ["--specs", "elastic", "rotate", "--draws", "1", "--out", str(out)]
    assert main(["augment", "--preview", str(DATA / file), *asked]) == 0
    assert out.stat().st_size > 10_000


@pytest.mark.parametrize("lines", [1, 3, 7])
def test_no_line_of_a_caption_is_cut_off(tmp_path, lines):
    words = "\n".join(["elastic 0.02 0.01 noise 0.5 x"] * lines).replace("\n", " ")
    cells = [[Cell(np.full((20, 20), 0.5, np.float32), words)] * 2] * 2
    save_sheet(cells, tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as sheet:
        values = np.asarray(sheet.convert("L"))
    assert (values[:3] == 255).all()  # nothing touches the upper edge
    assert ((values > 120) & (values < 136)).mean() > 0.3  # the pictures keep their size
