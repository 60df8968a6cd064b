"""The commands of a campaign: what they print, write and return."""

import io
import json
from contextlib import redirect_stdout

import polars as pl
import pytest

from medgraft.active.campaign.propose import propose
from medgraft.active.campaign.settings import opened
from medgraft.active.campaign.status import status
from medgraft.active.folder import CampaignFolder
from medgraft.cli.__main__ import main
from medgraft.index import Index
from medgraft.ledger import Campaign
from tests.active.campaign.conftest import QUESTION, batch, copied

QUICK = ["--size", "32", "--after", "layer1", "--epochs", "1", "--batch-size", "8"]


@pytest.fixture(scope="module")
def begun(archive, tmp_path_factory):
    """A campaign with its first batch and a reader, by commands alone."""
    out = tmp_path_factory.mktemp("commands") / "campaign"
    start = ["active", "start", str(archive), "--out", str(out), "--classes", "left,right"]
    with redirect_stdout(io.StringIO()) as printed:
        assert main([*start, "--batch", "4", "--measure", "5", *QUICK]) == 0
        assert main(["active", "admit", str(out), "anna"]) == 0
        assert main(["active", "propose", str(out)]) == 0
    said = printed.getvalue()
    assert "readers: anna" in said
    assert "batch 1: 4 images to learn from, chosen by random" in said
    assert "and 5 drawn by chance to measure on" in said
    return out


@pytest.fixture
def campaign(begun, tmp_path):
    """A copy of it."""
    return copied(CampaignFolder(begun), tmp_path / "campaign").path


def test_a_sheet_goes_out_and_comes_back(campaign, tmp_path, capsys):
    sheet = tmp_path / "anna.csv"
    assert main(["active", "export", str(campaign), "--sheet", "anna", "--out", str(sheet)]) == 0
    table = pl.read_csv(sheet, infer_schema=False)
    assert table["image_id"].to_list() == batch(CampaignFolder(campaign), 1)
    assert table["path"].str.starts_with("images/").all()
    assert "candidate" not in table.columns
    table.with_columns(label=pl.lit("left")).write_csv(sheet)
    assert main(["active", "import", str(campaign), str(sheet)]) == 0
    assert "9 readings added, 0 corrected, 0 were there" in capsys.readouterr().out

    table.with_columns(label=pl.lit("right")).head(2).write_csv(sheet)
    report = tmp_path / "conflicts.csv"
    again = ["active", "import", str(campaign), str(sheet)]
    assert main([*again, "--report", str(report)]) == 3
    caught = capsys.readouterr()
    assert "refused: 2 rows" in caught.err
    assert "the ledger has anna: left" in caught.out
    assert pl.read_csv(report)["line"].to_list() == [2, 3]
    assert main([*again, "--correct"]) == 0
    assert "2 corrected" in capsys.readouterr().out

    labels = tmp_path / "labelled.parquet"
    assert main(["active", "export", str(campaign), "--out", str(labels)]) == 0
    assert Index.load(labels).frame["label"].value_counts().sort("label").rows() == [
        ("left", 7), ("right", 2),
    ]  # fmt: skip


def test_a_sheet_keeps_the_images_of_a_group_together(spots, tmp_path, capsys):
    out, sheet = tmp_path / "grouped", tmp_path / "anna.csv"
    grouped = ["--batch", "3", "--measure", "3", "--candidate", "patient_id"]
    start = ["active", "start", str(spots), "--out", str(out), "--classes", "left,right"]
    assert main([*start, *grouped, *QUICK]) == 0
    assert main(["active", "admit", str(out), "anna"]) == 0
    assert main(["active", "propose", str(out)]) == 0
    assert main(["active", "export", str(out), "--sheet", "anna", "--out", str(sheet)]) == 0
    table = pl.read_csv(sheet, infer_schema=False)
    assert table["image_id"].to_list() == batch(CampaignFolder(out), 1)
    patients = dict(Index.load(spots).frame.select("image_id", "patient_id").iter_rows())
    names = table["candidate"].to_list()
    assert names == [patients[one] for one in table["image_id"]]
    assert names[::2] == names[1::2]
    assert len(set(names)) == 6
    table.with_columns(label=pl.lit("left")).write_csv(sheet)
    assert main(["active", "import", str(out), str(sheet)]) == 0
    assert "12 readings added" in capsys.readouterr().out


def test_status_says_where_it_stands_in_words_and_in_json(campaign, capsys):
    assert main(["active", "status", str(campaign)]) == 0
    said = capsys.readouterr().out
    assert "9 images queued: 9 open" in said
    assert "9 images wait for readers" in said
    assert main(["active", "status", str(campaign), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["progress"]["open"] == 9


def test_to_propose_before_readers_have_finished_is_refused(campaign, capsys):
    assert main(["active", "propose", str(campaign)]) == 3
    assert "9 of 9 images still wait" in capsys.readouterr().err
    assert main(["active", "propose", str(campaign), "--unfinished"]) == 0
    assert "batch 2" in capsys.readouterr().out


def test_classes_may_come_with_definitions(spots, tmp_path):
    from medgraft.active.campaign.settings import opened

    table = tmp_path / "classes.csv"
    table.write_text('name,definition,key\nleft,"Bright on the left, at most half.",l\nright,,\n')
    out = tmp_path / "defined"
    start = ["active", "start", str(spots), "--out", str(out), *QUICK]
    assert main([*start, "--definitions", str(table)]) == 0
    with opened(out) as campaign:
        left, right = campaign.ledger.campaign.classes
    assert (left.definition, left.key) == ("Bright on the left, at most half.", "l")
    assert (right.definition, right.key) == ("", "1")


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ([], "either --classes or --definitions, got neither"),
        (["--classes", "a,b", "--definitions", "x.csv"], "got both"),
        (["--definitions", "none.csv"], "must be a readable CSV file"),
        (["--classes", "only"], "at least 2 classes"),
        (["--classes", "a,b", "--acquisition", "entrpy"], "Did you mean 'entropy'"),
        (["--classes", "a,b", "--slices", "1"], "a campaign looks at whole images and volumes"),
        (["--classes", "a,b", "--batch", "0"], "batch: input should be greater than or equal to 1"),
    ],
)
def test_a_wrong_start_is_one_line_and_no_folder(spots, tmp_path, capsys, flags, said):
    out = tmp_path / "c"
    assert main(["active", "start", str(spots), "--out", str(out), *flags, *QUICK]) == 2
    caught = capsys.readouterr().err
    assert said in caught
    assert caught.count("\n") == 1
    assert not out.exists()


def test_an_export_that_is_neither_is_refused(campaign, tmp_path, capsys):
    assert main(["active", "export", str(campaign), "--out", str(tmp_path / "x.txt")]) == 2
    assert "must end in .csv or .parquet" in capsys.readouterr().err


def test_an_unknown_reader_gets_no_sheet(campaign, tmp_path, capsys):
    out = str(tmp_path / "x.csv")
    assert main(["active", "export", str(campaign), "--sheet", "eve", "--out", out]) == 2
    assert "'eve' must be admitted" in capsys.readouterr().err


@pytest.fixture
def disputed(begin, answer):
    """A campaign whose two readers differ about two of its images."""
    folder = begin(question=Campaign("spots", QUESTION.classes, readers_per_image=2))
    propose(folder.path, command=())
    answer(folder, ("anna",))
    answer(folder, ("ben",), wrong=batch(folder, 1)[:2])
    with opened(folder.path) as campaign:
        for name in ("chief", "deputy"):
            campaign.ledger.admit(name, "adjudicator")
    return folder


def test_disputes_are_listed_settled_and_taken_back(disputed, capsys):
    adjudicate = ["active", "adjudicate", str(disputed.path)]
    assert main([*adjudicate, "--json"]) == 0
    first, second = json.loads(capsys.readouterr().out)
    assert {*first["said"]} == {"anna", "ben"}
    assert first["path"].startswith("images/")
    assert main(adjudicate) == 0
    assert "2 images wait to be settled" in capsys.readouterr().out
    label = first["said"]["anna"]
    ruling = ["--by", "chief", "--image", first["image_id"][:12], "--label", label]
    assert main(adjudicate + ruling) == 0
    said = capsys.readouterr().out
    assert f"{first['image_id']}: adjudicated, {label}\n1 image waits" in said
    settled = ["--image", first["image_id"], "--label", label]
    assert main([*adjudicate, "--by", "deputy", *settled]) == 2
    assert "'chief' has settled" in capsys.readouterr().err
    assert main([*adjudicate, "--by", "deputy", *settled, "--overrule"]) == 0
    for name, left in (("deputy", "adjudicated"), ("chief", "disputed")):
        capsys.readouterr()
        assert main([*adjudicate, "--by", name, "--undo"]) == 0
        assert f"{first['image_id']}: {left}" in capsys.readouterr().out
    assert main([*adjudicate, "--by", "chief", "--undo"]) == 0
    assert capsys.readouterr().out.startswith("nothing to take back\n2 images wait")
    assert second["image_id"] != first["image_id"]


def test_a_ruling_that_makes_no_sense_is_refused_in_one_line(disputed, capsys):
    one = batch(disputed, 1)[0]
    for words, said in (
        (["--by", "anna", "--image", "x", "--label", "left"], "admitted to the campaign as adj"),
        (["--by", "anna", "--undo"], "admitted to the campaign as adjudicator"),
        (["--by", "chief", "--image", "x", "--label", "left"], "must be in the queue"),
        (["--by", "chief", "--image", "", "--label", "left"], "begins the ids of 2"),
        (["--by", "chief", "--image", one, "--label", "top"], "'top'"),
        (["--by", "chief", "--image", one, "--label", "left", "right"], "exactly one class"),
        (["--by", "chief", "--image", one, "--label"], "exactly one class"),
        (["--by", "chief", "--label", "left"], "go together"),
        (["--by", "chief", "--undo", "--image", "x"], "whatever it was about"),
        (["--image", "x", "--label", "left"], "--by must say"),
    ):
        assert main(["active", "adjudicate", str(disputed.path), *words]) == 2, words
        error = capsys.readouterr().err
        assert said in error
        assert len(error.strip().splitlines()) == 1
    assert status(disputed.path)["disputes"] == 2
