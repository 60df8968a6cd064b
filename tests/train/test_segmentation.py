"""Learning masks: losses, whole images, runs, predictions, and what is refused."""

import itertools
import json
import re
import shutil

import nibabel
import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from medgraft.cli.__main__ import main
from medgraft.errors import ArgumentError, TableError
from medgraft.evaluate.segmentation import dice as dice_measure
from medgraft.index import Index
from medgraft.index.build import build
from medgraft.index.masks import UNLABELLED, MaskClasses
from medgraft.nets import create_dense
from medgraft.report import write_report
from medgraft.train.batches import Placement
from medgraft.train.losses import losses
from medgraft.train.recipe import Recipe, load_recipe
from medgraft.train.segmentation.objective import dice_of
from medgraft.train.segmentation.overlays import SLICES, choose, outline, shown_slices
from medgraft.train.segmentation.planes import planes_of
from medgraft.train.segmentation.predict import load_drawn
from medgraft.train.segmentation.segmenter import Segmenter
from medgraft.train.supervised import Normalisation
from medgraft.train.train import train
from tests.train.conftest import make_spots, quick

SMALL = {
    "task": "segmentation",
    "backbone": "resnet18",
    "after": "layer1",
    "size": 32,
    "epochs": 1,
    "batch_size": 8,
    "augment": (),
    "precision": "float32",
    "memory_format": "contiguous",
    "replicates": 20,
    "threads": 1,
}


def small(**changes):
    return Recipe(**{**SMALL, **changes})


def make_cells(folder, count=20, *, side=(40, 32)):
    """Bright discs with brighter kernels, masks 0 / 128 / 255; the last image has no mask."""
    rng = np.random.default_rng(0)
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    for number in range(count):
        rows, columns = np.indices(side)
        centre = rng.integers(12, 20, 2)
        far = np.hypot(rows - centre[0], columns - centre[1])
        mask = np.where(far < 4, 255, np.where(far < 9, 128, 0)).astype(np.uint8)
        pixels = (mask * 0.6 + rng.integers(0, 60, side)).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"images/{number:02d}.png")
        if number < count - 1:
            Image.fromarray(mask).save(folder / f"masks/{number:02d}.png")
    return folder


def indexed(folder, classes="background=0,cell=128,kernel=255"):
    built = build(folder, layout="image_mask", mask_classes=MaskClasses.parse(classes), workers=0)
    frame = built.index.frame
    parts = ["test", "test", "test", "val", "val"] + ["train"] * (len(frame) - 5)
    path = folder / "index.parquet"
    built.index.with_frame(frame.with_columns(split=pl.Series(parts))).save(path)
    return path


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    return indexed(make_cells(tmp_path_factory.mktemp("cells")))


@pytest.fixture(scope="module")
def trained(cells, tmp_path_factory):
    """A run of two epochs, with its report."""
    out = tmp_path_factory.mktemp("runs") / "cells"
    recipe = small(epochs=6, rate=3e-3, keep_best=2, batch_size=4)
    run = train(cells, out, recipe, command=["medgraft", "train"])
    write_report(run.path)
    return run


class TestDiceLoss:
    def example(self):
        generator = torch.Generator().manual_seed(0)
        logits = torch.randn(3, 3, 4, 5, generator=generator)
        targets = torch.randint(0, 3, (3, 4, 5), generator=generator)
        targets[0, 0] = UNLABELLED
        targets[2] = UNLABELLED
        return logits, targets

    def test_it_is_its_definition_in_loops(self):
        logits, targets = self.example()
        total, count = losses.get("dice").function(
            logits, targets, weights=torch.ones(3), smoothing=0.0
        )
        expected = 0.0
        for image in (0, 1):
            for k in (1, 2):
                both = whole = 0.0
                for i in range(4):
                    for j in range(5):
                        if targets[image, i, j] == UNLABELLED:
                            continue
                        share = float(logits[image, :, i, j].softmax(0)[k])
                        truth = float(targets[image, i, j] == k)
                        both += share * truth
                        whole += share + truth
                expected += (1 - (2 * both + 1) / (whole + 1)) / 2
        assert float(total) == pytest.approx(expected, rel=1e-5)
        assert count == 2

    def test_with_cross_entropy_it_is_the_sum_of_both(self):
        logits, targets = self.example()
        kind = {"weights": torch.tensor([1.0, 2.0, 0.5]), "smoothing": 0.0}
        both, count = losses.get("dice_cross_entropy").function(logits, targets, **kind)
        alone, _ = losses.get("dice").function(logits, targets, **kind)
        expected = 0.0
        for image in (0, 1):
            terms = [
                -kind["weights"][t] * logits[image, :, i, j].log_softmax(0)[t]
                for i in range(4)
                for j in range(5)
                if (t := int(targets[image, i, j])) != UNLABELLED
            ]
            expected += float(sum(terms)) / len(terms)
        assert float(both - alone) == pytest.approx(expected, rel=1e-5)
        assert count == 2


def test_the_dice_of_validation_is_that_of_the_evaluation():
    rng = np.random.default_rng(0)
    truth, said = rng.integers(0, 3, (2, 9, 9))
    expected = np.mean([dice_measure(truth == k, said == k) for k in (1, 2)])
    found = dice_of(torch.from_numpy(truth), torch.from_numpy(said), 3)
    assert found == pytest.approx(expected)


def segmenter(name, dims, **changes):
    torch.manual_seed(0)
    network = create_dense(name, in_channels=1, out_channels=2).network
    plain = Normalisation((0.5,), (0.25,), "nobody")
    return Segmenter(network, plain, Placement(torch.device("cpu")), **changes)


class TestWholeImages:
    def test_windows_as_large_as_the_image_change_nothing(self):
        image = np.random.default_rng(0).integers(0, 256, (1, 32, 32), dtype=np.uint8)
        one = segmenter("unet2d", 2)
        other = segmenter("unet2d", 2, window=(32, 32))
        assert torch.equal(one.probabilities(image, 255), other.probabilities(image, 255))

    def test_windows_cover_every_pixel_with_probabilities(self):
        image = np.random.default_rng(0).integers(0, 256, (1, 41, 50), dtype=np.uint8)
        found = segmenter("unet2d", 2, window=(16, 16)).probabilities(image, 255)
        assert found.shape == (2, 41, 50)
        assert torch.allclose(found.sum(dim=0), torch.ones(41, 50), atol=1e-5)

    def test_a_side_that_does_not_fit_is_padded_to_the_window(self):
        image = np.random.default_rng(0).integers(0, 256, (1, 13, 16), dtype=np.uint8)
        found = segmenter("unet2d", 2, window=(16, 16)).probabilities(image, 255)
        assert found.shape == (2, 13, 16)


class TestARun:
    def test_it_learns_and_judges_on_the_grid_of_the_files(self, trained, cells):
        table = pl.read_parquet(trained.segmentation)
        assert len(table) == 3 * 2
        index = Index.load(cells)
        for row in table.iter_rows(named=True):
            mask = np.array(Image.open(index.file(row["path"].replace("images", "masks"))))
            value = {"cell": 128, "kernel": 255}[row["class"]]
            assert row["truth_voxels"] == (mask == value).sum()
        found = json.loads(trained.evaluation.read_text())
        assert found["kind"] == "segmentation"
        assert found["distance_unit"] == "voxel"
        assert found["classes"]["cell"]["dice"]["value"] > 0.3

    def test_predict_writes_the_very_masks_that_were_judged(self, trained, cells, tmp_path):
        index, table = Index.load(cells), pl.read_parquet(trained.segmentation)
        paths = table["path"].unique(maintain_order=True).to_list()
        files = [index.file(path) for path in paths]
        assert main(["predict", str(trained.path), *files, "--out", str(tmp_path / "m")]) == 0
        for path in paths:
            mask = np.array(Image.open(tmp_path / "m" / path.rpartition("/")[2]))
            assert mask.shape == (40, 32)
            rows = table.filter(pl.col("path") == path)
            for value, name in ((128, "cell"), (255, "kernel")):
                counted = rows.filter(pl.col("class") == name)["predicted_voxels"].item()
                assert (mask == value).sum() == counted
        listed = pl.read_csv(tmp_path / "m/masks.csv")
        assert listed.columns == ["path", "mask", "background", "cell", "kernel"]
        assert (listed["background"] + listed["cell"] + listed["kernel"]).to_list() == [1280] * 3

    def test_an_image_alone_has_the_mask_it_has_among_others(self, trained, cells, tmp_path):
        index = Index.load(cells)
        files = [index.file(path) for path in index.frame["path"][:3]]
        main(["predict", str(trained.path), *files, "--out", str(tmp_path / "all")])
        main(["predict", str(trained.path), files[1], "--out", str(tmp_path / "one")])
        name = files[1].rpartition("/")[2]
        one, among = ((tmp_path / where / name).read_bytes() for where in ("one", "all"))
        assert one == among

    def test_the_report_shows_outlines_and_every_class(self, trained):
        page = trained.report.read_text()
        assert page.count('<li id="image-') == 3
        for text in ("Dice", "kernel", "Worst", "Empty masks", "Learning curves"):
            assert text in page
        assert "://" not in page.replace("http://www.w3.org", "")
        assert "kernel" in trained.card.read_text()

    def test_two_runs_are_compared_and_their_shares_are_drawn(self, trained, tmp_path):
        other = tmp_path / "other"
        shutil.copytree(trained.path, other)
        table = pl.read_parquet(other / "segmentation.parquet")
        table.with_columns(dice=pl.col("dice") - 0.1).write_parquet(other / "segmentation.parquet")
        out = tmp_path / "out"
        assert main(["compare", str(trained.path), str(other), "--out", str(out)]) == 0
        found = json.loads((out / "comparison.json").read_text())["differences"][0]["metrics"]
        assert found["dice"]["value"] == pytest.approx(-0.1)
        assert found["dice"]["excludes_zero"]
        drawn = (out / "figures/forest.svg").read_text()
        assert "Dice −0.100 (−0.100 to −0.100)" in drawn
        assert "Surface Dice" in drawn
        assert "mm" not in re.sub(r"<style.*?</style>", "", drawn, flags=re.DOTALL)
        assert "Distances and volumes stand in the table" in (out / "compare.html").read_text()

    def test_images_without_a_mask_are_left_out_and_counted(self, trained):
        record = json.loads(trained.record.read_text())
        assert "1 of 20 images have no mask and were left out." in record["notes"]
        assert record["data"]["splits"]["train"]["images"] == 14
        assert record["best"]["metric"] == "dice_val"

    def test_its_encoder_starts_a_run_of_labels_and_it_goes_on_itself(self, trained):
        again = create_dense(
            "resnet18", in_channels=1, out_channels=3, after="layer1", weights=str(trained.path)
        )
        assert again.fit.afresh == {}

    def test_other_commands_say_that_it_has_no_labels(self, trained, tmp_path, capsys):
        assert main(["explain", str(trained.path)]) == 2
        assert "learnt masks" in capsys.readouterr().err

    def test_a_stopped_run_goes_on_to_the_same_bits(self, cells, tmp_path, monkeypatch):
        whole = train(cells, tmp_path / "whole", small(epochs=2), command=[])

        def fail(*args, **kwargs):
            raise KeyboardInterrupt

        monkeypatch.setattr("medgraft.train.segmentation.task.judge_masks", fail)
        recipe = small(epochs=2, checkpoint_seconds=0)
        with pytest.raises(KeyboardInterrupt):
            train(cells, tmp_path / "parted", recipe, command=[])
        monkeypatch.undo()
        parted = train(cells, tmp_path / "parted", recipe, command=[], resume=True)
        one, other = load_file(parted.weights), load_file(whole.weights)
        assert one.keys() == other.keys()
        assert all(torch.equal(one[name], other[name]) for name in one)


def make_volumes(folder, count=7):
    """Boxes in noise, in NIfTI with an anisotropic, turned affine."""
    rng = np.random.default_rng(0)
    affine = np.array([[0, -1, 0, 10], [2, 0, 0, -5], [0, 0, 3, 7], [0, 0, 0, 1.0]])
    for name in ("images", "labels"):
        (folder / name).mkdir(parents=True)
    for number in range(count):
        size = (12 + number % 3, 16, 10)
        mask = np.zeros(size, np.uint8)
        low = rng.integers(2, 5, 3)
        mask[tuple(slice(a, a + 5) for a in low)] = 1
        image = (mask * np.int32(400) + rng.integers(0, 200, size)).astype(np.int16)
        nibabel.save(nibabel.Nifti1Image(image, affine), folder / f"images/v{number}.nii.gz")
        nibabel.save(nibabel.Nifti1Image(mask, affine), folder / f"labels/v{number}.nii.gz")
    return folder


@pytest.fixture(scope="module")
def boxes(tmp_path_factory):
    folder = make_volumes(tmp_path_factory.mktemp("volumes"))
    index = indexed(folder, "background=0,box=1")
    recipe = small(
        backbone="resnet18_3d",
        after="layer1",
        steps=("orient", "intensity:declared=false", "crop_or_pad:side=34"),
        patch=(32,),
        patches_per_image=2,
        batch_size=2,
    )
    run = train(index, tmp_path_factory.mktemp("runs") / "boxes", recipe, command=[])
    write_report(run.path)
    return run, folder


class TestVolumes:
    def test_masks_have_the_geometry_of_their_files(self, boxes, tmp_path):
        folder = boxes[1]
        files = [folder / f"images/v{number}.nii.gz" for number in (0, 1)]
        out = tmp_path / "masks"
        assert main(["predict", str(boxes[0].path), *map(str, files), "--out", str(out)]) == 0
        for file in files:
            given, mask = nibabel.load(file), nibabel.load(out / file.name)
            assert mask.shape == given.shape
            assert np.allclose(mask.affine, given.affine)
            assert mask.get_data_dtype() == np.uint8

    def test_distances_are_millimetres(self, boxes):
        assert json.loads(boxes[0].evaluation.read_text())["distance_unit"] == "mm"

    def test_slices_of_three_planes_can_be_chosen_without_a_script(self, boxes):
        page = boxes[0].report.read_text()
        assert page.count('type="radio"') >= 3 * 3 * 5
        assert page.count(" checked>") == 3 * 3 + 2  # a slice of each plane, and both outlines
        assert page.count('<span class="side">R</span>') == 2 * 3  # axial and coronal
        assert "<script" not in page

    def test_pictures_and_outlines_lie_over_one_another(self, boxes):
        folder = boxes[0].examples
        listed = json.loads((folder / "examples.json").read_text())
        assert [one["rank"] for one in listed] == ["worst", "middle", "best"]
        assert [one["dice"] for one in listed] == sorted(one["dice"] for one in listed)
        for view in (view for one in listed for view in one["views"]):
            count = len(view["slices"])
            assert count == len(view["differ"]) >= 1
            size = (view["shape"][0], view["shape"][1] * count)
            with (
                Image.open(folder / view["image"]) as image,
                Image.open(folder / view["truth"]) as truth,
            ):
                assert truth.size == image.size == size
                seen = np.array(truth.convert("RGBA"))
            assert {tuple(colour) for colour in seen[seen[..., 3] > 0][:, :3]} <= {(86, 180, 233)}
            assert 0 < (seen[..., 3] > 0).mean() < 0.5
        axial, coronal, sagittal = listed[0]["views"]
        assert (axial["apart_mm"], coronal["apart_mm"], sagittal["apart_mm"]) == (3.0, 2.0, 1.0)
        assert sagittal["sides"] == ["S", "P", "I", "A"]

    def test_a_picture_is_refused_and_the_volumes_are_not(self, boxes, tmp_path):
        picture = tmp_path / "flat.png"
        Image.fromarray(np.zeros((16, 16), np.uint8)).save(picture)
        volume = boxes[1] / "images/v0.nii.gz"
        out = tmp_path / "m"
        assert (
            main(["predict", str(boxes[0].path), str(picture), str(volume), "--out", str(out)]) == 0
        )
        assert len(pl.read_csv(out / "masks.rejects.csv")) == 1


@pytest.fixture(scope="module")
def learnt(cells, tmp_path_factory):
    """A run whose decoder learnt how to double sides."""
    out = tmp_path_factory.mktemp("runs") / "transposed"
    return train(cells, out, small(upsampling="transposed"), command=[])


class TestUpsampling:
    """A decoder that doubles sides by repeating values, or by kernels that learn."""

    def test_it_is_built_kept_and_answers(self, learnt, cells):
        names = load_file(learnt.weights)
        assert any(".upsample." in name for name in names)
        assert json.loads(learnt.weights_record.read_text())["upsampling"] == "transposed"
        network = load_drawn(learnt).answers.segmenters[0].network
        assert network.state_dict().keys() == names.keys()

    def test_a_run_that_begins_with_it_has_its_decoder_without_being_told(
        self, learnt, cells, tmp_path
    ):
        recipe = small(weights=str(learnt.path), rate=1e-9)
        run = train(cells, tmp_path / "run", recipe, command=[])
        assert load_recipe(run.recipe).upsampling == "transposed"
        record = json.loads(run.record.read_text())
        assert "(backbone, decoder, output)" in record["network"]["loaded"]
        assert not [note for note in record["notes"] if "decoder" in note]

    def test_the_other_one_is_not_loaded_and_the_report_says_so(self, learnt, cells, tmp_path):
        recipe = small(weights=str(learnt.path), upsampling="nearest")
        run = train(cells, tmp_path / "run", recipe, command=[])
        record = json.loads(run.record.read_text())
        said = "it doubles sides the other way; pass --upsampling transposed to load it"
        assert f"The decoder of the weights was not loaded: {said}." in record["notes"]
        assert f"decoder afresh: {said}" in record["network"]["loaded"]

    def test_labels_have_no_decoder(self, tmp_path):
        with pytest.raises(ArgumentError, match="upsampling belongs to segmentation"):
            train(tmp_path, tmp_path / "run", quick(upsampling="nearest"), command=[])


class TestRefusals:
    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({"backbone": "unet2d", "after": None, "size": 36}, "divisible by 8"),
            ({"tta": "corners"}, "belongs to classification"),
            ({"loss": "cross_entropy"}, "one of masks"),
            ({"strategy": "linear"}, "trains a decoder"),
            ({"patch": (64,)}, "must fit"),
            ({"patch": (8, 8, 8)}, "one per spatial axis"),
            ({"augment": ("mixup",)}, "must not mix"),
            ({"task": "classification"}, "Pass --task segmentation"),
            ({"labels_per_class": 99}, "at most the training images with a mask"),
        ],
    )
    def test_settings_that_make_no_sense_say_why(self, cells, tmp_path, changes, said):
        with pytest.raises(Exception, match=said):
            train(cells, tmp_path / "run", small(**changes), command=[])

    def test_an_index_without_masks(self, tmp_path):
        with pytest.raises(TableError, match="needs an index with masks"):
            train(make_spots(tmp_path), tmp_path / "run", small(), command=[])

    def test_training_masks_without_foreground(self, tmp_path):
        folder = make_cells(tmp_path / "cells", count=8)
        for number in range(5, 7):
            Image.fromarray(np.zeros((40, 32), np.uint8)).save(folder / f"masks/{number:02d}.png")
        with pytest.raises(Exception, match="more than the background"):
            train(indexed(folder), tmp_path / "run", small(), command=[])

    def test_a_run_of_labels_asked_for_masks(self, tmp_path, capsys):
        run = train(make_spots(tmp_path), tmp_path / "run", quick(epochs=1), command=[])
        image = tmp_path / "images/00.png"
        assert main(["predict", str(run.path), str(image), "--out", str(tmp_path / "m")]) == 2
        assert "learnt labels" in capsys.readouterr().err


class TestPictures:
    @pytest.mark.parametrize("most", [(4, 4, 4), (3, 1, 1)])
    def test_each_image_is_shown_once_and_the_worst_first(self, most):
        for count in range(1, 14):
            scores = {str(number): number / count for number in range(count)}
            chosen = [name for name, _ in choose(scores, *most)]
            assert len(set(chosen)) == len(chosen) == min(count, sum(most))
            worst = [name for name, rank in choose(scores, *most) if rank == "worst"]
            assert chosen[: len(worst)] == worst == [str(n) for n in range(len(worst))]
            ranks = [rank for _, rank in choose(scores, *most)]
            if count >= 3:
                assert {"worst", "middle", "best"} == set(ranks)
            if count >= sum(most):
                assert [ranks.count(rank) for rank in ("worst", "middle", "best")] == list(most)

    def test_outlines_lie_inside_their_class(self):
        mask = np.zeros((9, 9), np.uint8)
        mask[2:7, 3:8] = 1
        found = outline(mask)
        assert found.sum() == 16
        assert not (found & (mask == 0)).any()

    def test_slices_run_as_people_read_them_with_the_right_side_on_the_left(self):
        array = np.zeros((3, 4, 5))
        array[2, 3, 0] = 1  # the right front corner at the feet of an RAS volume
        axial, coronal, sagittal = planes_of(np.eye(4))
        assert np.argwhere(axial.slices(array)).tolist() == [[0, 0, 0]]
        assert np.argwhere(coronal.slices(array)).tolist() == [[0, 4, 0]]
        assert np.argwhere(sagittal.slices(array)).tolist() == [[0, 4, 0]]
        assert (axial.sides, coronal.sides, sagittal.sides) == (
            ("A", "L", "P", "R"),
            ("S", "L", "I", "R"),
            ("S", "P", "I", "A"),
        )

    @pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
    def test_a_volume_looks_the_same_whichever_way_its_file_lies(self, order):
        array = np.random.default_rng(0).random((3, 4, 5))
        given = nibabel.Nifti1Image(array, np.diag([1.0, 2.0, 3.0, 1.0]))
        for signs in itertools.product((1, -1), repeat=3):
            turned = given.as_reoriented(np.array(list(zip(order, signs, strict=True))))
            pairs = zip(planes_of(given.affine), planes_of(turned.affine), strict=True)
            for one, other in pairs:
                assert np.array_equal(one.slices(array), other.slices(turned.get_fdata()))
                assert one.sides == other.sides
                zooms = turned.header.get_zooms()
                mine = one.lengths_mm(array.shape, (1.0, 2.0, 3.0))
                assert mine == other.lengths_mm(turned.shape, zooms)

    @pytest.mark.parametrize("affine", [None, np.ones((4, 4))])
    def test_a_volume_without_a_place_is_shown_along_its_first_axis(self, affine):
        array = np.arange(24.0).reshape(2, 3, 4)
        (plane,) = planes_of(affine)
        assert np.array_equal(plane.slices(array), array)
        assert plane.sides is None
        assert plane.lengths_mm(array.shape, (5.0, 2.0, 1.0)) == (6.0, 4.0)

    def test_slices_are_thinned_out_evenly_around_what_is_marked(self):
        for first, last in ((0, 0), (3, 40), (10, 199), (0, 199)):
            marked = np.zeros(200, bool)
            marked[[first, last]] = True
            found = shown_slices(marked)
            assert len(found) <= SLICES
            assert found[0] == max(0, first - 2)
            assert len(set(np.diff(found).tolist())) <= 1
            assert found[-1] >= last - 7
        assert shown_slices(np.zeros(3, bool)) == [0, 1, 2]
