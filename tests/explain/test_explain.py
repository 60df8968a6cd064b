"""`medgraft explain`: which answers, which maps, what is written and what is refused."""

import json
import shutil

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from medgraft.cli.__main__ import main
from medgraft.errors import TableError
from medgraft.explain import grad_cam, top_losses
from medgraft.explain.pictures import pair
from medgraft.index import Index
from medgraft.read import read
from medgraft.runs import RunFolder
from medgraft.train.predict import load_predictor


@pytest.fixture
def run(spotted, tmp_path):
    """A copy of the run, to be written into."""
    return RunFolder(shutil.copytree(spotted[1].path, tmp_path / "run"))


def explain(run, *more):
    return main(["explain", str(run.path), *map(str, more)])


def table(kind, seed, rows=40):
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.ones(3), rows)
    if kind == "exclusive":
        y = np.eye(3)[rng.integers(0, 3, rows)]
        y[rng.random(rows) < 0.2] = np.nan
    else:
        y = rng.choice([0.0, 1.0, -1.0, np.nan], (rows, 3))
    columns = {
        f"y_{n}": pl.Series(y[:, k]).fill_nan(None).cast(pl.Int8) for k, n in enumerate("abc")
    }
    return pl.DataFrame(columns | {f"p_{n}": p[:, k] for k, n in enumerate("abc")})


class TestTopLosses:
    @given(st.integers(0, 10**6), st.integers(1, 50))
    def test_equal_a_full_sort_of_the_cross_entropies(self, seed, most):
        for kind in ("exclusive", "independent"):
            frame = table(kind, seed)
            every = []
            for row in frame.iter_rows(named=True):
                for name in "abc":
                    y, p = row[f"y_{name}"], row[f"p_{name}"]
                    if y == 1:
                        every.append(-np.log(p))
                    elif y == 0 and kind == "independent":
                        every.append(-np.log(1 - p))
            found = top_losses(frame, "abc", kind=kind, most=most)
            np.testing.assert_allclose([a.loss for a in found], sorted(every)[::-1][:most])
            for answer in found:
                row = frame.row(answer.row, named=True)
                assert row[f"y_{'abc'[answer.label]}"] == answer.present
                assert answer.loss == pytest.approx(-np.log(answer.probability))

    def test_may_be_of_one_label(self):
        frame = table("independent", 0)
        found = top_losses(frame, "abc", kind="independent", most=99, label="b")
        assert {answer.label for answer in found} == {1}
        assert len(found) == frame["y_b"].is_in([0, 1]).sum()

    def test_an_impossible_truth_costs_much_and_not_infinitely(self):
        frame = pl.DataFrame({"y_a": [1, 1], "p_a": [1.0, 0.0]})
        worst, best = top_losses(frame, "a", kind="independent", most=2)
        assert (worst.row, best.loss) == (1, 0)
        assert 700 < worst.loss < 710

    def test_nothing_known_is_refused(self):
        frame = pl.DataFrame({"y_a": [None, -1], "p_a": [0.2, 0.9]})
        with pytest.raises(TableError, match="none of the 2 images has a label"):
            top_losses(frame, "a", kind="independent", most=2)


def test_a_planted_spot_gets_most_of_the_heat(hunted):
    folder, run = hunted
    predictor, record = load_predictor(run)
    test = Index.load(run.index).frame.filter(split="test", spot="present")
    pixels = np.stack([read(folder / path).array for path in test["path"]])
    images = predictor.normalise(torch.from_numpy(pixels).float() / 255)
    classes = torch.full((len(test),), record["labels"].index("present"))
    heat = grad_cam(predictor.network, images, classes, "layer1")
    fine = torch.nn.functional.interpolate(heat[:, None], size=(32, 32), mode="bilinear")[:, 0]
    number = test["path"].str.extract(r"(\d+)\.png").cast(pl.Int64)
    shares = []
    for map_, side in zip(fine, number % 2, strict=True):
        left = 4 + 16 * side
        around = map_[6:26, left - 4 : left + 14]  # the spot and one cell about it
        shares.append(float(around.sum() / map_.sum()))
    assert {0, 1} == set(number % 2)  # the heat must follow the spot to either side
    assert np.mean(shares) > 0.8  # of an area of 0.35
    assert min(shares) > 0.5


class TestTheGallery:
    def test_holds_the_worst_answers_of_the_part_with_what_the_run_said(self, run, capsys):
        assert explain(run, "--most", 5) == 0
        said = capsys.readouterr().out
        found = json.loads((run.explain / "explain.json").read_text())
        assert (found["method"], found["stage"], found["split"]) == ("grad_cam", "layer1", "test")
        assert found["cells"] == [8, 8]
        frame = pl.read_parquet(run.predictions).filter(pl.col("split") == "test")
        truth = np.where(frame["y_left"] == 1, frame["p_left"], frame["p_right"])
        order = np.argsort(truth)[:5]
        assert [item["image_id"] for item in found["items"]] == [
            frame["image_id"][int(i)] for i in order
        ]
        np.testing.assert_allclose(
            [item["loss"] for item in found["items"]], -np.log(truth[order]), atol=1e-4
        )
        for item in found["items"]:
            assert item["explained"] == item["actual"]
            for key, mode in (("file", "L"), ("heat", "RGB")):
                with Image.open(run.explain / item[key]) as picture:
                    assert (picture.size, picture.mode) == ((192, 192), mode)
            assert f"{item['heat']}  {item['path']}: called {item['predicted']}" in said

    def test_is_shown_in_the_report_without_names_of_patients(self, run):
        assert main(["report", str(run.path)]) == 0
        assert "Top losses" not in run.report.read_text()
        assert explain(run, "--most", 3) == 0
        page = run.report.read_text()
        assert "Top losses with heat maps" in page
        assert page.count('id="loss-') == 3
        assert all(f'href="#loss-{n}"' in page for n in (1, 2, 3))
        items = json.loads((run.explain / "explain.json").read_text())["items"]
        assert not any(f">patient {item['patient_id']}<" in page for item in items)

    def test_leaves_no_picture_of_an_earlier_one(self, run):
        assert explain(run, "--most", 4) == 0
        (run.explain / "mine.png").write_bytes(b"")
        assert explain(run, "--most", 2, "--stage", "stem", "--label", "left") == 0
        found = json.loads((run.explain / "explain.json").read_text())
        assert found["stage"] == "stem"
        assert [item["actual"] for item in found["items"]] == ["left", "left"]
        assert {path.name for path in run.explain.glob("*.png")} == {
            *(item[key] for item in found["items"] for key in ("file", "heat")),
            "mine.png",
        }

    def test_of_an_image_that_is_gone_costs_its_place_only(self, spotted, run, tmp_path, capsys):
        archive = shutil.copytree(spotted[0] / "images", tmp_path / "archive" / "images")
        index = Index.load(run.index)
        Index(index.frame, archive.parent, labels=index.labels, layout="csv").save(run.index)
        assert explain(run, "--most", 3) == 0
        gone = json.loads((run.explain / "explain.json").read_text())["items"][0]
        (archive.parent / gone["path"]).unlink()
        capsys.readouterr()
        assert explain(run, "--most", 3) == 0
        found = json.loads((run.explain / "explain.json").read_text())
        assert len(found["items"]) == 2
        assert gone["path"] in found["rejects"][0]["path"]
        assert "not read: " in capsys.readouterr().out
        shutil.rmtree(archive)
        assert explain(run, "--most", 3) == 2
        assert "at least one image must be readable" in capsys.readouterr().err

    def test_that_is_damaged_is_named_by_the_report(self, run, capsys):
        assert explain(run, "--most", 1) == 0
        path = run.explain / "explain.json"
        found = json.loads(path.read_text())
        found["items"][0]["heat"] = "../run.json"
        path.write_text(json.dumps(found))
        assert main(["report", str(run.path)]) == 2
        assert "must name files beside it" in capsys.readouterr().err


def test_new_files_are_explained_by_the_class_that_is_predicted(spotted, run, tmp_path):
    files = [spotted[0] / f"images/{n:02d}.png" for n in range(6)]
    out = tmp_path / "heat"
    assert explain(run, *files, tmp_path / "none.png", "--out", out) == 0
    found = json.loads((out / "explain.json").read_text())
    frame = pl.read_parquet(run.predictions)
    for item, file in zip(found["items"], files, strict=True):
        assert item["path"] == str(file)
        assert item["explained"] == item["predicted"]
        (row,) = frame.filter(pl.col("path") == f"images/{file.name}").iter_rows(named=True)
        assert item["probability"] == pytest.approx(row[f"p_{item['predicted']}"], abs=1e-3)
    assert [reject["path"] for reject in found["rejects"]] == [str(tmp_path / "none.png")]
    assert not run.explain.exists()
    assert explain(run, files[0], "--out", tmp_path / "left", "--label", "left") == 0
    (item,) = json.loads((tmp_path / "left" / "explain.json").read_text())["items"]
    assert item["explained"] == "left"


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["a.png"], "new files need --out"),
        (["--stage", "layer9"], "Did you mean 'layer1'"),
        (["--label", "lefd"], "Did you mean 'left'"),
        (["--most", "0"], "--most must be at least 1, got 0"),
        (["--split", "nobody"], "none of the 0 images has a label"),
        (["none.png", "--out", "heat"], "at least one image must be readable"),
    ],
)
def test_a_wrong_call_is_one_line_and_exit_2(more, says, spotted, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert explain(spotted[1], *more) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert says in line
    assert not spotted[1].explain.exists()


class TestPictures:
    def test_the_hottest_cell_is_palest_where_it_lies(self):
        heat = np.zeros((4, 4), dtype=np.float32)
        heat[0, 3] = 7
        drawn = pair(np.zeros((1, 32, 32), dtype=np.uint8), 255, heat)
        brightness = np.asarray(drawn.heated.convert("L"), dtype=int)
        assert brightness[10, -10] > 120
        assert brightness[96:].max() < 5
        assert drawn.plane is None

    def test_a_map_without_heat_is_dark_and_no_error(self):
        image = np.full((1, 8, 8), 200, dtype=np.uint8)
        drawn = pair(image, 255, np.zeros((4, 4), dtype=np.float32))
        assert np.asarray(drawn.heated).max() <= 82  # 0.4 of 200, and black

    def test_of_a_volume_the_plane_of_the_hottest_cell_is_shown(self):
        volume = np.zeros((1, 12, 8, 8), dtype=np.uint16)
        volume[0, 7] = 65535
        heat = np.zeros((4, 4, 4), dtype=np.float32)
        heat[2, 1, 1] = 1
        drawn = pair(volume, 65535, heat)
        assert drawn.plane == 7
        assert np.asarray(drawn.plain).min() == 255
