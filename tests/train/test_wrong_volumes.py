"""Archives of volumes in which everything that can be wrong is wrong: a line or a row, never a crash."""

import gzip
import json

import nibabel
import numpy as np
import polars as pl
import pytest

from medgraft.cli.__main__ import main
from medgraft.cli.pretrain import following
from medgraft.errors import TableError, TrainingError
from medgraft.index import Index
from medgraft.index.audit import audit
from medgraft.index.build import build
from medgraft.index.masks import MaskClasses
from medgraft.pretext.pretrain import pretrain
from medgraft.pretext.recipe import Pretraining
from medgraft.runs import RunFolder
from medgraft.train.recipe import Recipe
from medgraft.train.segmentation.judging import judge_masks
from medgraft.train.segmentation.predict import load_drawn
from medgraft.train.train import train

SIZE = (12, 10, 9)
AFFINE = np.diag([1.0, 1.0, 2.0, 1.0])
CLASSES = "background=0,shell=1,core=2"
SMALL = {
    "backbone": "unet3d",
    "after": "level1",
    "size": 8,
    "epochs": 1,
    "batch_size": 4,
    "augment": ("none",),
    "precision": "float32",
    "memory_format": "contiguous",
    "threads": 1,
}
ODD = ("constant", "no_foreground", "all_foreground", "one_slice", "tiny")  # sound, if strange


def volume(seed, size=SIZE):
    rng = np.random.default_rng(seed)
    middle = [n / 2 for n in size]
    far = np.sqrt(sum((a - m) ** 2 for a, m in zip(np.indices(size), middle, strict=True)))
    mask = np.where(far < 2, 2, np.where(far < 4, 1, 0)).astype(np.uint8)
    return (mask * 150 + rng.integers(0, 100, size)).astype(np.int16), mask


def shifted():
    affine = AFFINE.copy()
    affine[0, 3] = 5
    return affine


def wrong(folder):
    """Cases by name: image, mask, affine of the mask."""
    image, mask = volume(99)
    label = mask.copy()
    label[0, 0, 0] = 7
    holes = image.astype(np.float32)
    holes[3, 3, 3] = np.nan
    slice_, of_slice = volume(98, (12, 10, 1))
    tiny, of_tiny = volume(97, (5, 4, 3))
    return {
        "constant": (np.full_like(image, 55), mask, AFFINE),
        "no_foreground": (image + np.int16(1), np.zeros_like(mask), AFFINE),
        "all_foreground": (image + np.int16(2), np.ones_like(mask), AFFINE),
        "one_slice": (slice_, of_slice, AFFINE),
        "tiny": (tiny, of_tiny, AFFINE),
        "other_shape": (image, mask[:-1], AFFINE),
        "other_spacing": (image, mask, np.diag([1.0, 1.0, 3.0, 1.0])),
        "other_place": (image, mask, shifted()),
        "strange_label": (image, label, AFFINE),
        "half_label": (image, mask * np.float32(0.5), AFFINE),
        "many_labels": (image, np.arange(mask.size, dtype=np.int16).reshape(SIZE), AFFINE),
        "holes": (holes, mask, AFFINE),
        "picture": (image[:, :, 4], mask[:, :, 4], AFFINE),
        "two_channels": (np.stack([image, image], axis=-1), mask, AFFINE),
    }


def save(path, array, affine=AFFINE):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = nibabel.Nifti1Image(array, affine)
    path.write_bytes(gzip.compress(image.to_bytes(), compresslevel=1))


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """Ten sound volumes and one of each kind of wrong ones; the index and what it rejected."""
    root = tmp_path_factory.mktemp("volumes")
    for number in range(10):
        image, mask = volume(number)
        save(root / f"images/v{number}.nii.gz", image)
        save(root / f"labels/v{number}.nii.gz", mask)
    for name, (image, mask, affine) in wrong(root).items():
        save(root / f"images/{name}.nii.gz", image)
        save(root / f"labels/{name}.nii.gz", mask, affine)
    for name in ("cut_image", "cut_mask"):
        save(root / f"images/{name}.nii.gz", volume(50)[0])
        save(root / f"labels/{name}.nii.gz", volume(50)[1])
    for path in ("images/cut_image.nii.gz", "labels/cut_mask.nii.gz"):
        (root / path).write_bytes((root / path).read_bytes()[:150])
    classes = MaskClasses.parse(CLASSES)
    return build(root, layout="image_mask", mask_classes=classes, workers=0).index


def stem(path):
    return path.rpartition("/")[2].removesuffix(".nii.gz")


def parted(index, odd, path, *, sound=10):
    """The index with the odd volumes in one part, and of the others two in val and two in test.

    With "all" everything that was indexed is used, the odd volumes for training.
    """
    good = {f"v{number}" for number in range(sound)}
    names = [stem(p) for p in index.frame["path"]]
    used = [odd == "all" or name in good or name in ODD for name in names]
    usual = {"v0": "val", "v1": "val", "v2": "test", "v3": "test"}
    strange = "train" if odd == "all" else odd
    part = [usual.get(name, "train" if name in good else strange) for name in names]
    frame = index.frame.with_columns(split=pl.Series(part)).filter(pl.Series(used))
    index.with_frame(frame).save(path)
    return path


def segment(index, out, **changes):
    settings = {**SMALL, "task": "segmentation", "replicates": 10, **changes}
    return train(index, out, Recipe(**settings), command=["medgraft"])


class TestIndex:
    @pytest.mark.parametrize(
        ("name", "reason"),
        [
            ("other_shape", "must have the shape of its image, and it is 11 x 10 x 9 for 12 x 10"),
            ("other_spacing", "must lie where its image lies"),
            ("other_place", "it lies 5 pixels apart"),
            ("strange_label", f"its mask holds 7, which is no class among {CLASSES}"),
            ("half_label", "must hold whole numbers"),
            ("many_labels", "at most 255 classes, and it has 1080"),
            ("cut_image", "decoder gave up"),
            ("cut_mask", "its mask 'labels/cut_mask.nii.gz' cannot be used"),
        ],
    )
    def test_each_wrong_mask_costs_its_row_and_says_why(self, archive, name, reason):
        rejects = {stem(path): why for path, why in archive.rejects.select("path", "reason").rows()}
        assert reason in rejects[name]

    def test_everything_else_stays(self, archive):
        kept = {stem(path) for path in archive.frame["path"]}
        assert kept == {f"v{n}" for n in range(10)} | {*ODD, "holes", "picture", "two_channels"}

    def test_an_audit_names_what_is_odd(self, archive):
        found = {f.name: f for f in audit(archive, workers=0, confirm=False).findings}
        assert found["constant"].examples == ("images/constant.nii.gz",)
        assert found["mask_empty"].examples == ("images/no_foreground.nii.gz",)
        assert found["mask_constant"].examples == ("images/all_foreground.nii.gz",)
        assert found["nan"].examples == ("images/holes.nii.gz",)
        assert {"mixed_dimensions", "size_outlier", "rejected"} <= found.keys()


class TestSegmentation:
    def test_odd_volumes_of_the_test_part_are_judged_and_shown(self, archive, tmp_path):
        run = segment(parted(archive, "test", tmp_path / "i.parquet"), tmp_path / "run")
        table = pl.read_parquet(run.segmentation)
        assert {stem(path) for path in table["path"]} == {*ODD, "v2", "v3"}
        truth = {
            (stem(p), c): n for p, c, n in table.select("path", "class", "truth_voxels").rows()
        }
        assert truth["no_foreground", "shell"] == 0
        assert truth["all_foreground", "shell"] == np.prod(SIZE)
        assert truth["one_slice", "shell"] + truth["one_slice", "core"] > 0
        shown = json.loads((run.examples / "examples.json").read_text())
        assert len(shown) == 5
        assert json.loads(run.evaluation.read_text())["empty"]["shell"]["both"] <= 1

    def test_odd_volumes_of_the_training_part_do_no_harm(self, archive, tmp_path):
        index = parted(archive, "train", tmp_path / "i.parquet")
        run = segment(index, tmp_path / "run", patch=(4,), patches_per_image=2, replicates=0)
        assert json.loads(run.record.read_text())["data"]["splits"]["train"]["images"] == 11

    def test_what_cannot_be_prepared_is_a_reject_of_the_run(self, archive, tmp_path):
        steps = ("intensity", "channels:count=1", "resize:side=8")
        index = parted(archive, "all", tmp_path / "i.parquet")
        run = segment(index, tmp_path / "run", steps=steps, replicates=0)
        rejects = pl.read_csv(run.rejects)
        reasons = {stem(p): why for p, why in rejects.select("path", "reason").rows()}
        assert "2 spatial axes, and most images have 3" in reasons["picture"]
        assert "1 or 3 channels, and has 2" in reasons["two_channels"]
        assert "NaN or infinite" in reasons["holes"]

    def test_one_training_volume_is_too_few_and_says_what_to_do(self, archive, tmp_path):
        index = parted(archive, "test", tmp_path / "i.parquet", sound=5)
        with pytest.raises(TrainingError, match=r"there are 1 to learn from.*patches-per-image 2"):
            segment(index, tmp_path / "run")

    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({"backbone": "resnet18", "after": None}, "2 spatial axes, .* have 3.*unet3d"),
            ({"after": None}, "up to level4 needs .* 16 pixels .* fewer stages with --after"),
            ({"patch": (16,)}, "a patch must fit the prepared images of 8 x 8 x 8"),
            ({"after": "level3", "patch": (4,)}, "Pass --patch 8 or more"),
            ({"steps": ("intensity", "resize:side=8")}, "channels:count=1"),
        ],
    )
    def test_settings_that_do_not_suit_volumes_are_refused(self, archive, tmp_path, changes, said):
        index = parted(archive, "all", tmp_path / "i.parquet")
        with pytest.raises(Exception, match=said):
            segment(index, tmp_path / "run", **changes)
        assert not (tmp_path / "run/recipe.yaml").exists()

    def test_a_network_for_pictures_is_refused_before_volumes_are_prepared(
        self, archive, tmp_path, monkeypatch
    ):
        monkeypatch.setattr(
            "medgraft.train.segmentation.data.Store.open", lambda *_, **__: pytest.fail("prepared")
        )
        index = parted(archive, "test", tmp_path / "i.parquet")
        with pytest.raises(TrainingError, match="2 spatial axes"):
            segment(index, tmp_path / "run", backbone="resnet18", after=None)

    def test_patients_of_some_test_images_alone_are_refused_before_training(
        self, archive, tmp_path
    ):
        path = parted(archive, "train", tmp_path / "i.parquet")
        index = Index.load(path)
        names = [f"p{k}" for k in range(len(index))]
        place = index.frame["path"].to_list().index("images/v2.nii.gz")
        names[place] = None
        frame = index.frame.with_columns(patient_id=pl.Series(names))
        Index(**{**vars(index), "frame": frame, "patients_known": True}).save(path)
        with pytest.raises(TableError, match=r"1 of 2 have none: images/v2.nii.gz"):
            segment(path, tmp_path / "run")


@pytest.fixture(scope="module")
def finished(archive, tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    return segment(parted(archive, "train", folder / "i.parquet"), folder / "run", replicates=0)


class TestPredict:
    def test_every_file_has_a_mask_on_its_grid_or_a_reason(self, finished, archive, tmp_path):
        names = [*ODD, "v0", "holes", "picture", "two_channels", "cut_image"]
        files = [f"{archive.root}/images/{name}.nii.gz" for name in names]
        out = tmp_path / "masks"
        assert main(["predict", str(finished.path), *files, "--out", str(out)]) == 0
        rejects = pl.read_csv(out / "masks.rejects.csv")
        reasons = {stem(p): why for p, why in rejects.select("path", "reason").rows()}
        assert reasons.keys() == {"holes", "picture", "two_channels", "cut_image"}
        assert "a picture, but the run was trained on volumes" in reasons["picture"]
        for name in [*ODD, "v0"]:
            mask = nibabel.load(out / f"{name}.nii.gz")
            assert mask.shape == nibabel.load(f"{archive.root}/images/{name}.nii.gz").shape

    def test_series_called_by_numbers_with_dots_have_masks_of_their_own(self, finished, tmp_path):
        image, _ = volume(0)
        files = [tmp_path / "1.2.840.1", tmp_path / "1.2.840.2"]
        for file in files:
            file.write_bytes(gzip.compress(nibabel.Nifti1Image(image, AFFINE).to_bytes()))
        out = tmp_path / "masks"
        assert main(["predict", str(finished.path), *map(str, files), "--out", str(out)]) == 0
        assert sorted(f.name for f in out.glob("*.nii.gz")) == [f"{f.name}.nii.gz" for f in files]


class TestJudging:
    def test_a_mask_that_changed_after_indexing_is_said_and_costs_itself(
        self, finished, archive, tmp_path
    ):
        root = tmp_path / "copy"
        for number in range(3):
            image, mask = volume(number)
            save(root / f"images/v{number}.nii.gz", image)
            save(root / f"labels/v{number}.nii.gz", mask)
        index = build(root, mask_classes=MaskClasses.parse(CLASSES), workers=0).index
        index = index.with_frame(index.frame.with_columns(split=pl.lit("test")))
        save(root / "labels/v1.nii.gz", np.full(SIZE, 9, np.uint8))
        save(root / "labels/v2.nii.gz", np.zeros((3, 3, 3), np.uint8))
        judged = judge_masks(load_drawn(finished).answers, index)
        assert set(judged.table["path"]) == {"images/v0.nii.gz"}
        said = " ".join(judged.lost)
        assert "'images/v1.nii.gz' could not be judged: its mask holds 9" in said
        assert "'images/v2.nii.gz' could not be judged: truth and prediction" in said

    def test_volumes_of_one_file_are_all_judged(self, finished, archive):
        frame = archive.frame.filter(pl.col("path").str.contains(r"/v[01]\."))
        rows = frame.with_columns(split=pl.lit("test"), image_id=pl.lit("one"))
        stack = np.stack([volume(n)[0] for n in (0, 1)])
        masks = np.stack([volume(n)[1] for n in (0, 1)])
        np.save(archive.root / "stack.npy", stack)
        np.save(archive.root / "masks.npy", masks)
        rows = rows.with_columns(
            path=pl.Series(["stack.npy#0", "stack.npy#1"]),
            mask_path=pl.Series(["masks.npy#0", "masks.npy#1"]),
        )
        judged = judge_masks(load_drawn(finished).answers, archive.with_frame(rows))
        assert judged.table["image_id"].unique().sort().to_list() == ["one#0", "one#1"]
        counted = judged.table.filter(pl.col("class") == "core")["truth_voxels"].to_list()
        assert counted == [(mask == 2).sum() for mask in masks]


class TestPretraining:
    def test_constant_volumes_are_left_out_and_what_begins_with_it_is_said(self, archive, tmp_path):
        index = parted(archive, "train", tmp_path / "i.parquet")
        run = pretrain(index, tmp_path / "run", Pretraining(**SMALL), command=["medgraft"])
        record = json.loads(run.record.read_text())
        assert any("1 scans have one value throughout" in note for note in record["notes"])
        assert record["data"]["splits"]["train"]["images"] == 10
        assert "--backbone unet3d --after level1 --task segmentation" in following(index, run)

    def test_nothing_but_constant_volumes_is_refused(self, archive, tmp_path):
        frame = archive.frame.filter(pl.col("path").str.contains("constant|v0|v1"))
        parts = pl.when(pl.col("path").str.contains("constant")).then(pl.lit("train"))
        archive.with_frame(frame.with_columns(split=parts.otherwise(pl.lit("val")))).save(
            tmp_path / "i.parquet"
        )
        with pytest.raises(TableError, match=r"one value throughout .* images/constant"):
            pretrain(tmp_path / "i.parquet", tmp_path / "run", Pretraining(**SMALL), command=[])
        assert not RunFolder(tmp_path / "run").recipe.exists()
