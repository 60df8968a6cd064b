"""Volumes looked at slice by slice: pictures cut right, answers joined by volume, runs that work."""

import hashlib
import json
from dataclasses import replace

import nibabel
import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from sklearn.metrics import roc_auc_score

from medgraft.cli.__main__ import main
from medgraft.errors import ArgumentError, TrainingError
from medgraft.index import Index
from medgraft.nets import create, create_dense
from medgraft.prepare.store import Store
from medgraft.report import write_any_report
from medgraft.train.batches import Placement
from medgraft.train.ensemble import Ensemble
from medgraft.train.predict import Arrays, load_ensemble
from medgraft.train.segmentation.segmenter import Segmenter
from medgraft.train.setup import check_choices
from medgraft.train.slices import ALONG, OutlinedSlices, Slices, Slicing, sliced
from medgraft.train.supervised import Normalisation, Predictor, Rows, Supervised
from medgraft.train.train import train
from tests.train.conftest import make_spots, quick
from tests.train.test_segmentation import indexed, make_volumes, small

PLANES = [*ALONG, "0", "1", "2"]
CPU = Placement(torch.device("cpu"))


def seen(volume, plane, n, row, column):
    """The pixel that stands there, read off what the plane promises: R, A, S run along the axes."""
    right, front, head = (side - 1 for side in volume.shape)
    return {
        "axial": lambda: volume[right - column, front - row, n],
        "coronal": lambda: volume[right - column, n, head - row],
        "sagittal": lambda: volume[n, front - column, head - row],
        "0": lambda: volume[n, row, column],
        "1": lambda: volume[row, n, column],
        "2": lambda: volume[row, column, n],
    }[plane]()


@pytest.mark.parametrize("plane", PLANES)
class TestPictures:
    def test_every_pixel_of_a_slice_is_the_one_that_people_see_there(self, plane):
        volume = np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5)
        stack = Slicing(1, plane).stack(volume)
        assert np.shares_memory(stack, volume)
        for n, channel, row, column in np.ndindex(stack.shape):
            expected = seen(volume[channel], plane, n, row, column)
            assert stack[n, channel, row, column] == expected

    @settings(max_examples=25, deadline=None)
    @given(sides=st.tuples(*[st.integers(1, 5)] * 3), channels=st.integers(1, 3))
    def test_slices_laid_on_one_another_are_the_volume(self, plane, sides, channels):
        volume = np.random.default_rng(0).integers(0, 99, (channels, *sides))
        slicing = Slicing(1, plane)
        stack = slicing.stack(volume)
        np.testing.assert_array_equal(slicing.unstack(stack), volume)
        assert slicing.shape(volume.shape) == stack.shape[1:]
        assert slicing.each(volume.shape) == len(stack)

    @settings(max_examples=25, deadline=None)
    @given(sides=st.tuples(*[st.integers(1, 4)] * 3), reach=st.integers(0, 3))
    def test_neighbours_are_channels_and_the_last_slice_is_repeated(self, plane, sides, reach):
        volume = np.random.default_rng(0).integers(0, 99, (2, *sides))
        slicing = Slicing(2 * reach + 1, plane)
        stack = slicing.stack(volume)
        for n in range(len(stack)):
            channels = [
                stack[min(max(n + step, 0), len(stack) - 1), channel]
                for step in range(-reach, reach + 1)
                for channel in range(2)
            ]
            np.testing.assert_array_equal(slicing.picture(volume, n), channels)
            assert slicing.shape(volume.shape) == np.shape(channels)


def volumes(count=4, shape=(1, 6, 20, 16), seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, *shape), dtype=np.uint8)


def predictor(kind="exclusive", channels=1, classes=3, **changes):
    torch.manual_seed(0)
    network = create("resnet18", in_channels=channels, classes=classes, after="layer1").network
    normalise = Normalisation((0.5,) * channels, (0.3,) * channels, "a test")
    return Predictor(network.eval(), kind, normalise, CPU, **changes)


def chance(z, kind):
    """Probabilities of one picture, by their definitions."""
    if kind == "independent":
        return [1 / (1 + np.exp(-v)) for v in z]
    return [np.exp(v) / sum(np.exp(u) for u in z) for v in z]


@pytest.mark.parametrize("kind", ["exclusive", "independent"])
class TestAnswers:
    @pytest.mark.parametrize("count", [1, 3])
    def test_a_volume_has_the_mean_of_its_slices_one_after_another(self, kind, count):
        one, slicing = predictor(kind, channels=count), Slicing(count, "0")
        array = volumes()
        found = Ensemble((one,), slicing=slicing).probabilities(Arrays(array, 255), np.arange(4))
        for volume, answer in zip(array, found, strict=True):
            told = []
            for n in range(6):
                near = [volume[0, min(max(n + s, 0), 5)] for s in range(-(count // 2), 2)][:count]
                with torch.no_grad():
                    z = one.logits(torch.from_numpy(np.stack(near)[None]).float() / 255)
                told.append(chance(z[0].double().numpy(), kind))
            np.testing.assert_allclose(answer, np.mean(told, axis=0), atol=1e-6)

    def test_slices_in_another_order_answer_alike_and_neighbours_do_not(self, kind):
        array, order = volumes(), np.array([3, 0, 5, 1, 4, 2])
        shuffled = Arrays(array[:, :, order], 255)
        rows = np.arange(4)
        for count, alike in ((1, True), (3, False)):
            ensemble = Ensemble((predictor(kind, channels=count),), slicing=Slicing(count, "0"))
            plain, other = (
                ensemble.probabilities(store, rows) for store in (Arrays(array, 255), shuffled)
            )
            assert np.allclose(plain, other, atol=1e-6) == alike

    def test_a_volume_of_one_slice_is_its_picture(self, kind):
        array = volumes(shape=(1, 1, 20, 16))
        one = predictor(kind)
        rows = np.arange(4)
        found = Ensemble((one,), slicing=Slicing(1, "0")).probabilities(Arrays(array, 255), rows)
        flat = Ensemble((one,)).probabilities(Arrays(array[:, :, 0], 255), rows)
        np.testing.assert_array_equal(found, flat)

    def test_validation_judges_volumes_and_not_slices(self, kind):
        one, each = predictor(kind, classes=2), 6
        targets = np.eye(2, dtype=np.float32)[[0, 1, 1, 0, 1]]
        rows = Rows(Arrays(volumes(5), 255), np.arange(5), targets)
        held_out = sliced(rows, rows.store, Slicing(1, "0"))
        assert held_out.each == each
        np.testing.assert_array_equal(held_out.targets, targets.repeat(each, axis=0))
        found = Supervised(one, torch.ones(2), held_out=held_out).validate()
        logits = one.predict(held_out.store, held_out.rows)
        told = np.array([chance(z, kind) for z in logits]).reshape(5, each, 2).mean(axis=1)
        auroc = np.mean([roc_auc_score(targets[:, k], told[:, k]) for k in range(2)])
        assert found["auroc_val"] == pytest.approx(auroc)
        right = told[targets == 1]
        loss = -np.log(right).mean()
        if kind == "independent":
            loss = np.mean([loss, -np.log(1 - told[targets == 0]).mean()])
        assert found["loss_val"] == pytest.approx(loss, rel=1e-5)

    def test_a_probability_of_nothing_still_has_a_loss(self, kind):
        logits = np.array([[-900.0, 900.0]] * 6)
        assert np.isfinite(predictor(kind, classes=2).joined(logits, 6)).all()


class TestMasks:
    @pytest.mark.parametrize("plane", ["axial", "1"])
    @pytest.mark.parametrize("window", [None, (8, 8)])
    def test_a_mask_is_that_of_every_slice_alone(self, plane, window, monkeypatch):
        monkeypatch.setattr("medgraft.train.segmentation.segmenter.PIXELS", 3 * 16 * 16)
        torch.manual_seed(0)
        network = create_dense("unet2d", in_channels=3, out_channels=2, after="level2").network
        plain = Normalisation((0.5,) * 3, (0.25,) * 3, "nobody")
        slicing = Slicing(3, plane)
        one = Segmenter(network, plain, CPU, window=window, slicing=slicing)
        alone = Segmenter(network, plain, CPU, window=window)
        volume = np.random.default_rng(0).integers(0, 256, (1, 16, 16, 16), dtype=np.uint8)
        found = one.probabilities(volume, 255)
        assert found.shape == (2, 16, 16, 16)
        told = [alone.probabilities(slicing.picture(volume, n), 255).numpy() for n in range(16)]
        expected = slicing.unstack(np.stack(told))
        np.testing.assert_allclose(found, expected, atol=1e-6)

    def test_a_picture_goes_with_the_mask_of_its_slice(self, boxes, tmp_path):
        index = Index.load(boxes)
        steps = ["orient", "intensity:declared=false", "crop_or_pad:side=12;16;10"]
        for memory_bytes in (None, 0):
            store = Store.open(
                index, steps, cache=tmp_path, workers=0, masks=True, memory_bytes=memory_bytes
            )
            slices = OutlinedSlices(store, Slicing(3, "coronal"))
            rows = slices.of(np.array([2, 0]))
            assert len(rows) == 2 * 16
            images, masks = store.gather(np.array([2, 0])), store.gather_masks(np.array([2, 0]))
            for place, row in enumerate(rows):
                volume, n = divmod(place, 16)
                picture, mask = slices.image(row), slices.mask(row)
                assert picture.shape == (3, 10, 12)
                np.testing.assert_array_equal(picture[1], images[volume, 0, ::-1, n, ::-1].T)
                np.testing.assert_array_equal(mask[0], masks[volume, 0, ::-1, n, ::-1].T)
            np.testing.assert_array_equal(
                slices.gather(rows[:5]), [slices.image(row) for row in rows[:5]]
            )
            with pytest.raises(ValueError, match="read-only"):
                store.image(0)[0, 0, 0] = 1


@pytest.fixture(scope="module")
def boxes(tmp_path_factory):
    return indexed(make_volumes(tmp_path_factory.mktemp("boxes")), "background=0,box=1")


SLICED = {
    "slices": 3,
    "backbone": "unet2d",
    "after": "level2",
    "steps": ("orient", "intensity:declared=false", "crop_or_pad:side=16;16;10"),
    "batch_size": 16,
}


@pytest.fixture(scope="module")
def outlined(boxes, tmp_path_factory):
    """A run of masks in 2.5-D, and one in 3-D on the same rows."""
    out = tmp_path_factory.mktemp("runs")
    one = train(boxes, out / "slices", small(**SLICED), command=["medgraft", "train"])
    whole = {**SLICED, "slices": None, "backbone": "unet3d", "batch_size": 2}
    whole["steps"] = (*SLICED["steps"][:2], "crop_or_pad:side=16")
    return one, train(boxes, out / "whole", small(**whole), command=["medgraft", "train"])


class TestARunOfMasks:
    def test_predict_writes_the_volumes_that_were_judged(self, outlined, boxes, tmp_path):
        run, index = outlined[0], Index.load(boxes)
        table = pl.read_parquet(run.segmentation)
        files = [index.file(path) for path in table["path"]]
        out = tmp_path / "masks"
        assert main(["predict", str(run.path), *files, "--out", str(out)]) == 0
        for file, row in zip(files, table.iter_rows(named=True), strict=True):
            given, mask = nibabel.load(file), nibabel.load(out / file.rpartition("/")[2])
            assert mask.shape == given.shape
            assert np.allclose(mask.affine, given.affine)
            assert (np.asarray(mask.dataobj) == 1).sum() == row["predicted_voxels"]

    def test_it_is_judged_by_volume_in_millimetres_and_says_how_it_looked(self, outlined):
        found = json.loads(outlined[0].evaluation.read_text())
        assert found["n_images"] == 3
        assert found["distance_unit"] == "mm"
        record = json.loads(outlined[0].record.read_text())
        told = "10 axial slices of each volume, with 2 neighbours as channels"
        assert record["network"]["learns_from"] == told
        assert json.loads(outlined[1].record.read_text())["network"]["learns_from"] is None

    def test_it_is_compared_with_a_run_in_3_d(self, outlined, tmp_path):
        paths = [str(run.path) for run in outlined]
        assert main(["compare", *paths, "--out", str(tmp_path / "c"), "--replicates", "20"]) == 0
        assert json.loads((tmp_path / "c/comparison.json").read_text())["n_images"] == 3


def make_heads(folder, count=14):
    """Volumes of two slices, one of which is bright on one side of the patient."""
    rng = np.random.default_rng(0)
    (folder / "images").mkdir()
    rows = []
    for number in range(count):
        side = number % 2
        image = rng.integers(0, 80, (32, 32, 2)).astype(np.int16)
        image[4 + 14 * side : 14 + 14 * side, 10:22, rng.integers(2)] += 150
        name = f"images/{number:02d}.nii"
        nibabel.save(nibabel.Nifti1Image(image, np.eye(4)), folder / name)
        rows.append(
            {
                "image_id": hashlib.sha256(name.encode()).hexdigest(),
                "path": name,
                "patient_id": f"p{number // 2}",
                "side": ("left", "right")[side],
                "split": "test" if number < 4 else "val" if number < 6 else "train",
                "shape": [1, 32, 32, 2],
                "bits": 16,
            }
        )
    Index(pl.DataFrame(rows), folder, labels=("side",), layout="csv").save(folder / "i.parquet")
    return folder / "i.parquet"


@pytest.fixture(scope="module")
def heads(tmp_path_factory):
    return make_heads(tmp_path_factory.mktemp("heads"))


HEADS = {
    "slices": 1,
    "steps": ("orient", "intensity:declared=false"),
    "after": "layer1",
    "epochs": 1,
    "tta": "dihedral",
    "threshold": "0.5",
}


@pytest.fixture(scope="module")
def labelled(heads, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "heads"
    return train(heads, out, quick(**HEADS), command=["medgraft", "train"])


class TestARunOfLabels:
    def test_there_is_a_row_for_each_volume_and_predict_says_the_same(
        self, labelled, heads, tmp_path
    ):
        table = pl.read_parquet(labelled.predictions)
        assert len(table) == 14
        found = json.loads(labelled.evaluation.read_text())
        assert (found["n_images"], found["n_patients"]) == (4, 2)
        index = Index.load(heads)
        files = [index.file(path) for path in table["path"]]
        out = tmp_path / "p.parquet"
        assert main(["predict", str(labelled.path), *files, "--out", str(out)]) == 0
        again = pl.read_parquet(out)
        np.testing.assert_allclose(again["p_left"], table["p_left"], atol=1e-6)

    def test_other_views_are_joined_by_volume_too(self, labelled, heads, tmp_path):
        out = tmp_path / "e"
        call = ["evaluate", str(labelled.path), "--tta", "corners", "--out", str(out)]
        assert main([*call, "--replicates", "20"]) == 0
        views = load_ensemble(labelled, tta="corners")[0]
        index = Index.load(heads)
        steps = json.loads(labelled.weights_record.read_text())["steps"]
        store = Store.open(index, steps, workers=0)
        slices = Slices(store, Slicing(1, "axial"))
        told = replace(views, slicing=None).probabilities(slices, slices.of(store.rows))
        table = pl.read_parquet(out / "predictions.parquet")
        expected = [(told[2 * n, 0] + told[2 * n + 1, 0]) / 2 for n in range(14)]
        np.testing.assert_allclose(table["p_left"], expected, atol=1e-6)

    def test_slices_of_a_volume_can_be_gone_through_on_the_page(self, labelled, heads, tmp_path):
        page = write_any_report(labelled.path, out=tmp_path).read_text()
        listed = json.loads((labelled.examples / "examples.json").read_text())
        assert all((item["slices"], item["of"]) == ([0, 1], 2) for item in listed)
        assert page.count('type="radio"') == 2 * len(listed) == 8
        assert "slices 1 to 2 of 2" in page
        volume = nibabel.load(Index.load(heads).file(listed[0]["path"])).get_fdata()
        strip = np.array(Image.open(labelled.examples / listed[0]["file"])).astype(float)
        assert strip.shape == (2 * 128, 128)
        for n in range(2):
            shown = strip[128 * n : 128 * (n + 1)].reshape(32, 4, 32, 4).mean(axis=(1, 3))
            assert np.corrcoef(shown.ravel(), volume[::-1, ::-1, n].T.ravel())[0, 1] > 0.95

    def test_heat_lies_on_the_slice_that_spoke_most(self, labelled, heads, tmp_path):
        file = Index.load(heads).file("images/00.nii")
        out = tmp_path / "heat"
        assert main(["explain", str(labelled.path), file, "--out", str(out)]) == 0
        (item,) = json.loads((out / "explain.json").read_text())["items"]
        assert item["plane"] in (0, 1)

    def test_a_head_on_frozen_stages_learns_from_slices_kept_or_not(self, heads, tmp_path):
        recipe = {**HEADS, "strategy": "head", "epochs": 2, "augment": (), "tta": None}
        one, other = (
            train(heads, tmp_path / str(n), quick(**recipe, kept_views=n), command=[])
            for n in (0, 1)
        )
        tables = [pl.read_parquet(run.predictions)["p_left"] for run in (one, other)]
        np.testing.assert_allclose(*tables, atol=1e-5)
        assert json.loads(other.record.read_text())["kept"][0]["views"] == 1

    def test_a_fitted_head_keeps_slices_of_a_patient_together(self, heads, tmp_path):
        recipe = quick(**{**HEADS, "strategy": "linear:folds=2,views=0", "tta": None})
        run = train(heads, tmp_path / "run", recipe, command=[])
        fitted = json.loads(run.record.read_text())["network"]["fitted"]["classes"]
        assert fitted["folds"] == 2
        assert len(pl.read_parquet(run.predictions)) == 14


class TestRefusals:
    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({"slices": 2}, "must be odd.*Pass --slices 1 or 3"),
            ({"slices": 1, "backbone": "unet3d", "after": None}, "unet3d is for volumes"),
            (
                {"slices": 1, "steps": ("intensity",)},
                "axial slices need volumes that all lie alike",
            ),
            ({"slice_plane": "coronal"}, "belongs to slices, got 'coronal'"),
            ({"slices": 1, "task": "segmentation", "tta": "corners"}, "belongs to classification"),
        ],
    )
    def test_settings_that_make_no_sense_say_why(self, changes, said):
        with pytest.raises(ArgumentError, match=said):
            check_choices(quick(**changes))

    def test_pictures_have_no_slices(self, tmp_path):
        recipe = quick(slices=1, slice_plane="2")
        with pytest.raises(TrainingError, match=r"pictures of 32 x 32\. Leave --slices out"):
            train(make_spots(tmp_path), tmp_path / "run", recipe, command=[])

    def test_volumes_for_a_network_of_pictures_are_told_of_slices(self, heads, tmp_path):
        recipe = quick(steps=("intensity:declared=false",))
        with pytest.raises(TrainingError, match=r"look at volumes in slices \(--slices 3\)"):
            train(heads, tmp_path / "run", recipe, command=[])

    @pytest.mark.parametrize("words", [("export",), ("advise", "--weights", "x", "--slices", "1")])
    def test_commands_about_whole_images_say_so(self, words, labelled, heads, tmp_path, capsys):
        what = labelled.path if words[0] == "export" else heads
        assert main([words[0], str(what), *words[1:], "--out", str(tmp_path / "x.onnx")]) == 2
        assert "whole images" in capsys.readouterr().err

    def test_a_file_of_another_shape_is_a_reject(self, labelled, heads, tmp_path):
        file = tmp_path / "long.nii"
        nibabel.save(nibabel.Nifti1Image(np.zeros((32, 32, 5), np.int16), np.eye(4)), file)
        good = Index.load(heads).file("images/01.nii")
        out = tmp_path / "p.csv"
        assert main(["predict", str(labelled.path), str(file), good, "--out", str(out)]) == 0
        assert "1 x 32 x 32 x 2" in pl.read_csv(tmp_path / "p.rejects.csv")["reason"].item()
