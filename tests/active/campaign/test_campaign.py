"""A campaign from its start to its second model, and what happens when it is interrupted."""

import shutil

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import cohen_kappa_score

from medgraft.active.campaign import propose as module
from medgraft.active.campaign import training
from medgraft.active.campaign.labelled import labelled
from medgraft.active.campaign.propose import propose
from medgraft.active.campaign.settings import Choosing, load_settings, opened
from medgraft.active.campaign.start import start
from medgraft.active.campaign.status import status
from medgraft.active.folder import CampaignFolder
from medgraft.errors import (
    ArgumentError,
    CheckRefusedError,
    OutputError,
    TableError,
    UnknownNameError,
)
from medgraft.files import read_json, sha256
from medgraft.index import Index
from medgraft.ledger import Campaign, Class
from tests.active.campaign.conftest import QUESTION, batch, parts
from tests.train.conftest import quick

COMMAND = ["medgraft", "active", "propose"]


def go(folder, **more):
    return propose(folder.path, command=COMMAND, **more)


# --- start -----------------------------------------------------------------------------------


def test_the_labels_of_the_index_are_not_in_the_campaign(begin, spots):
    folder = begin()
    index = Index.load(folder.index)
    assert index.labels == ("label",)
    assert index.frame["label"].null_count() == len(index)
    assert "side" not in index.frame.columns
    assert index.root == Index.load(spots).root


def test_starting_changes_nothing_of_the_data(begin, spots):
    def state():
        files = sorted(spots.parent.rglob("*.p*"))
        return {f: (sha256(f), f.stat().st_mtime_ns) for f in files if "campaign" not in str(f)}

    before = state()
    begin()
    assert state() == before


def test_an_index_without_a_split_is_split_by_patient(begin, spots):
    index = Index.load(spots)
    index.with_frame(index.frame.with_columns(split=pl.lit(None, dtype=pl.String))).save(spots)
    frame = Index.load(begin().index).frame
    assert set(frame["split"]) == {"train", "val", "test"}
    assert frame.group_by("patient_id").agg(pl.col("split").n_unique())["split"].max() == 1


def test_settings_come_back_as_they_were_written(begin):
    folder = begin(acquisition="margin", continual="ACFT(LQ)")
    settings = load_settings(folder.settings)
    assert (settings.acquisition, settings.continual) == ("margin", "ACFT(LQ)")
    assert settings.recipe == quick(epochs=1)


@pytest.mark.parametrize(
    ("choosing", "recipe", "error", "said"),
    [
        ({"acquisition": "aift2"}, {}, UnknownNameError, "Did you mean 'aift'"),
        ({"cold": "entropy"}, {}, ArgumentError, "cold must be a selection"),
        ({"cold": "typiclust"}, {}, ArgumentError, "features that know something"),
        ({"measure": 0}, {}, TableError, "--known if the index has them"),
        ({}, {"augment": ("mixup",)}, ArgumentError, "do not mix images"),
        ({}, {"labels_per_class": 3}, ArgumentError, "labels_per_class must be left out"),
        ({"continual": "ACFT(XQ)"}, {}, UnknownNameError, "no continual strategy"),
        ({"stop": ("platau",)}, {}, UnknownNameError, "Did you mean 'plateau'"),
        ({"continual": "ACFT(LQ)"}, {"strategy": "linear:layer2"}, ArgumentError, "fitted at once"),
        ({}, {"backbone": "resnet81"}, UnknownNameError, "resnet81"),
    ],
)
def test_what_cannot_be_is_refused_before_a_folder_is_made(
    begin, tmp_path, choosing, recipe, error, said
):
    with pytest.raises(error, match=said):
        begin(recipe=quick(**recipe), **choosing)
    assert not (tmp_path / "campaign").exists()


def test_a_folder_in_use_is_refused(begin, tmp_path):
    (tmp_path / "campaign").mkdir()
    (tmp_path / "campaign" / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match="new or empty folder"):
        begin()


@pytest.mark.parametrize(
    ("url", "said"),
    [("mysql://x/y", "postgresql://"), ("postgresql://me:secret@h/d", "must not hold a password")],
)
def test_a_place_for_the_ledger_that_cannot_be_is_refused(spots, tmp_path, url, said):
    with pytest.raises(ArgumentError, match=said):
        start(spots, tmp_path / "c", QUESTION, Choosing(), quick(), ledger=url)
    assert not (tmp_path / "c").exists()


def test_known_labels_must_be_classes_of_the_campaign(begin):
    other = Campaign("spots", (Class("left"), Class("up")))
    with pytest.raises(UnknownNameError, match="no class is called 'right'"):
        begin(question=other, known=True)


# --- propose ---------------------------------------------------------------------------------


def test_a_campaign_goes_from_no_label_to_a_model_that_asks(begin, answer, spots):
    folder, where = begin(), parts(spots)
    first = go(folder)
    assert (first.number, first.learn, first.measure, first.run) == (1, 6, 9, None)
    queued = set(batch(folder, 1))
    assert len(queued & where["train"]) == 6
    assert len(queued & where["test"]) == 6
    assert len(queued & where["val"]) == 3

    with pytest.raises(CheckRefusedError, match="15 of 15 images still wait"):
        go(folder)
    answer(folder)
    second = go(folder)
    assert (second.number, second.learn, second.measure) == (2, 6, 0)
    assert second.by.startswith("aift:")
    assert set(batch(folder, 2)) <= where["train"] - queued

    # the model was trained on what readers said, and on nothing else
    learnt = Index.load(folder.round(2).labelled)
    assert set(learnt.frame["image_id"]) == queued
    assert set(read_json(second.run.record)["data"]["splits"]) == {"train", "val", "test"}

    # and says why it asks
    proposal = read_json(folder.round(2).proposal)
    scores = [one["why"]["score"] for one in proposal["images"]]
    assert scores == sorted(scores, reverse=True)
    for one in proposal["images"]:
        assert sum(one["probabilities"].values()) == pytest.approx(1)
        assert sum(one["why"]["views_say"].values()) == 2
        assert [n["label"] in ("left", "right") for n in one["why"]["nearest_labelled"]] == [
            True
        ] * 3
        distances = [n["distance"] for n in one["why"]["nearest_labelled"]]
        assert distances == sorted(distances)
    with opened(folder.path) as campaign:
        campaign.ledger.admit("ben")
        leased = campaign.ledger.next("ben")
    assert folder.run(leased.model).path == second.run.path

    found = status(folder.path)
    assert found["progress"]["settled"] == 15
    assert found["seconds"] == {"anna": 2.0}
    (point,) = found["curve"]
    assert (point["round"], point["labels"], point["images"]) == (2, 6, 6)
    assert "6 images wait for readers" in found["next"]


def test_a_campaign_may_go_on_from_its_last_model_with_known_labels(begin, answer, spots):
    folder = begin(known=True, measure=0, continual="ACFT(LQ)", recipe=quick(epochs=1, rate=1e-3))
    index = Index.load(folder.index)
    assert index.frame["label"].null_count() == 0
    frame = index.frame.with_columns(  # only the test and val parts are known, and four others
        label=pl.when((pl.col("split") != "train") | (pl.int_range(pl.len()) < 24)).then("label")
    )
    rebuilt = begin_again(folder, index.with_frame(frame))
    first = go(rebuilt)
    assert first.run is not None  # there was enough to learn from
    assert read_recipe(first).rate == 1e-3
    answer(rebuilt)
    second = go(rebuilt)
    assert read_recipe(second).rate == pytest.approx(1e-4)
    assert read_recipe(second).continues == str(first.run.path)
    assert [one["labels"] for one in status(rebuilt.path)["curve"]] == [4, 10]


def begin_again(folder, index):
    """The campaign on another index, begun anew."""
    table = folder.path.parent / "known.parquet"
    index.save(table)
    settings = load_settings(folder.settings)
    choosing = Choosing(**settings.model_dump(exclude={"ledger", "recipe"}))
    return start(table, folder.path.parent / "again", QUESTION, choosing, settings.recipe)


def read_recipe(done):
    from medgraft.train.recipe import load_recipe

    return load_recipe(done.run.recipe)


def test_labels_of_one_class_train_no_model(begin, answer, spots):
    index = Index.load(spots)
    left = index.with_frame(
        index.frame.filter((pl.col("side") == "left") | (pl.col("split") != "train"))
    )
    left.save(spots)
    folder = begin()
    go(folder)
    answer(folder)
    second = go(folder)
    assert second.run is None
    assert "all of one class" in second.notes[0]


def test_an_empty_pool_says_so(begin, answer):
    folder = begin(batch=100)
    assert go(folder).learn == 28
    answer(folder)
    with pytest.raises(TableError, match="no image is left to propose: all 28"):
        go(folder)


def test_disputed_images_are_not_learnt_from(begin, answer):
    folder = begin(question=Campaign("spots", QUESTION.classes, readers_per_image=2))
    go(folder)
    disputed = batch(folder, 1)[:3]
    answer(folder, ("anna",))
    said = answer(folder, ("ben",), wrong=disputed)
    known = labelled(Index.load(folder.index), said)
    assert set(known.frame["image_id"]) == set(batch(folder, 1)) - set(disputed)
    found = status(folder.path)
    assert found["progress"]["disputed"] == 3
    assert "3 images wait for an adjudicator" in found["next"]
    (pair,) = found["agreement"]["pairs"]
    assert (pair["images"], pair["agreed"]) == (15, 12)


def test_byte_identical_images_are_asked_about_once_and_learnt_from_alike(begin, spots):
    index = Index.load(spots)
    frame = index.frame.with_columns(
        image_id=pl.when(pl.col("split") == "train").then(pl.lit("same")).otherwise("image_id"),
        patient_id=pl.when(pl.col("split") == "train").then(pl.lit("one")).otherwise("patient_id"),
    )
    index.with_frame(frame).save(spots)
    folder = begin(batch=5)
    assert go(folder).learn == 1
    said = pl.DataFrame({"image_id": ["same"], "status": ["agreed"], "label": ["left"]})
    assert len(labelled(Index.load(folder.index), said)) == 28


def test_acft_hq_learns_what_was_bought_and_what_was_wrong_before(begin, answer):
    folder = begin(continual="ACFT(HQ)", measure=12)
    go(folder)
    answer(folder)
    first = go(folder)
    bought = set(batch(folder, 2))
    answer(folder)
    second = go(folder)

    said = pl.read_parquet(first.run.predictions).filter(pl.col("split") == "train")
    wrong = {
        row["image_id"]
        for row in said.iter_rows(named=True)
        if (row["p_left"] >= row["p_right"]) != (row["y_left"] == 1)
    }
    used = Index.load(second.run.index).part("train").frame
    assert set(used["image_id"]) == bought | wrong
    assert 0 < len(wrong) < 6, "the data show nothing"
    assert read_recipe(second).continues == str(first.run.path)


def test_rft_draws_its_images_by_chance(begin, answer):
    folder = begin(continual="RFT(LQ)")
    go(folder)
    answer(folder)
    second = go(folder)
    assert second.by == "random"
    assert read_json(folder.round(2).proposal)["images"][0]["why"]["chosen_by"] == "random"


def test_status_says_when_to_stop(begin, answer):
    rules = ("budget:labels=12", "agreement:kappa=0.0001,rounds=1", "plateau")
    folder = begin(stop=rules, recipe=quick(epochs=4))
    go(folder)
    for _ in range(2):
        answer(folder)
        go(folder)
    first, second = (pl.read_parquet(folder.round(n).answers) for n in (2, 3))
    both = first.join(second, on="image_id", suffix="_2")
    assert both.height == second.height < first.height
    kappa = cohen_kappa_score(
        (both["p_left"] >= both["p_right"]).to_list(),
        (both["p_left_2"] >= both["p_right_2"]).to_list(),
    )
    found = {one["rule"].partition(":")[0]: one["why"] for one in status(folder.path)["stop"]}
    assert found["budget"] == "the budget of 12 labels is spent"
    assert found["agreement"] == f"models of 1 rounds agree with a kappa of {kappa:.3f}"
    assert "plateau" not in found


# --- interruptions ---------------------------------------------------------------------------


def test_an_interrupted_proposal_goes_on_where_it_was(begin, answer, monkeypatch):
    folder = begin()
    go(folder)
    answer(folder)
    whole = CampaignFolder(folder.path.parent / "whole")
    shutil.copytree(folder.path, whole.path)
    trained, real = [], training.train

    def train_and_stop(*given, **more):
        trained.append(real(*given, **more))
        raise KeyboardInterrupt

    def stop(*_, **__):
        raise KeyboardInterrupt

    for step in ("train", "look_with_run", "write_json", "_queued"):
        with monkeypatch.context() as patch:
            torn = (training, train_and_stop) if step == "train" else (module, stop)
            patch.setattr(torn[0], step, torn[1])
            with pytest.raises(KeyboardInterrupt):
                go(folder)
        assert batch(folder, 2) == []
    with monkeypatch.context() as patch:
        patch.setattr(training, "train", stop)  # it was trained already
        assert go(folder).number == 2
    assert len(trained) == 1
    go(whole)
    assert batch(folder, 2) == batch(whole, 2)
    with opened(folder.path) as campaign:
        assert list(campaign.ledger.batches()) == [1, 2]


def test_labels_that_arrive_during_an_interruption_wait_for_the_next_round(
    begin, answer, monkeypatch
):
    folder = begin()
    go(folder)
    answer(folder)
    with monkeypatch.context() as patch:
        patch.setattr(module, "look_with_run", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            go(folder)
    frozen = sha256(folder.round(2).labelled)
    with opened(folder.path) as campaign:
        campaign.ledger.answer("anna", batch(folder, 1)[0], "left")
        campaign.ledger.answer("anna", batch(folder, 1)[0], "right")
    go(folder)
    assert sha256(folder.round(2).labelled) == frozen


def test_two_proposals_at_once_are_refused(begin):
    import fcntl

    folder = begin()
    with folder.lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(OutputError, match="one process at a time"):
            go(folder)
    assert go(folder).number == 1


# --- wrong places ----------------------------------------------------------------------------


def test_a_folder_that_is_no_campaign_is_refused(tmp_path):
    with pytest.raises(TableError, match=r"holds campaign.yaml\), and is not"):
        propose(tmp_path, command=COMMAND)


def test_the_ledger_of_another_campaign_is_refused(begin):
    one, other = begin("one"), begin("other")
    shutil.copy(other.ledger, one.ledger)
    with pytest.raises(TableError, match="must be the one that it began with"):
        status(one.path)


def test_the_ledger_of_another_index_is_refused(begin):
    folder = begin()
    index = Index.load(folder.index)
    index.with_frame(index.frame.head(40)).save(folder.index)
    with pytest.raises(TableError, match="must be of this index"):
        status(folder.path)


def test_a_setting_that_does_not_exist_is_refused(begin):
    folder = begin()
    folder.settings.write_text(folder.settings.read_text() + "speed: fast\n")
    with pytest.raises(ArgumentError, match="no option is called 'speed'"):
        status(folder.path)


def test_views_are_of_the_candidate_and_reproducible(begin, answer, tmp_path):
    from medgraft.active.campaign.looking import look_with_run

    folder = begin()
    go(folder)
    answer(folder)
    run = go(folder).run
    index = Index.load(folder.index)
    ids = index.part("train").frame["image_id"].to_list()
    looks = [
        look_with_run(run, index, ids[:20], ids[20:], views=3, seed=seed).evidence.probabilities
        for seed in (1, 1, 2)
    ]
    assert looks[0].shape == (20, 3, 2)
    np.testing.assert_array_equal(looks[0], looks[1])
    np.testing.assert_array_equal(looks[0][:, 0], looks[2][:, 0])  # the image as it is
    assert (looks[0][:, 1] != looks[2][:, 1]).any()
    said = pl.read_parquet(run.predictions)
    mine = said.filter(pl.col("image_id").is_in(ids[:20])).sort("image_id")
    order = np.argsort(ids[:20])
    rows = [k for k in order if ids[k] in set(mine["image_id"])]
    np.testing.assert_allclose(mine["p_left"].to_numpy(), looks[0][rows, 0, 0], atol=1e-5)
