"""A campaign from its start to its second model, and what happens when it is interrupted."""

import shutil
from collections import Counter
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import cohen_kappa_score

from medgraft.active.acquisition.clasp_pe import ClaspPe
from medgraft.active.campaign import looking, training
from medgraft.active.campaign import propose as module
from medgraft.active.campaign.labelled import labelled
from medgraft.active.campaign.looking import Pool, said_by
from medgraft.active.campaign.propose import propose
from medgraft.active.campaign.settings import Choosing, load_settings, opened
from medgraft.active.campaign.start import start
from medgraft.active.campaign.status import status
from medgraft.active.elsewhere import passing_by
from medgraft.active.trunk import Passing
from medgraft.errors import (
    ArgumentError,
    OutputError,
    TableError,
    UnknownNameError,
)
from medgraft.files import read_json, sha256
from medgraft.index import Index
from medgraft.ledger import Campaign, Class
from tests.active.campaign.conftest import (
    COMMAND,
    QUESTION,
    SMALL,
    batch,
    changed,
    copied,
    copying,
    go,
    parts,
)
from tests.active.test_elsewhere import Here
from tests.train.conftest import quick

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
        files = [spots, *sorted(Index.load(spots).root.rglob("*.p*"))]
        return {f: (sha256(f), f.stat().st_mtime_ns) for f in files}

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
    assert settings.recipe == quick(**SMALL)


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
        ({"acquisition": "clasp_pe"}, {}, ArgumentError, "how many labels there will be"),
        ({"candidate": "studdy"}, {}, UnknownNameError, "no column of the index"),
        ({"candidate": "side"}, {}, UnknownNameError, "no column of the index"),
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


def test_a_campaign_goes_from_no_label_to_a_model_that_asks(told, archive, tmp_path):
    folder, where = copied(told.folder, tmp_path / "campaign"), parts(archive)
    first = told.first
    assert (first.number, first.learn, first.measure, first.run) == (1, 6, 9, None)
    queued = set(batch(folder, 1))
    assert len(queued & where["train"]) == 6
    assert len(queued & where["test"]) == 6
    assert len(queued & where["val"]) == 3

    assert "15 of 15 images still wait" in told.refused
    second = told.second
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
        near = one["why"]["nearest_labelled"]
        assert [n["label"] in ("left", "right") for n in near] == [True] * 3
        distances = [n["distance"] for n in near]
        assert distances == sorted(distances)
    with opened(folder.path) as campaign:
        campaign.ledger.admit("ben")
        leased = campaign.ledger.next("ben")
    assert folder.run(leased.model).path == folder.round(2).run.path

    found = status(folder.path)
    assert found["progress"]["settled"] == 15
    assert found["seconds"] == {"anna": 2.0}
    (point,) = found["curve"]
    assert (point["round"], point["labels"], point["images"]) == (2, 6, 6)
    assert "6 images wait for readers" in found["next"]
    assert not folder.kept.exists()  # of a network that learns nothing is kept


def test_a_campaign_may_go_on_from_its_last_model_with_known_labels(
    begin, answer, told, monkeypatch
):
    folder = begin(known=True, measure=0, continual="ACFT(LQ)", recipe=quick(**SMALL, rate=1e-3))
    index = Index.load(folder.index)
    assert index.frame["label"].null_count() == 0
    frame = index.frame.with_columns(  # only the test and val parts are known, and four others
        label=pl.when((pl.col("split") != "train") | (pl.int_range(pl.len()) < 24)).then("label")
    )
    rebuilt = begin_again(folder, index.with_frame(frame))
    with monkeypatch.context() as patch:
        patch.setattr(training, "train", copying(told.second.run, asked := []))
        first = go(rebuilt)
    assert first.run is not None  # there was enough to learn from
    assert asked[0].rate == 1e-3
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


def test_acft_hq_learns_what_was_bought_and_all_that_the_model_before_had_wrong(
    told, answer, trained, tmp_path, monkeypatch
):
    folder = changed(copied(told.folder, tmp_path / "campaign"), continual="ACFT(HQ)")
    had_wrong = one_of_each_class(monkeypatch)
    for number in (2, 3):
        answer(folder)
        bought = set(batch(folder, number))
        go(folder)
        old = Index.load(folder.round(number).labelled).part("train").frame
        asked, wrong = had_wrong.pop()
        assert asked == set(old["image_id"])  # also what the last training left out
        used = Index.load(folder.round(number + 1).learnt).part("train").frame
        assert set(used["image_id"]) == bought | wrong
        assert trained[-1].continues == str(folder.round(number).run.path)


def one_of_each_class(monkeypatch):
    """Let models have wrong an image of each class; gives what was asked of them, and these."""
    found = []

    def said(run, index, ids):
        frame = index.part("train").frame.filter(pl.col("image_id").is_in(ids))
        wrong = set(frame.unique("label", keep="first", maintain_order=True)["image_id"])
        found.append((set(ids), wrong))
        left = (frame["label"] == "left") ^ frame["image_id"].is_in(wrong)
        p = left.cast(pl.Float64) * 0.8 + 0.1
        return frame.select("image_id").with_columns(p_left=p, p_right=1 - p)

    monkeypatch.setattr(training, "said_by", said)
    return found


def test_rft_draws_its_images_by_chance(asked, trained):
    second = go(changed(asked, continual="RFT(LQ)"))
    assert len(trained) == 1
    assert second.by == "random"
    assert read_json(asked.round(2).proposal)["images"][0]["why"]["chosen_by"] == "random"


def test_status_says_when_to_stop(told, answer, trained, archive, tmp_path):
    folder = copied(told.folder, tmp_path / "campaign")
    answer(folder)
    go(folder)
    rules = ("budget:labels=12", "agreement:kappa=1e-9,rounds=1", "plateau")
    changed(folder, stop=rules)
    sides = dict(Index.load(archive).frame.select("image_id", "side").iter_rows())
    left = pl.read_parquet(folder.round(3).answers)["image_id"].to_list()
    common = Counter(sides[one] for one in left).most_common()[0][0]
    other = next(one for one in left if sides[one] == common)
    first, second = (
        said_otherwise(folder.round(number).answers, sides, wrong)
        for number, wrong in ((2, None), (3, other))
    )
    both = first.join(second, on="image_id", suffix="_2")
    assert both.height == second.height < first.height
    kappa = cohen_kappa_score(
        (both["p_left"] >= both["p_right"]).to_list(),
        (both["p_left_2"] >= both["p_right_2"]).to_list(),
    )
    assert 0 < kappa < 1
    found = {one["rule"].partition(":")[0]: one["why"] for one in status(folder.path)["stop"]}
    assert found["budget"] == "the budget of 12 labels is spent"
    assert found["agreement"] == f"models of 1 rounds agree with a kappa of {kappa:.3f}"
    assert "plateau" not in found


def said_otherwise(path, sides, wrong):
    """Write answers that do not depend on how well a short training went: right but for one."""
    rows = pl.read_parquet(path)
    p = np.array([0.9 if (sides[n] == "left") != (n == wrong) else 0.1 for n in rows["image_id"]])
    rows.with_columns(p_left=p, p_right=1 - p).write_parquet(path)
    return pl.read_parquet(path)


def test_an_acquisition_with_a_schedule_is_told_how_much_of_the_budget_is_spent(
    asked, trained, monkeypatch
):
    told, real = [], ClaspPe.select

    def watched(self, evidence, *more):
        told.append(evidence.progress)
        return real(self, evidence, *more)

    monkeypatch.setattr(ClaspPe, "select", watched)
    changed(asked, acquisition="clasp_pe", stop=("plateau", "budget:labels=30"))
    assert go(asked).by.startswith("clasp_pe:")
    assert told == [6 / 24]  # six are known; the last batch is chosen when 24 are


# --- stages that never learn -------------------------------------------------------------------


@pytest.fixture
def frozen(told, begin):
    """A campaign in which a head is fitted to stages of a network that was trained before."""
    weights = {"weights": str(told.second.run.path), "strategy": "linear:c=0.01,views=1"}
    return begin(recipe=quick(**SMALL, **weights))


@pytest.fixture
def passed(monkeypatch):
    """How many images passed the stages to be looked at, by view."""
    found, real = Counter(), Passing.maps

    def watched(self, places, view=None):
        found[view] += len(places)
        return real(self, places, view)

    monkeypatch.setattr(Passing, "maps", watched)
    return found


def test_all_images_pass_stages_that_never_learn_once_for_a_whole_campaign(
    frozen, answer, passed, monkeypatch, tmp_path
):
    first = go(frozen)
    assert first.by.startswith("typiclust")
    assert passed == {None: 28, 0: 28}
    answer(frozen)
    passed.clear()
    run = go(frozen).run
    assert passed == {}

    index = Index.load(frozen.index)
    ids = index.part("train").frame["image_id"].to_list()
    pool = Pool(
        index, ids[5:], ids[:5], None, 2, seed=0, kept=frozen.kept, scratch=tmp_path / "looks"
    )
    kept = looking.look_with_run(run, pool).evidence
    assert passed == {}
    monkeypatch.setattr(looking, "never_learns", lambda *_: False)
    live = looking.look_with_run(run, pool).evidence
    assert passed == {None: 23 + 5, 0: 23}
    np.testing.assert_allclose(kept.probabilities, live.probabilities, atol=5e-3)
    np.testing.assert_allclose(kept.features, live.features, rtol=2e-3, atol=1e-3)
    np.testing.assert_allclose(kept.labelled, live.labelled, rtol=2e-3, atol=1e-3)


def test_what_was_kept_before_an_interruption_is_not_computed_again(frozen, passed, monkeypatch):
    watched = Passing.maps

    def torn(self, places, view=None):
        if view is not None:
            raise KeyboardInterrupt
        return watched(self, places, view)

    with monkeypatch.context() as patch:
        patch.setattr(Passing, "maps", torn)
        with pytest.raises(KeyboardInterrupt):
            go(frozen)
    passed.clear()
    assert go(frozen).number == 1
    assert passed == {0: 28}


def test_maps_of_images_that_can_no_longer_be_read_are_not_mistaken_for_others(
    frozen, answer, passed, monkeypatch
):
    go(frozen)
    answer(frozen)
    (before,) = frozen.kept.iterdir()
    passed.clear()
    real = looking.Store.open

    def without_one(index, *more, **others):
        store = real(index, *more, **others)
        return replace(store, rows=np.where(np.arange(len(store.rows)) == 3, -1, store.rows))

    monkeypatch.setattr(looking.Store, "open", without_one)
    go(frozen)
    assert passed == {None: 27, 0: 27}
    (after,) = frozen.kept.iterdir()
    assert after.name != before.name


# --- candidates of several images ----------------------------------------------------------------


def test_images_of_a_group_are_chosen_queued_and_labelled_together(begin, answer, trained, told):
    folder = begin(candidate="patient_id", batch=3, measure=3)
    patient = dict(Index.load(folder.index).frame.select("image_id", "patient_id").iter_rows())
    first = go(folder)
    assert (first.learn, first.measure) == (6, 6)
    assert in_pairs([patient[one] for one in batch(folder, 1)])
    answer(folder)
    second = go(folder)
    queued = batch(folder, 2)
    assert (second.learn, len(queued)) == (6, 6)
    assert in_pairs([patient[one] for one in queued])
    assert status(folder.path)["curve"][0]["labels"] == 3

    images = read_json(folder.round(2).proposal)["images"]
    said = said_by(second.run, Index.load(folder.index), queued)
    own = dict(said.select("image_id", "p_left").iter_rows())
    for one, other in zip(images[::2], images[1::2], strict=True):
        assert one["why"]["score"] == other["why"]["score"]
        assert one["why"]["rank"].endswith("among 11 groups of images")
        assert sum(one["why"]["views_say"].values()) == 4
        assert one["why"]["image"] == "1 of 2 that are labelled together"
        assert other["why"]["image"] == "2 of 2 that are labelled together"
    for one in images:
        assert one["probabilities"]["left"] == pytest.approx(own[one["image_id"]], abs=1e-6)


def in_pairs(names):
    return names[::2] == names[1::2] and len(set(names)) == len(names) // 2


def test_a_group_of_which_one_image_was_wrong_is_learnt_from_as_a_whole(
    told, answer, trained, tmp_path, monkeypatch
):
    folder = copied(told.folder, tmp_path / "campaign")
    changed(folder, continual="ACFT(HQ)", candidate="patient_id")
    had_wrong = one_of_each_class(monkeypatch)
    answer(folder)
    go(folder)
    old = Index.load(folder.round(2).labelled).part("train").frame
    patient = dict(old.select("image_id", "patient_id").iter_rows())
    ((_, wrong),) = had_wrong
    whole = {one for one in patient if patient[one] in {patient[other] for other in wrong}}
    used = Index.load(folder.round(3).learnt).part("train").frame
    assert set(used["image_id"]) == set(batch(folder, 2)) | whole


# --- interruptions ---------------------------------------------------------------------------


def test_an_interrupted_proposal_goes_on_where_it_was_with_the_labels_it_began_with(
    asked, told, trained, monkeypatch
):
    copy = training.train

    def train_and_stop(*given, **more):
        copy(*given, **more)
        raise KeyboardInterrupt

    def stop(*_, **__):
        raise KeyboardInterrupt

    for step in ("train", "look_with_run", "write_json", "_queued"):
        with monkeypatch.context() as patch:
            torn = (training, train_and_stop) if step == "train" else (module, stop)
            patch.setattr(torn[0], step, torn[1])
            with pytest.raises(KeyboardInterrupt):
                go(asked)
        assert batch(asked, 2) == []
    frozen = sha256(asked.round(2).labelled)
    with opened(asked.path) as campaign:  # a reader corrects himself meanwhile
        for label in ("left", "right"):
            campaign.ledger.answer("anna", batch(asked, 1)[0], label)
    assert go(asked).number == 2
    assert len(trained) == 1
    assert batch(asked, 2) == batch(told.folder, 2)
    assert sha256(asked.round(2).labelled) == frozen
    with opened(asked.path) as campaign:
        assert list(campaign.ledger.batches()) == [1, 2]


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


def test_views_are_of_the_candidate_and_reproducible(told, tmp_path):
    run, index = told.second.run, Index.load(told.folder.index)
    ids = index.part("train").frame["image_id"].to_list()

    def look(waiting, seed):
        pool = Pool(
            index, waiting, ids[20:], None, 3, seed=seed, kept=tmp_path, scratch=tmp_path / "looks"
        )
        return looking.look_with_run(run, pool).evidence.probabilities

    one, other = look(ids[:20], 1), look(ids[:20], 2)
    assert one.shape == (20, 3, 2)
    np.testing.assert_allclose(look(ids[5:15], 1), one[5:15], atol=1e-6)  # in any pool
    np.testing.assert_array_equal(one[:, 0], other[:, 0])  # the image as it is
    assert (one[:, 1] != other[:, 1]).any()
    said = pl.read_parquet(run.predictions)
    mine = said.filter(pl.col("image_id").is_in(ids[:20])).sort("image_id")
    assert mine.height
    order = np.argsort(ids[:20])
    rows = [k for k in order if ids[k] in set(mine["image_id"])]
    np.testing.assert_allclose(mine["p_left"].to_numpy(), one[rows, 0, 0], atol=1e-5)


def test_a_batch_is_the_same_where_the_images_of_the_pool_pass_elsewhere(
    asked, trained, told, tmp_path
):
    here = Here()
    with passing_by(here, tmp_path / "nodes") as nodes:
        again = go(asked, elsewhere=nodes)
    assert here.sent
    near, far = (read_json(one.round(2).proposal)["images"] for one in (told.folder, asked))
    assert [one["image_id"] for one in far] == [one["image_id"] for one in near]
    assert far == near
    assert again.learn == told.second.learn
