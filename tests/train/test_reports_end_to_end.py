"""From reports that hedge to the page of a study, through the command line."""

import json

import polars as pl
import pytest

from medgraft.cli.__main__ import main

LABELS = ("No Finding", "Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Pleural Effusion")
SMALL = ["--backbone", "mobilenetv3_small_100", "--after", "block1", "--size", "32", "--seed", "0"]
STUDY = """\
index = "films.parquet"
protocol = "chextransfer"
replicates = 50

[recipe]
backbone = "mobilenetv3_small_100"
after = "block1"
size = 32
channels = 1
epochs = 3
rate = 3e-3
validate_every = 32
replicates = 0
precision = "float32"
memory_format = "contiguous"

[axes]
policy = [
    {uncertain = ["ignore"], blank = "ignore"},
    {uncertain = ["ones"], blank = "zeros"},
    {uncertain = ["self_trained:DONOR"], blank = "zeros"},
    {uncertain = ["multi_class"], blank = "zeros"},
]
"""


def call(*arguments):
    assert main([str(one) for one in arguments]) == 0


@pytest.mark.slow
def test_policies_from_films_to_the_page_of_a_study(tmp_path):
    drawn, index, donor, out = (tmp_path / n for n in ("films", "films.parquet", "donor", "out"))
    sizes = ["--patients", 48, "--views", 2, "--side", 32, "--contrast", 1]
    call("phantoms", "--out", drawn, "--format", "chexpert", *sizes)
    call("index", drawn, "--label", ",".join(LABELS), "--out", index)
    call("split", index, "--test", 0.3, "--val", 0.2)
    call(
        "train", index, *SMALL, "--epochs", 1, "--replicates", 0, "--blank", "zeros", "--out", donor
    )
    (tmp_path / "study.toml").write_text(STUDY.replace("DONOR", str(donor)))
    call("study", tmp_path / "study.toml", "--out", out, "--workers", 1)

    found = json.loads((out / "study.json").read_text())
    assert found["labels"] == [n for n in found["labels"] if n in LABELS]
    assert len(found["labels"]) == 6
    used = [one["others"]["uncertain"][0].partition(":")[0] for one in found["groups"]]
    assert used == ["ignore", "ones", "self_trained", "multi_class"]
    assert len(found["changes"]) == 3
    tables = []
    for one in found["groups"]:
        run = out / one["runs"][0]["folder"]
        history = pl.read_csv(run / "history.csv")
        assert {2, 4, 6, 8} <= set(history["step"])  # 32 examples are two steps of 16
        members = json.loads((run / "weights.json").read_text())["members"]
        assert len(members) + 1 == len(history)  # fewer than the ten that may answer together
        rows = pl.read_parquet(run / "predictions.parquet").sort("path")
        tables.append(rows.select("path", "split", *(f"y_{name}" for name in LABELS)))
    assert all(table.equals(tables[0]) for table in tables)  # the policy touches no truth
    assert {-1, 0, 1, None} <= set(tables[0]["y_Atelectasis"])
