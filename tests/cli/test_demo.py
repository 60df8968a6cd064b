"""The demo on one's own folder: it is checked before anything is written."""

import numpy as np
import pytest
from PIL import Image

from medgraft.cli.__main__ import main


@pytest.fixture
def films(tmp_path):
    """Eight pictures beside a table with two columns that may be the label."""
    root = tmp_path / "films"
    (root / "images").mkdir(parents=True)
    lines = ["file,label,diagnosis,patient"]
    for number in range(8):
        values = np.random.default_rng(number).integers(0, 256, (20, 20), dtype=np.uint8)
        Image.fromarray(values).save(root / f"images/{number}.png")
        lines.append(f"images/{number}.png,{'ab'[number % 2]},x,p{number}")
    (root / "t.csv").write_text("\n".join(lines))
    return root


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "2 look like it: label, diagnosis. Choose with --label label"),
        (["--label", "none"], "must have a label to learn"),
        (["--label", "diagnosis"], "at least two classes"),
        (["--layout", "npz"], "npz"),
        (["--label", "label", "--size", "3"], "size"),
        (["--label", "label", "--patient-from", "(?P<x>.)"], "--patient-from must have"),
    ],
)
def test_what_is_wrong_is_one_line_and_leaves_no_folder(films, tmp_path, capsys, words, said):
    out = tmp_path / "out"
    assert main(["demo", "--data", str(films), "--out", str(out), *words]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not out.exists()


def test_flags_of_ones_own_images_are_refused_without_them(tmp_path, capsys):
    assert main(["demo", "--out", str(tmp_path / "out"), "--label", "x"]) == 2
    assert "--label speaks of your own images" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_folder_in_use_is_refused_before_images_are_read(films, capsys):
    assert main(["demo", "--data", str(films / "absent"), "--out", str(films)]) == 2
    assert "--out must name a new or empty folder" in capsys.readouterr().err
