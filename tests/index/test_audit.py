"""An audit finds what was planted, and nothing in a clean index."""

import numpy as np
import polars as pl
import pytest
from PIL import Image

from medgraft.index import Index
from medgraft.index.audit import audit
from medgraft.index.build import build


def found(index, **options):
    """What is found but for the files, which these rows do not have: test_privacy.py is about them."""
    findings = audit(index, workers=0, **options).findings
    return {f.name: f for f in findings if f.name != "unread"}


@pytest.fixture
def clean(table):
    return table(
        patient_id=[f"p{k}" for k in range(12)],
        label=["a", "b"] * 6,
        split=["train"] * 6 + ["val"] * 2 + ["test"] * 4,
        low=[0.0] * 12,
        high=[9.0] * 12,
        shape=[[1, 8, 8]] * 12,
    )


def changed(index, row, **values):
    """The index with other values in one row."""
    place = pl.int_range(pl.len()) == row
    exprs = [
        pl.when(place).then(pl.lit(v, dtype=index.frame[k].dtype)).otherwise(pl.col(k)).alias(k)
        for k, v in values.items()
    ]
    return index.with_frame(index.frame.with_columns(exprs))


def test_nothing_is_found_in_a_clean_index(clean):
    assert found(clean) == {}


@pytest.mark.parametrize(
    ("values", "name", "level"),
    [
        ({"patient_id": "p0"}, "patient_leak", "refuse"),
        ({"image_id": "i0000"}, "image_leak", "refuse"),
        ({"patient_id": None}, "patient_missing", "warn"),
        ({"low": float("nan")}, "nan", "warn"),
        ({"high": float("inf")}, "infinite", "warn"),
        ({"high": 0.0}, "constant", "note"),
        ({"shape": [1, 50, 1]}, None, None),
        ({"shape": [1, 8, 1]}, "size_outlier", "note"),
        ({"shape": [1, 8, 8, 8]}, "mixed_dimensions", "warn"),
    ],
)
def test_what_is_planted_in_one_row_is_found(clean, values, name, level):
    findings = found(changed(clean, 11, **values))
    assert list(findings) == ([name] if name else []) or "identical" in findings
    if name:
        assert (findings[name].level, findings[name].count > 0) == (level, True)


def test_a_group_across_parts_is_refused(clean):
    groups = changed(changed(clean, 0, group="G"), 11, group="G")
    assert found(groups)["group_leak"].examples == (
        {"id": "G", "parts": ["test", "train"], "paths": ["0000.png", "0011.png"]},
    )


def test_the_same_bytes_with_different_labels_are_a_conflict(clean):
    same = changed(clean, 1, image_id="i0000")
    findings = found(same)
    assert findings["label_conflict"].examples == (["0000.png", "0001.png"],)
    assert (findings["identical"].count, findings["label_conflict"].level) == (1, "warn")


def test_one_class_in_a_part_is_refused(clean):
    one = clean
    for row in (6, 7):
        one = changed(one, row, label="a")
    findings = found(one)
    assert findings["one_class"].examples == ("val",)
    assert list(findings) == ["one_class"]


def test_a_missing_class_is_a_warning(clean):
    findings = found(changed(clean, 0, label="c"))
    assert findings["class_missing"].examples == (
        {"part": "val", "class": "c"},
        {"part": "test", "class": "c"},
    )


def test_unknown_patients_and_a_missing_split_are_said(table):
    index = Index(table(label=["a", "b"]).frame, ".", ("label",), patients_known=False)
    assert set(found(index)) == {"patients_unknown", "no_split"}


@pytest.fixture
def films(tmp_path):
    """Three smooth pictures, one of them stored twice: well and badly compressed."""
    rng = np.random.default_rng(0)
    for number in range(3):
        small = Image.fromarray(rng.integers(0, 256, (6, 6), dtype=np.uint8))
        large = small.resize((96, 96), Image.Resampling.BICUBIC)
        folder = tmp_path / "ab"[number % 2]
        folder.mkdir(exist_ok=True)
        large.save(folder / f"{number}.png")
        if number == 0:
            large.save(folder / "copy.jpg", quality=30)
    return build(tmp_path, workers=0).index


def test_a_recompressed_copy_in_another_part_is_found_and_strictly_refused(films):
    part = pl.when(pl.col("path") == "a/copy.jpg").then(pl.lit("test")).otherwise(pl.lit("train"))
    index = films.with_frame(films.frame.with_columns(part.alias("split")))
    for confirm in (True, False):
        result = audit(index, workers=0, confirm=confirm)
        (near,) = (f for f in result.findings if f.name == "near_identical_across_splits")
        assert sorted(near.examples[0]["paths"]) == ["a/0.png", "a/copy.jpg"]
        assert (near.level, near.count) == ("warn", 1)
    assert near not in result.refusals()
    assert near in result.refusals(strict=True)


def test_near_hashes_of_different_pictures_are_told_apart_by_their_pixels(films):
    alike = films.with_frame(films.frame.with_columns(pl.lit(1, dtype=pl.UInt64).alias("phash")))
    assert found(alike, confirm=False)["near_identical"].count == 6
    assert found(alike)["near_identical"].count == 1


def test_what_an_audit_found_can_be_written_as_json(clean, tmp_path):
    from medgraft.files import read_json, write_json

    result = audit(changed(clean, 11, patient_id="p0", low=float("nan")), workers=0)
    write_json(tmp_path / "audit.json", result.as_dict())
    again = read_json(tmp_path / "audit.json")
    assert [f["name"] for f in again["findings"]] == [f.name for f in result.findings]
    assert again["splits"]["test"]["images"] == 4
