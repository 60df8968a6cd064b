"""Tables of segmented images: values, intervals by patient, differences, wrong input."""

import json

import numpy as np
import polars as pl
import pytest

from medgraft.errors import ArgumentError, ShapeError, TableError, UnknownNameError
from medgraft.evaluate import bootstrap
from medgraft.evaluate.segmentation import (
    evaluate_segmentation,
    image_table,
    judge_image,
    paired_segmentation,
)

LABELS = {"liver": 1, "tumour": 2}


def masks(seed, images=12, shape=(9, 8)):
    """Truth and a worse copy; the tumour is missing in some, and missed in others."""
    rng = np.random.default_rng(seed)
    for number in range(images):
        truth = np.zeros(shape, np.uint8)
        truth[2:7, 1:6] = 1
        if number % 3:
            truth[3:5, 2 : 3 + number % 4] = 2
        noise = rng.random(shape) < 0.1
        yield truth, np.where(noise, rng.integers(0, 2 + (number % 4 > 0), shape), truth * 1)


def table(seed=0, patients=4, probability=False, **options):
    rows = []
    for number, (truth, prediction) in enumerate(masks(seed)):
        maps = None
        if probability:
            maps = np.stack([0.9 * (prediction == n) for n in LABELS.values()])
        rows += judge_image(
            truth,
            prediction,
            LABELS,
            image_id=f"i{number}",
            patient_id=patients and f"p{number % patients}",
            probability=maps,
            **{"spacing_mm": (1, 1)} | options,
        )
    return image_table(rows)


def looped(frame, kind, name, counts=None):
    """Mean over drawn patients of the mean over their images that define it, in loops."""
    per_patient = []
    for patient in dict.fromkeys(frame["patient_id"]):
        rows = frame.filter((pl.col("patient_id") == patient) & (pl.col("class") == name))
        found = [value for value in rows[kind] if value is not None]
        per_patient.append(sum(found) / len(found) if found else None)
    counts = counts if counts is not None else [1] * len(per_patient)
    drawn = [
        v for v, n in zip(per_patient, counts, strict=True) for _ in range(int(n)) if v is not None
    ]
    return sum(drawn) / len(drawn) if drawn else float("nan")


def test_the_table_has_a_row_per_image_and_class_and_null_where_undefined():
    frame = table()
    assert len(frame) == 24
    assert frame.columns[:3] == ["image_id", "patient_id", "class"]
    gone = frame.filter((pl.col("truth_voxels") == 0) != (pl.col("predicted_voxels") == 0))
    assert len(gone)
    assert gone["hd95"].null_count() == len(gone)
    assert (gone["dice"] == 0).all()
    assert "iou_over_thresholds" not in frame.columns
    assert "iou_over_thresholds" in table(probability=True).columns


def test_values_and_replicates_are_those_of_loops_over_patients():
    frame = table()
    found = evaluate_segmentation(frame, replicates=40, seed=3)
    counts = bootstrap.draw(4, 40, seed=3)
    for name, entries in found["classes"].items():
        for kind, entry in entries.items():
            assert entry["value"] == pytest.approx(looped(frame, kind, name))
            drawn = np.array([looped(frame, kind, name, row) for row in counts])
            low, high = bootstrap.interval(drawn)
            assert (entry["low"], entry["high"]) == (pytest.approx(low), pytest.approx(high))


def test_the_mean_over_classes_is_the_mean_of_their_values():
    found = evaluate_segmentation(table(), replicates=20)
    for kind, entry in found["metrics"].items():
        mean = np.mean([entries[kind]["value"] for entries in found["classes"].values()])
        assert entry["value"] == pytest.approx(mean)


def test_undefined_masks_are_counted_and_said():
    frame = table()
    found = evaluate_segmentation(frame, replicates=20)
    undefined = frame.filter(pl.col("class") == "tumour")["hd95"].null_count()
    entry = found["classes"]["tumour"]["hd95"]
    assert entry["undefined_masks"] == undefined > 0
    assert entry["reason"] == f"left out {undefined} of 12 masks, where hd95 is undefined"
    assert found["metrics"]["hd95"]["undefined_masks"] == undefined
    assert "undefined_masks" not in found["metrics"]["dice"]
    empty = found["empty"]["tumour"]
    assert empty["missed"] + empty["false_alarm"] == undefined


def test_empty_masks_are_counted_by_which_of_the_two_is_empty():
    cases = {
        "a": (0, 0),
        "b": (1, 0),
        "c": (1, 0),
        "d": (0, 1),
        "e": (1, 1),
        "f": (0, 1),
        "g": (0, 1),
    }
    rows = [
        row
        for name, (truth, called) in cases.items()
        for row in judge_image([[0, truth]], [[0, called]], {"cell": 1}, image_id=name)
    ]
    empty = evaluate_segmentation(image_table(rows), replicates=0)["empty"]["cell"]
    assert empty == {"both": 1, "false_alarm": 3, "missed": 2}


def test_a_measure_that_no_image_defines_is_null_with_its_reason():
    frame = image_table(judge_image([[0, 1]], [[0, 0]], {"cell": 1}, image_id="a"))
    entry = evaluate_segmentation(frame)["classes"]["cell"]["hd95"]
    assert entry["value"] is None
    assert "left out 1 of 1 masks" in entry["reason"]


def test_the_record_is_json_and_names_its_settings():
    found = evaluate_segmentation(table(tolerance_mm=2.0), split="test", replicates=10, notes=["n"])
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert found["kind"] == "segmentation"
    assert found["names"] == list(LABELS)
    assert (found["n_images"], found["n_patients"], found["unit"]) == (12, 4, "patient")
    assert (found["distance_unit"], found["tolerance_mm"]) == ("mm", 2.0)
    unknown = evaluate_segmentation(table(patients=None, spacing_mm=None), replicates=10)
    assert (unknown["unit"], unknown["n_patients"]) == ("image", None)
    assert unknown["distance_unit"] == "voxel"


def test_a_patient_with_many_images_weighs_as_much_as_one_with_few():
    rows = []
    for number in range(9):
        right = number > 0  # the only image of the first patient is missed
        rows += judge_image(
            [[0, 1]],
            [[0, int(right)]],
            {"cell": 1},
            image_id=str(number),
            patient_id="many" if right else "one",
        )
    found = evaluate_segmentation(image_table(rows), replicates=0)
    assert found["metrics"]["dice"]["value"] == 0.5


def test_row_order_changes_no_value():
    frame = table()
    mixed = frame.sample(fraction=1.0, shuffle=True, seed=1)
    one, other = (evaluate_segmentation(f, replicates=0)["classes"] for f in (frame, mixed))
    for name, entries in one.items():
        for kind, entry in entries.items():
            assert other[name][kind]["value"] == pytest.approx(entry["value"])


def test_a_run_against_itself_differs_by_exactly_nothing():
    found = paired_segmentation(table(), table(), replicates=50)
    for entry in found["metrics"].values():
        assert (entry["value"], entry["low"], entry["high"]) == (0, 0, 0)
        assert entry["excludes_zero"] is False


def test_differences_are_taken_image_by_image_where_both_are_defined():
    first, second = table(seed=0), table(seed=5).sample(fraction=1.0, shuffle=True, seed=2)
    found = paired_segmentation(first, second, replicates=30, seed=1)
    both = first.join(second, on=["image_id", "class"], suffix="_2", maintain_order="left")
    for kind in ("dice", "hd95"):
        both = both.with_columns(pl.col(f"{kind}_2") - pl.col(kind))
        entry = found["classes"]["tumour"][kind]
        assert entry["value"] == pytest.approx(looped(both, f"{kind}_2", "tumour"))
        counts = bootstrap.draw(4, 30, seed=1)
        drawn = np.array([looped(both, f"{kind}_2", "tumour", row) for row in counts])
        assert entry["low"] == pytest.approx(bootstrap.interval(drawn)[0])


def test_a_run_that_is_better_everywhere_excludes_zero():
    worse = table()
    best = image_table(
        row
        for number, (truth, _) in enumerate(masks(0))
        for row in judge_image(
            truth,
            truth,
            LABELS,
            image_id=f"i{number}",
            patient_id=f"p{number % 4}",
            spacing_mm=(1, 1),
        )
    )
    found = paired_segmentation(worse, best)["classes"]["liver"]
    assert found["dice"]["excludes_zero"]
    assert found["dice"]["low"] > 0
    assert found["surface_distance"]["high"] < 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.filter(pl.col("image_id") != "i3"), "only in one: i3"),
        (lambda f: f.filter(pl.col("class") == "liver"), "only in one: tumour"),
        (lambda f: f.with_columns(tolerance_mm=pl.lit(2.0)), "one unit and tolerance"),
        (lambda f: f.with_columns(spacing_known=pl.lit(value=False)), "mm, 1.0 and voxel"),
        (lambda f: f.with_columns(pl.col("truth_voxels") + 1), "12 images have true masks of diff"),
        (lambda f: f.with_columns(patient_id=pl.lit("x")), "the same patient"),
    ],
)
def test_runs_that_cannot_be_paired_are_refused(change, message):
    with pytest.raises(TableError, match=message):
        paired_segmentation(table(), change(table()), replicates=0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.drop("class"), "missing: class"),
        (lambda f: f.head(0), "must have rows"),
        (lambda f: f[1:], "24 in all, got 23; image 'i0' has 1"),
        (lambda f: pl.concat([f, f.head(1)]), r"several of \('i0', 'liver'\)"),
        (
            lambda f: f.with_columns(tolerance_mm=pl.int_range(24).cast(pl.Float64)),
            "one tolerance",
        ),
        (lambda f: f.with_columns(spacing_known=pl.int_range(24) > 3), "one unit of distance"),
        (
            lambda f: f.with_columns(patient_id=pl.int_range(24).cast(pl.String)),
            "'i0' must belong to one patient",
        ),
        (
            lambda f: f.with_columns(
                image_id=pl.when(pl.int_range(24) > 1).then(pl.col("image_id"))
            ),
            "'image_id' must not be blank",
        ),
    ],
)
def test_tables_that_are_incomplete_or_mixed_are_refused(change, message):
    with pytest.raises(TableError, match=message):
        evaluate_segmentation(change(table()), replicates=0)


def test_patients_that_are_blank_in_part_are_refused():
    frame = table().with_columns(
        patient_id=pl.when(pl.col("image_id") != "i3").then(pl.col("patient_id"))
    )
    with pytest.raises(ArgumentError, match=r"1 row \(3\) is blank"):
        evaluate_segmentation(frame)


def test_labels_that_were_not_declared_are_refused_with_image_and_label():
    with pytest.raises(
        ArgumentError, match=r"truth of image 'a' .* 1 \(liver\), 2 \(tumour\), got 7"
    ):
        judge_image([[0, 7]], [[0, 1]], LABELS, image_id="a")
    with pytest.raises(ArgumentError, match="prediction of image 'a'"):
        judge_image([[0, 1]], [[0, 3]], LABELS, image_id="a")


@pytest.mark.parametrize("labels", [{}, {"a": 0}, {"a": 1, "b": 1}])
def test_labels_must_be_distinct_and_not_the_background(labels):
    with pytest.raises(ArgumentError, match="a number of its own"):
        judge_image([[0, 1]], [[0, 1]], labels, image_id="a")


def test_wrong_shapes_and_names_are_refused():
    with pytest.raises(ShapeError, match=r"probability must have shape \(2, 1, 2\), got \(1, 2\)"):
        judge_image([[0, 1]], [[0, 1]], LABELS, image_id="a", probability=[[0.1, 0.9]])
    with pytest.raises(UnknownNameError, match="Did you mean 'dice'"):
        judge_image([[0, 1]], [[0, 1]], LABELS, image_id="a", wanted=["dise"])
    with pytest.raises(UnknownNameError, match="measure in the table"):
        evaluate_segmentation(table(), wanted=["iou_over_thresholds"])
    with pytest.raises(ShapeError, match="at least one row"):
        image_table([])


def test_negative_replicates_are_refused():
    with pytest.raises(ArgumentError, match="must not be negative"):
        evaluate_segmentation(table(), replicates=-1)


def test_on_real_volumes_a_shift_costs_a_voxel_and_erosion_costs_volume(data):
    from scipy.ndimage import binary_erosion

    from medgraft.read import read

    files = sorted((data / "vol-hippocampus" / "labels").iterdir())[:6]
    labels = {"anterior": 1, "posterior": 2}
    shifted, eroded = [], []
    for path in files:
        scan = read(path)
        truth = scan.array[0].astype(np.uint8)
        about = {"image_id": path.name, "patient_id": path.name, "spacing_mm": scan.spacing_mm}
        less = truth * np.logical_or.reduce([binary_erosion(truth == n) for n in labels.values()])
        shifted += judge_image(truth, np.roll(truth, 1, axis=0), labels, **about)
        eroded += judge_image(truth, less, labels, **about)
    one, other = (
        evaluate_segmentation(image_table(rows), replicates=50) for rows in (shifted, eroded)
    )
    for name in labels:
        moved, shrunk = one["classes"][name], other["classes"][name]
        assert 0.7 < moved["dice"]["value"] < 0.97
        assert moved["hd95"]["value"] == 1.0
        assert moved["surface_dice"]["value"] == 1.0
        assert moved["volume_difference"]["value"] == 0.0
        assert shrunk["volume_difference"]["value"] < 0
        assert 1 <= shrunk["hd95"]["value"] < 3


def test_on_real_cells_a_mask_judges_itself_as_perfect(data):
    from medgraft.read import read

    files = sorted((data / "seg-wbc" / "masks").iterdir())[:10]
    rows = []
    for path in files:
        truth = read(path).array[0]
        rows += judge_image(truth, truth, {"cytoplasm": 128, "nucleus": 255}, image_id=path.name)
    found = evaluate_segmentation(image_table(rows), replicates=10)
    assert {kind: entry["value"] for kind, entry in found["metrics"].items()} == {
        "dice": 1,
        "iou": 1,
        "hd95": 0,
        "surface_distance": 0,
        "surface_dice": 1,
        "volume_difference": 0,
    }
