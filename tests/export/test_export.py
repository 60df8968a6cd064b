"""`medgraft export`: what the file says, that it answers as the run does, and what is refused."""

import ast
import importlib.util
import json
import os
import shutil
import subprocess
import sys

import numpy as np
import onnxruntime
import polars as pl
import pytest
import torch
from PIL import Image

from medgraft import __version__
from medgraft.cli.__main__ import main
from medgraft.errors import CheckRefusedError
from medgraft.export.check import check
from medgraft.export.example import example, is_plain
from medgraft.export.formats import Opened
from medgraft.export.images import sample
from medgraft.export.notes import notes_of
from medgraft.files import read_json, sha256
from medgraft.index import Index
from medgraft.prepare import canonical, default_steps, load, pipeline
from medgraft.prepare.depth import quantised
from medgraft.runs import RunFolder
from medgraft.train.predict import load_predictor, predict_files
from medgraft.train.train import train
from tests.train.conftest import make_spots, quick


@pytest.fixture
def run(spotted, tmp_path):
    """A copy of the run, to be written into."""
    return RunFolder(shutil.copytree(spotted[1].path, tmp_path / "run"))


def export(run, *more):
    return main(["export", str(run.path), "--to", "onnx", *map(str, more)])


def ask(program, *files):
    """What an example says, run in a process that does not know this folder."""
    env = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    told = subprocess.run(
        [sys.executable, program, *map(str, files)], capture_output=True, text=True, env=env
    )
    assert told.returncode == 0, told.stderr
    return [json.loads(line) for line in told.stdout.splitlines()]


def notes_in(path):
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return {k: json.loads(v) for k, v in session.get_modelmeta().custom_metadata_map.items()}


class TestTheFile:
    def test_says_what_it_takes_to_use_it(self, spotted, exported):
        run, notes = spotted[1], notes_in(exported)
        record = read_json(run.weights_record)
        for key in ("labels", "kind", "positive", "threshold", "steps", "input_size", "channels"):
            assert notes[key] == record[key], key
        for key in ("scale", "mean", "std", "backbone", "after", "licence"):
            assert notes[key] == record[key], key
        assert notes["medgraft"] == __version__
        assert notes["weights_sha256"] == sha256(run.weights)
        assert notes["card"] is None  # `train` from Python writes no card

    def test_says_what_the_card_begins_with(self, run):
        assert main(["report", str(run.path)]) == 0
        card = notes_of(run, read_json(run.weights_record))["card"]
        assert card.startswith("On 12 images of 6 patients it never saw, AUROC")
        assert card.endswith("it must not be used to diagnose, treat or triage patients.")

    def test_says_how_it_was_checked(self, exported):
        checked = notes_in(exported)["checked"]
        assert (checked["images"], checked["origin"]) == (12, "12 test images")
        assert 0 < checked["largest_difference"] <= checked["tolerance"] == 1e-4

    def test_names_no_patient_and_no_path(self, spotted, exported):
        content = exported.read_bytes()
        assert str(spotted[0]).encode() not in content
        for patient in pl.read_parquet(spotted[1].predictions)["patient_id"].unique():
            assert f'"{patient}"'.encode() not in content

    def test_lies_in_the_run_if_no_other_place_is_named(self, run, capsys):
        assert export(run, "--images", 3) == 0
        said = capsys.readouterr().out
        assert "on 3 test images" in said
        program = run.path / "model.onnx.example.py"
        assert said.endswith(program.read_text())
        assert (run.path / "model.onnx").is_file()

    @pytest.mark.slow
    def test_is_as_close_for_two_phases_with_the_larger_head(self, tmp_path):
        recipe = quick(after="layer1", strategy="two-phase", size=40, augment=("none",))
        run = train(make_spots(tmp_path), tmp_path / "run", recipe, command=[])
        assert read_json(run.weights_record)["head"] == "concat"
        assert export(run) == 0

    def test_gives_a_probability_per_independent_label(self, tmp_path):
        path = make_spots(tmp_path)
        index = Index.load(path)
        left = (pl.col("side") == "left").cast(pl.Int8)
        frame = index.frame.with_columns(left=left, blank=1 - left).drop("side")
        Index(frame, index.root, labels=("left", "blank"), layout="csv").save(path)
        run = train(path, tmp_path / "run", quick(after="stem", size=40), command=[])
        assert export(run) == 0
        rows = pl.read_parquet(run.predictions).head(3)
        told = ask(run.path / "model.onnx.example.py", *(tmp_path / p for p in rows["path"]))
        for row, said in zip(rows.iter_rows(named=True), told, strict=True):
            assert said["left"] == pytest.approx(row["p_left"], abs=1e-4)
            assert said["blank"] == pytest.approx(row["p_blank"], abs=1e-4)


class TestTheExample:
    def test_needs_no_medgraft(self, exported):
        tree = ast.parse((exported.parent / f"{exported.name}.example.py").read_text())
        imports = {
            name.name if isinstance(node, ast.Import) else node.module
            for node in ast.walk(tree)
            if isinstance(node, (ast.Import, ast.ImportFrom))
            for name in node.names
        }
        assert imports == {"json", "sys", "pathlib", "numpy", "onnxruntime", "PIL"}

    def test_answers_as_the_run_did_on_its_own_pictures(self, spotted, exported):
        rows = pl.read_parquet(spotted[1].predictions)
        files = [spotted[0] / path for path in rows["path"]]
        told = ask(f"{exported}.example.py", *files)
        for name in ("left", "right"):
            said = np.array([one[name] for one in told])
            np.testing.assert_allclose(said, rows[f"p_{name}"].to_numpy(), atol=1e-4)

    def test_answers_as_predict_does_on_real_films(self, data, exported, spotted):
        films = sorted((data / "mammo-mias" / "png256").glob("*.png"))[:3]
        films += sorted((data / "cxr-kermany" / "images").rglob("*.*"))[:6]
        films += sorted((data / "histo-idc" / "images").rglob("*.png"))[:3]
        assert len(films) == 12
        wanted = predict_files(spotted[1], films, device="cpu").table
        told = ask(f"{exported}.example.py", *films)
        assert [one["file"] for one in told] == wanted["path"].to_list()
        for name in ("left", "right"):
            said = np.array([one[name] for one in told])
            np.testing.assert_allclose(said, wanted[f"p_{name}"].to_numpy(), atol=1e-4)

    @pytest.mark.parametrize("channels", [1, 3])
    @pytest.mark.parametrize("size", [(48, 48), (49, 30), (7, 13), (24, 24), (1, 1), (500, 333)])
    def test_prepares_pictures_to_the_same_whole_numbers(
        self, channels, size, exported, tmp_path, monkeypatch
    ):
        rng = np.random.default_rng(0)
        record = read_json_notes(channels)
        chain = pipeline(record["steps"])
        prepared = functions_of(exported, monkeypatch, channels)["prepared"]
        for colours in (1, 3):
            pixels = rng.integers(0, 256, (*size, colours), dtype=np.uint8)
            file = tmp_path / f"{colours}.png"
            Image.fromarray(pixels[..., 0] if colours == 1 else pixels).save(file)
            wanted = quantised(load(file, chain), 8)
            np.testing.assert_array_equal(np.rint(prepared(file)[0] * 255), wanted)

    @pytest.mark.parametrize("mode", ["RGBA", "I;16", "P", "LA"])
    def test_refuses_pictures_that_it_would_prepare_otherwise(
        self, mode, exported, tmp_path, monkeypatch
    ):
        kind = np.uint16 if mode == "I;16" else np.uint8
        picture = Image.fromarray(np.full((8, 8), 9, kind))
        (picture if mode == "I;16" else picture.convert(mode)).save(tmp_path / "a.png")
        prepared = functions_of(exported, monkeypatch, 1)["prepared"]
        with pytest.raises(SystemExit, match="8-bit grey or RGB"):
            prepared(tmp_path / "a.png")

    def test_turns_a_photograph_upright(self, exported, tmp_path, monkeypatch):
        exif = Image.Exif()
        exif[0x0112] = 6
        picture = Image.fromarray(np.arange(900, dtype=np.uint8).reshape(20, 45))
        picture.save(tmp_path / "a.jpg", exif=exif)
        prepared = functions_of(exported, monkeypatch, 1)["prepared"]
        chain = pipeline(read_json_notes(1)["steps"])
        wanted = quantised(load(tmp_path / "a.jpg", chain), 8)
        np.testing.assert_array_equal(np.rint(prepared(tmp_path / "a.jpg")[0] * 255), wanted)

    @pytest.mark.slow
    def test_takes_arrays_where_the_preparation_is_not_plain(self, tmp_path):
        steps = ("channels:count=1", "window:low=0,high=200", "resize:side=40;32")
        recipe = quick(after="stem", steps=steps, augment=("none",))
        run = train(make_spots(tmp_path), tmp_path / "run", recipe, command=[])
        assert export(run) == 0
        program = run.path / "model.onnx.example.py"
        assert "window:low=0.0,high=200.0" in program.read_text()
        rows = pl.read_parquet(run.predictions).head(5)
        chain = pipeline(steps)
        images = np.stack([load(tmp_path / path, chain) for path in rows["path"]])
        np.save(tmp_path / "a.npy", np.rint(images * 255).astype(np.float32) / 255)
        said = [one["left"] for one in ask(program, tmp_path / "a.npy")]
        np.testing.assert_allclose(said, rows["p_left"].to_numpy(), atol=1e-4)

    @pytest.mark.parametrize("name", ["it's.onnx", 'a"b\\.onnx', 'x"""\nimport os\n#.onnx'])
    def test_is_a_program_whatever_the_file_is_called(self, name, exported):
        for record in (read_json_notes(1), {**read_json_notes(1), "steps": ["window:low=0"]}):
            tree = ast.parse(example(name, record))
            assert name in {n.value for n in ast.walk(tree) if isinstance(n, ast.Constant)}
            assert not any(
                alias.name == "os"
                for n in ast.walk(tree)
                if isinstance(n, ast.Import)
                for alias in n.names
            )

    def test_is_plain_only_for_the_default_steps(self):
        assert is_plain(read_json_notes(1))
        assert is_plain(read_json_notes(3))
        for change in (
            {"steps": canonical(pipeline(default_steps(24, 1, window=(0, 1))))},
            {"input_size": [24, 24, 24]},
            {"input_size": [24, 32]},
            {"channels": 2},
        ):
            assert not is_plain({**read_json_notes(1), **change})


def read_json_notes(channels):
    """What weights.json of a plain run of 24 pixels says."""
    steps = canonical(pipeline(default_steps(24, channels)))
    return {"steps": steps, "input_size": [24, 24], "channels": channels, "scale": 255}


def functions_of(exported, monkeypatch, channels):
    """The functions of an example, with the notes of a run of so many channels."""
    monkeypatch.setattr(sys, "argv", ["example"])
    spec = importlib.util.spec_from_file_location("example", f"{exported}.example.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    spec.loader.exec_module(module)
    module.notes = read_json_notes(channels)
    return vars(module)


class TestTheCheck:
    def test_uses_what_is_left_of_the_images_and_says_so(self, run, spotted, tmp_path):
        record = read_json(run.weights_record)
        index = Index.load(run.index)
        own = shutil.copytree(spotted[0] / "images", tmp_path / "images")
        Index(index.frame, tmp_path, labels=index.labels, layout="csv").save(run.index)
        found = sample(run, record, most=5)
        assert (found.count, found.origin, found.real) == (5, "5 test images", True)
        (own / "00.png").unlink()
        found = sample(run, record, most=99)
        assert found.origin == "11 test images (1 more could not be read)"
        shutil.rmtree(own)
        found = sample(run, record, most=5)
        assert found.origin.startswith("5 small pictures that the run saved, as no image")
        assert found.images.array.shape == (5, 1, 40, 40)
        assert not found.real
        shutil.rmtree(run.examples)
        run.index.unlink()
        found = sample(run, record, most=5)
        assert found.origin.startswith("5 images of random values")
        assert found.images.array.shape == (5, 1, 40, 40)

    def answering(self, run, change):
        predictor, record = load_predictor(run, "cpu")

        def ask(images):
            with torch.no_grad():
                logits = predictor.logits(torch.from_numpy(images)).double().numpy()
            return change(predictor.probabilities(logits).astype(np.float32))

        return check(
            Opened(ask, {}), predictor, sample(run, record, most=6), tolerance=1e-4
        ).largest_difference

    def test_measures_the_difference(self, run):
        assert self.answering(run, lambda p: p) < 1e-6
        assert self.answering(run, lambda p: p + np.float32(5e-5)) == pytest.approx(5e-5, rel=0.01)

    @pytest.mark.parametrize(
        "change",
        [
            lambda p: p + np.float32(2e-4),
            lambda p: p * np.nan,
            lambda p: p if len(p) > 1 else p + 1,  # wrong alone
            lambda p: p if len(p) == 1 else p + 1,  # wrong in a batch
        ],
    )
    def test_refuses_whatever_answers_otherwise(self, run, change):
        with pytest.raises(CheckRefusedError, match=r"must answer as the run does, to 0\.0001"):
            self.answering(run, change)


class TestWrongUse:
    def test_too_far_from_the_run_leaves_no_file(self, run, capsys):
        before = sorted(run.path.iterdir())
        assert export(run, "--tolerance", "1e-12") == 3
        assert "to 1e-12, but on 12 test images" in capsys.readouterr().err
        assert sorted(run.path.iterdir()) == before

    @pytest.mark.parametrize(
        ("more", "said"),
        [
            (["--tolerance", "0"], "above 0 and at most 1, got 0"),
            (["--tolerance", "nan"], "above 0 and at most 1, got nan"),
            (["--images", "0"], "--images must be at least 1, got 0"),
            (["--out", "model.bin"], "--out must end in .onnx, got 'model.bin'"),
            (["--to", "onxx"], "no export format is called 'onxx'. Did you mean 'onnx'?"),
        ],
    )
    def test_is_met_before_any_work(self, run, more, said, capsys):
        assert export(run, *more) == 2
        assert said in capsys.readouterr().err

    @pytest.mark.parametrize("taken", ["model.onnx", "model.onnx.example.py"])
    def test_an_earlier_file_is_kept_unless_forced(self, run, taken, capsys):
        (run.path / taken).write_text("mine")
        assert export(run) == 2
        assert "exists. Pass --force" in capsys.readouterr().err
        assert (run.path / taken).read_text() == "mine"

    def test_an_earlier_file_is_replaced_if_forced(self, run):
        (run.path / "model.onnx").write_text("mine")
        assert export(run, "--force", "--images", 1) == 0
        assert notes_in(run.path / "model.onnx")["checked"]["images"] == 1

    def test_a_folder_is_no_file(self, run, tmp_path, capsys):
        (tmp_path / "a.onnx").mkdir()
        assert export(run, "--force", "--out", tmp_path / "a.onnx") == 2
        assert "is a folder" in capsys.readouterr().err

    def test_weights_of_another_run_are_refused(self, run, capsys):
        run.weights.write_bytes(run.weights.read_bytes()[:-1] + b"\x01")
        assert export(run) == 2
        assert "SHA-256" in capsys.readouterr().err
