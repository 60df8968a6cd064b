"""A whole discovery on small archives: what it leaves, and what it refuses before it begins."""

import itertools
import json

import numpy as np
import polars as pl
import pytest
import torch

from medgraft.cli.__main__ import main
from medgraft.errors import ArgumentError, TableError, TrainingError
from medgraft.pretext.discovery import job
from medgraft.pretext.discovery.crops import Crops, pattern_batches
from medgraft.pretext.discovery.job import count, discover
from medgraft.pretext.discovery.settings import Settings
from medgraft.pretext.discovery.table import Patterns
from medgraft.train.batches import Placement
from tests.pretext.discovery.conftest import picture, write_archive

QUICK = {"size": 24, "crop": (8,), "side": 16, "epochs": 1, "batch_size": 4, "distance": 2.0}


def run(index, out, **changes):
    asked = {**QUICK, "patterns": 3, "neighbours": 4, **changes}
    return discover(index, out, Settings(**asked), command=["medgraft"])


@pytest.fixture
def found(pictures, tmp_path):
    return run(pictures, tmp_path / "out")


def test_classes_have_exactly_k_scans_and_every_scale(found):
    groups = found.frame.group_by("pattern").agg(
        pl.col("scan").n_unique().alias("scans"), pl.len().alias("crops")
    )
    assert len(groups) == 3
    assert groups["scans"].to_list() == [4] * 3
    assert groups["crops"].to_list() == [4 * 3] * 3


def test_crops_of_a_class_share_their_place_and_the_reference_comes_first(found):
    for place, (_, crops) in zip(
        found.record["places"],
        found.frame.filter(pl.col("scale") == 0).group_by("pattern", maintain_order=True),
        strict=True,
    ):
        assert crops["start"].to_list() == [list(place["start"])] * 4
        first = crops.row(0, named=True)
        assert (first["scan"], first["distance"], first["rank"]) == (place["reference"], 0.0, 0)
        assert crops["distance"].is_sorted()


def test_neighbours_are_those_of_a_sort_of_the_saved_descriptors(found, tmp_path):
    values = np.load(tmp_path / "out/descriptors.npy").astype(np.float64)
    for n, place in enumerate(found.record["places"]):
        distances = np.sqrt(((values - values[place["reference"]]) ** 2).sum(axis=1))
        wanted = np.argsort(distances, kind="stable")[:4]
        mine = found.frame.filter((pl.col("pattern") == n) & (pl.col("scale") == 0))
        assert mine["scan"].to_list() == wanted.tolist()
        np.testing.assert_allclose(mine["distance"], distances[wanted], rtol=1e-12)


def test_no_crop_leaves_a_scan_and_references_are_not_drawn_twice(found):
    for row in found.frame.iter_rows(named=True):
        for start, side, n in zip(row["start"], row["side"], (24, 24), strict=True):
            assert start >= 0
            assert start + side <= n
    references = [place["reference"] for place in found.record["places"]]
    assert len(set(references)) == len(references)
    starts = [place["start"] for place in found.record["places"]]
    for one, other in itertools.combinations(starts, 2):
        assert np.linalg.norm(np.subtract(one, other)) >= 2


def test_the_same_seed_finds_the_same_and_another_does_not(pictures, found, tmp_path):
    again = run(pictures, tmp_path / "again")
    assert again.frame.equals(found.frame)
    assert not run(pictures, tmp_path / "other", seed=1).frame.equals(found.frame)


def test_no_crop_shows_the_empty_ground_beside_a_scan(tmp_path):
    """Half of the scans lie on the left, half on the right: a place on one side is of one half."""
    pixels = [picture(n) for n in range(16)]
    for number, one in enumerate(pixels):
        one[:, slice(10, None) if number % 2 else slice(0, 14)] = 0
    found = run(write_archive(tmp_path, pixels), tmp_path / "out", patterns=4, neighbours=6)
    store, rows = found.open_store()
    for crop in found.frame.filter(pl.col("scale") == 0).iter_rows(named=True):
        box = tuple(slice(a, a + 8) for a in crop["start"])
        values = store.gather(rows[[crop["scan"]]])[0, 0][box] / store.scale
        assert (values >= 0.1).mean() >= 0.5
    assert {place["holding"] for place in found.record["places"]} == {8}
    with pytest.raises(TrainingError, match="in as many other scans as a pattern has neighbours"):
        run(tmp_path / "scans.parquet", tmp_path / "more", patterns=4, neighbours=9)


def test_what_was_saved_is_loaded_and_yields_batches_of_crops_and_classes(found, tmp_path):
    loaded = Patterns.load(tmp_path / "out")
    assert loaded.frame.equals(found.frame)
    batches = pattern_batches(
        loaded, size=9, seed=0, placement=Placement(torch.device("cpu")), memory_bytes=0
    )
    store, rows = loaded.open_store(memory_bytes=0)
    crops = Crops.of(loaded.frame, store, rows, loaded.crop)
    seen = []
    for batch in batches.epoch(0):
        assert batch.images.shape[1:] == (1, 8, 8)
        wanted = crops.gather(batch.places).astype(np.float32) / store.scale
        np.testing.assert_allclose(batch.images, wanted, atol=1e-6)
        classes = loaded.frame["pattern"].to_numpy()[batch.places]
        assert batch.targets[:, 0].long().tolist() == classes.tolist()
        seen += batch.places.tolist()
    assert sorted(seen) == list(range(len(loaded.frame)))


def test_crops_are_taken_from_prepared_scans_and_not_from_raw_files(tmp_path):
    """Values are those that the place was chosen by, whatever the range of the files."""
    wide = [picture(n).astype(np.uint16) * 200 for n in range(8)]
    volumes = [np.stack([one] * 20) for one in wide]
    index = write_archive(tmp_path, volumes)
    found = run(index, tmp_path / "out", size=16, patterns=2, neighbours=3)
    batches = pattern_batches(found, size=4, seed=0, placement=Placement(torch.device("cpu")))
    for batch in batches.epoch(0):
        assert batch.images.shape[1:] == (1, 8, 8, 8)
        assert batch.images.min() >= 0
        assert batch.images.max() <= 1
    store, rows = found.open_store()
    for place in found.record["places"]:
        box = tuple(slice(a, a + 8) for a in place["start"])
        whole = store.gather(rows[[place["reference"]]])[0, 0] / store.scale
        assert (whole[box] >= 0.1).mean() >= 0.4  # half, the edges counted half


def test_pictures_and_a_page_are_written(pictures, tmp_path, capsys):
    out = tmp_path / "out"
    flags = "--size 24 --crop 8 --side 16 --epochs 1 --batch-size 4 --patterns 2 --neighbours 3"
    assert main(["discover", str(pictures), "--out", str(out), *flags.split()]) == 0
    assert "2 patterns, 3 of 12 training scans each" in capsys.readouterr().out
    page = (out / "discovery.html").read_text()
    assert page.count("data:image/png") == 2
    assert "10,956,785" in page
    assert (out / "patterns.png").stat().st_size > 500
    assert json.loads((out / "discovery.json").read_text())["crop"] == [8, 8]


def test_validation_crops_come_from_validation_scans_and_test_scans_are_never_opened(tmp_path):
    splits = ["train"] * 8 + ["val"] * 4 + ["test"] * 2
    index = write_archive(tmp_path, [picture(n) for n in range(14)], splits)
    for name in ("12.png", "13.png"):
        (tmp_path / name).write_bytes(b"not opened")
    found = run(index, tmp_path / "out", held_out=2)
    parts = found.index.frame["split"]
    for split, per_class in (("train", 4), ("val", 2)):
        crops = found.part(split)
        assert set(parts[crops["scan"].to_list()]) == {split}
        assert len(crops) == 3 * per_class * 3
    assert "test" not in set(parts)


def test_constant_scans_and_copies_are_left_out_with_a_note(tmp_path):
    pixels = [picture(n) for n in range(8)] + [np.full((24, 24), 90, np.uint8), picture(0)]
    index = write_archive(tmp_path, pixels)
    found = run(index, tmp_path / "out")
    assert len(found.index) == 8
    notes = " ".join(found.record["notes"])
    assert "1 scans have one value throughout and were left out: 08.png" in notes
    assert "1 scans are copies" in notes


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"neighbours": 13}, "--neighbours must be at most the usable training scans"),
        ({"patterns": 13}, "--patterns must be at most the usable training scans"),
        ({"held_out": 1}, "--held-out must be at most the usable validation scans"),
        ({"crop": (8, 8, 8)}, "one for each of the 2 axes"),
        ({"backbone": "unet3d"}, "3 spatial axes"),
        ({"descriptors": "nowhere.safetensors"}, "--backbone must say"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_opened(
    pictures, tmp_path, monkeypatch, changes, words
):
    monkeypatch.setattr(job, "open_scans", lambda *_: pytest.fail("scans were opened"))
    with pytest.raises(ArgumentError, match=words):
        run(pictures, tmp_path / "out", **changes)
    assert not (tmp_path / "out").exists()


def test_constant_scans_can_leave_too_few(tmp_path):
    pixels = [picture(n) for n in range(5)] + [np.full((24, 24), n, np.uint8) for n in range(3)]
    index = write_archive(tmp_path, pixels)
    with pytest.raises(ArgumentError, match="there are 5 and 6 were asked for"):
        run(index, tmp_path / "out", neighbours=6)


def test_an_archive_without_tissue_ends_with_an_error_before_training(tmp_path, monkeypatch):
    monkeypatch.setattr(job, "describe", lambda *_: pytest.fail("training began"))
    index = write_archive(tmp_path, [picture(n) // 40 for n in range(6)])
    with pytest.raises(TrainingError, match="of 3 only 0 were found in all 6 scans"):
        run(index, tmp_path / "out")


def test_a_crop_larger_than_the_scans_is_refused(pictures, tmp_path):
    with pytest.raises(ArgumentError, match="crops must fit into the scans, which are 24 x 24"):
        run(pictures, tmp_path / "out", crop=(32,))


def test_a_damaged_table_is_refused(found, tmp_path):
    pl.DataFrame({"scan": [1]}).write_parquet(tmp_path / "out/crops.parquet")
    with pytest.raises(TableError, match="must have the columns pattern, scan"):
        Patterns.load(tmp_path / "out")


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ("--least 0.9 --most 0.2", "least must not exceed most"),
        ("--zoom 2 1", "zoom must be two rising shares"),
        ("--patterns 1", "patterns: input should be greater than or equal to 2"),
    ],
)
def test_wrong_flags_are_said_in_a_line(pictures, tmp_path, capsys, flags, words):
    assert main(["discover", str(pictures), "--out", str(tmp_path / "o"), *flags.split()]) == 2
    assert words in capsys.readouterr().err


def test_defaults_hold_for_any_number_of_scans():
    for scans in range(4, 400, 13):
        for dims in (2, 3):
            found = count(Settings(), scans, scans // 9, dims)
            assert found.patterns <= scans
            assert found.neighbours <= scans
            assert found.held_out <= scans // 9
