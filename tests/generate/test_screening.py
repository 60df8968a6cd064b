"""Screening: which samples are kept, by what score, and what becomes of their labels."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medgraft.cli.__main__ import main
from medgraft.errors import ArgumentError, TableError
from medgraft.files import read_json
from medgraft.generate.discriminate import discriminate
from medgraft.generate.screening import KEPT, Scores, chosen, screen
from medgraft.index import Index
from medgraft.index.target import Target
from medgraft.train.train import train
from tests.train.conftest import quick


def scores(seed, n=20, classes=3):
    rng = np.random.default_rng(seed)
    shares = rng.dirichlet(np.ones(classes), size=n)
    return Scores(rng.random(n), shares, rng.integers(0, classes, n))


@given(st.integers(0, 10**6), st.floats(0.05, 1))
def test_the_same_share_of_each_class_is_kept_and_none_left_out_is_better(seed, keep):
    told = scores(seed)
    kept = chosen(told, keep)
    assert len(set(kept.tolist())) == len(kept)
    assert (np.diff(told.score[kept]) <= 0).all()
    for k in set(told.named.tolist()):
        own = np.flatnonzero(told.named == k)
        mine = [i for i in kept if told.named[i] == k]
        assert len(mine) == max(1, round(keep * len(own)))
        left = [i for i in own if i not in mine]
        if left:
            assert min(told.score[i] for i in mine) >= max(told.score[i] for i in left)


def test_a_score_is_the_product_of_both_probabilities():
    told = Scores(np.array([0.5, 1.0]), np.array([[0.2, 0.8], [0.3, 0.7]]), np.array([1, 0]))
    np.testing.assert_allclose(told.score, [0.4, 0.3])


@pytest.mark.parametrize("keep", [0, -0.5, 1.5])
def test_a_share_out_of_range_is_refused(keep):
    with pytest.raises(ArgumentError, match=r"keep must be in \(0, 1\]"):
        chosen(scores(0), keep)


# --- with networks ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def drawn(trained, tmp_path_factory):
    """Samples of a model that knows no class, and of one that does."""
    found = {}
    for conditional in (False, True):
        out = tmp_path_factory.mktemp("drawn") / "samples"
        run = str(trained("vae", conditional=conditional).path)
        assert main(["generate", "sample", run, "--count", "20", "--out", str(out)]) == 0
        found[conditional] = out / "samples.parquet"
    return found


@pytest.fixture(scope="module")
def judges(drawn, spots_index, tmp_path_factory):
    """Both phases: the first learns the spots as well, with other patients to test on."""
    out = tmp_path_factory.mktemp("judges")
    recipe = quick(after="layer1", samples=str(drawn[False]), labels_per_class=4, epochs=2)
    return discriminate(spots_index, out, recipe, first=spots_index, command=[]), recipe, out


def test_the_second_phase_begins_with_the_first_and_both_are_ordinary_runs(judges, spots_index):
    runs, recipe, out = judges
    assert [run.path.name for run in runs] == ["first", "discriminator"]
    first, second = (read_json(run.record) for run in runs)
    assert second["network"]["weights"] == str(runs[0].path)
    assert (
        second["network"]["loaded"].startswith("17 tensors")
        or "backbone" in (second["network"]["loaded"])
    )
    assert not any("generated" in note for note in first["notes"])
    assert any("generated" in note for note in second["notes"])
    assert main(["evaluate", str(runs[1].path), "--replicates", "10"]) == 0
    again = discriminate(spots_index, out, recipe, first=spots_index, command=[])
    assert [read_json(run.record) for run in again] == [first, second], "nothing is trained again"


def test_screening_keeps_an_index_that_can_be_learnt_from(judges, drawn, spots_index, tmp_path):
    run = judges[0][1]
    call = ["generate", "screen", str(run.path), str(drawn[False]), "--keep", "0.5"]
    assert main([*call, "--out", str(tmp_path / "kept"), "--device", "cpu"]) == 0
    found, kept = read_json(tmp_path / "kept/screening.json"), Index.load(tmp_path / "kept" / KEPT)
    assert found["kept"] == len(kept) == sum(one["kept"] for one in found["classes"].values())
    assert kept.labels == ("side",)
    frame = kept.frame
    assert frame["generated"].all()
    assert frame["score"].is_sorted(descending=True)
    np.testing.assert_allclose(frame["score"], frame["p_real"] * frame["p_class"])
    if found["left_means"]:
        assert found["kept_means"]["score"] > found["left_means"]["score"]
    page = (tmp_path / "kept/screening.html").read_text()
    assert page.count("data:image/png") == 2
    recipe = quick(
        after="layer1", samples=str(tmp_path / "kept" / KEPT), samples_as="labelled", epochs=1
    )
    train(spots_index, tmp_path / "run", recipe, command=[])


def test_samples_keep_the_class_that_they_were_drawn_for(judges, drawn, tmp_path):
    screen(judges[0][1], drawn[True], tmp_path / "kept", keep=1.0, device="cpu", command=[])
    before = Index.load(drawn[True]).frame.select("image_id", "side")
    after = Index.load(tmp_path / "kept" / KEPT).frame.select("image_id", side_after="side")
    both = before.join(after, on="image_id")
    assert len(both) == 20
    assert (both["side"] == both["side_after"]).all()


def test_what_cannot_be_screened_is_refused(judges, drawn, spots_index, tmp_path):
    first, second = judges[0]
    with pytest.raises(ArgumentError, match="learnt to tell real images from generated ones"):
        screen(first, drawn[False], tmp_path / "out", keep=0.5, device="cpu", command=[])
    with pytest.raises(TableError, match="samples must be generated images"):
        screen(second, spots_index, tmp_path / "out", keep=0.5, device="cpu", command=[])
    assert not (tmp_path / "out").exists()


def test_one_label_is_its_absence_and_its_presence():
    from medgraft.generate.screening import _drawn_for, labelled

    target = Target("independent", ("mass",), ("mass",))
    rows = {"image_id": ["a", "b", "c"], "path": ["a", "b", "c"], "mass": [1, 0, None]}
    index = Index(pl.DataFrame(rows), "/", labels=("mass",))
    assert _drawn_for(index, target).tolist() == [1, 0, -1]
    assert labelled(index, target, np.array([0, 1, 1])).frame["mass"].to_list() == [0, 1, 1]
