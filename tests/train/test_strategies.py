"""What every strategy promises, and each against its description."""

import json

import numpy as np
import polars as pl
import pytest
import torch
from safetensors.torch import load_file
from sklearn.calibration import CalibratedClassifierCV
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import PredefinedSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from medgraft.errors import ArgumentError, TrainingError, UnknownNameError
from medgraft.index import Index
from medgraft.index.units import units
from medgraft.nets import create, outline
from medgraft.nets.heads import HEADS
from medgraft.read import read
from medgraft.report import write_report
from medgraft.spec import build, write
from medgraft.train.folds import patient_folds
from medgraft.train.lr_find import range_test
from medgraft.train.predict import load_predictor, predict_files
from medgraft.train.schedules import schedules
from medgraft.train.setup import plan
from medgraft.train.strategies import Body, find_strategy, strategies
from medgraft.train.supervised import stage_groups
from medgraft.train.train import train
from tests.train.conftest import make_spots, quick

RESNET = Body(("stem", "layer1", "layer2", "layer3", "layer4"), (4, 4, 8, 16, 32))
SPECS = [  # a part whose first option has no default is given a stage
    f"{name}:layer3"
    if any(f.is_required() for f in strategies.get(name).model_fields.values())
    else name
    for name in strategies.names()
]


@pytest.mark.parametrize("text", SPECS)
class TestEveryStrategy:
    def test_its_phases_name_stages_and_spend_epochs(self, text):
        found = find_strategy(text, weights="none")
        phases = found.plan(RESNET, epochs=12, rate=0.01)
        assert phases
        for phase in phases:
            if phase.solver is None:
                assert phase.epochs >= 1
                assert phase.rate > 0
            else:  # fitted: nothing is stepped, nothing before the head moves
                assert (phase.epochs, phase.rate, len(phases)) == (0, 0, 1)
                assert phase.freeze_through == (found.last_stage or RESNET.last)
            if phase.schedule is not None:
                assert build(schedules, phase.schedule)
            assert phase.freeze_through in {None, *RESNET.stages}
            assert {name for name, _ in phase.scales} <= {*RESNET.stages, "head"}
            assert all(0 < factor <= 1 for _, factor in phase.scales)

    def test_later_phases_freeze_less(self, text):
        phases = find_strategy(text, weights="none").plan(RESNET, epochs=12, rate=0.01)
        order = (None, *RESNET.stages)
        frozen = [order.index(phase.freeze_through) for phase in phases]
        assert frozen == sorted(frozen, reverse=True)

    def test_its_spec_comes_back(self, text):
        found = find_strategy(text, weights="none")
        assert build(strategies, write(text.partition(":")[0], found)) == found

    def test_its_head_exists(self, text):
        assert find_strategy(text, weights="none").head in HEADS

    def test_a_run_of_it_ends_with_predictions(self, text, archive, tmp_path):
        recipe = quick(strategy=text, epochs=6, after="layer3", weights="none")
        folder = train(archive, tmp_path / "run", recipe, command=[])
        history = pl.read_csv(folder.history)
        planned = plan(recipe, outline("resnet18", after="layer3"))
        if planned[0].solver is not None:
            assert history["c"].is_sorted()
            assert history["loss_cv"].is_finite().all()
        else:
            epochs = sum(p.epochs for p in planned)
            assert history["epoch"].to_list() == list(range(1, epochs + 1))
            assert history["step"].is_sorted()
        record = json.loads(folder.record.read_text())["network"]
        assert record["strategy"].startswith(text.partition(":")[0])
        assert [p["name"] for p in record["phases"]] == [p.name for p in planned]
        assert folder.evaluation.is_file()
        assert not folder.checkpoint.exists()


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    return make_spots(tmp_path_factory.mktemp("strategies"))


def test_published_counts_of_what_learns():
    """Inception V4 of two classes: 3,074 for the head, 4,556,162 from the last inception block."""
    network = create("inception_v4", in_channels=3, classes=2).network
    for text, expected in (("head", 3_074), ("from:inception_c3", 4_556_162)):
        (phase,) = plan(quick(backbone="inception_v4", strategy=text), network.backbone)
        network.freeze_through(phase.freeze_through, norms=phase.norms)
        assert sum(p.numel() for p in network.parameters() if p.requires_grad) == expected


def test_two_phase_has_the_rates_and_the_head_of_the_study():
    first, second = find_strategy("two-phase", weights="none").plan(RESNET, epochs=30, rate=1)
    rates = {name: first.rate * factor for name, factor in first.scales}
    assert (first.freeze_through, first.norms, first.epochs) == ("layer4", "moving", 30)
    assert first.rate == 1e-2
    assert list(rates.values()) == pytest.approx([1e-3] * 5)
    rates = {name: second.rate * factor for name, factor in second.scales}
    assert rates["layer2"] == rates["stem"] == pytest.approx(1e-5)
    assert rates["layer3"] == rates["layer4"] == pytest.approx(3.1623e-5, rel=1e-4)
    assert rates["head"] == pytest.approx(1e-4)
    assert RESNET.groups == (("stem", "layer1", "layer2"), ("layer3", "layer4"), ("head",))
    made = create("resnet50", in_channels=3, classes=2, head="concat").network
    assert sum(p.numel() for p in made.head.parameters()) == 2_107_906
    assert sum(p.numel() for p in made.backbone.parameters()) == 23_508_032


def test_the_head_takes_the_maximum_first():
    head = HEADS["concat"](2, 2)
    maps = torch.tensor([[[[1.0, 5.0], [0.0, 2.0]], [[4.0, 4.0], [0.0, 0.0]]]])
    assert head.pool(maps).tolist() == [[5.0, 4.0, 2.0, 2.0]]


def test_moving_norms_learn_and_follow_while_their_stages_are_frozen():
    network = create("resnet18", in_channels=1, classes=2).network
    network.freeze_through("layer4", norms="moving")
    before = {k: v.clone() for k, v in network.backbone.stages.state_dict().items()}
    learning = {k for k, p in network.backbone.stages.named_parameters() if p.requires_grad}
    optimiser = torch.optim.SGD([p for p in network.parameters() if p.requires_grad], lr=0.1)
    network.train()
    network(torch.rand(4, 1, 32, 32)).square().sum().backward()
    optimiser.step()
    after = network.backbone.stages.state_dict()
    changed = {k for k in before if not torch.equal(before[k], after[k])}
    assert {k.rpartition(".")[2] for k in learning} == {"weight", "bias"}
    assert all(".bn" in k or "downsample.1" in k for k in changed)
    assert any("running_mean" in k for k in changed)
    network.freeze_through("layer4")
    assert not any(
        m.training
        for m in network.backbone.modules()
        if m is not network.backbone and not isinstance(m, torch.nn.ModuleDict)
    )


def test_fine_tune_has_the_rates_and_the_schedules_of_fastai_2():
    first, second = find_strategy("fine-tune", weights="none").plan(RESNET, epochs=5, rate=1)
    assert (first.epochs, first.freeze_through, first.rate) == (1, "layer4", 2e-3)
    assert [first.rate * factor for _, factor in first.scales] == pytest.approx([2e-4] * 5)
    rates = {name: second.rate * factor for name, factor in second.scales}
    assert (second.epochs, second.freeze_through) == (5, None)
    assert [rates[name] for name in ("stem", "layer3", "head")] == pytest.approx([1e-5, 1e-4, 1e-3])
    rise, fall = (build(schedules, phase.schedule) for phase in (first, second))
    assert rise(99, 100).rate == pytest.approx(1)
    assert [fall(step, 100).rate for step in (0, 30, 100)] == pytest.approx([1 / 5, 1, 1e-5])


def test_a_phase_follows_its_own_schedule(archive, tmp_path):
    recipe = quick(
        strategy="fine-tune:head_epochs=2", epochs=1, schedule="constant", after="layer1"
    )
    history = pl.read_csv(train(archive, tmp_path / "run", recipe, command=[]).history)
    follow = build(schedules, "one_cycle:rise=0.99")
    steps = history["step"][1]  # of the two epochs of the first phase
    expected = [2e-3 * follow(step - 1, steps).rate for step in history["step"][:2]]
    assert history["rate"][:2].to_list() == pytest.approx(expected)
    assert history["rate_head"][2] == pytest.approx(
        1e-3 * build(schedules, "one_cycle:rise=0.3,divide=5")(steps // 2 - 1, steps // 2).rate
    )


@pytest.mark.parametrize("text", ["linear:layer2", "svm:layer1"])
def test_a_fitted_run_says_what_sklearn_says_of_the_features_of_its_stage(text, archive, tmp_path):
    folder = train(archive, tmp_path / "run", quick(strategy=text), command=[])
    said = pl.read_parquet(folder.predictions)
    record = json.loads(folder.record.read_text())
    (fitted,) = record["network"]["fitted"].values()
    assert record["network"]["after"] == text.partition(":")[2]
    features, rows = features_of(folder, archive)
    truth, training = (rows["side"] == "right").to_numpy().astype(int), rows["split"] == "train"
    if text.startswith("linear"):
        model = LogisticRegression(C=fitted["c"], tol=1e-9, max_iter=10_000)
        theirs = make_pipeline(StandardScaler(), model)
    else:
        model = make_pipeline(StandardScaler(), LinearSVC(C=fitted["c"], dual=False, tol=1e-9))
        unit = units(rows.filter(training))
        fold = patient_folds(unit, truth[training], most=5, seed=0)
        theirs = CalibratedClassifierCV(model, cv=PredefinedSplit(fold), ensemble=False)
    theirs.fit(features[training], truth[training])
    expected = dict(zip(rows["path"], theirs.predict_proba(features)[:, 1], strict=True))
    for path, p in said.select("path", "p_right").iter_rows():
        assert p == pytest.approx(expected[path], abs=1e-5)


def features_of(folder, archive):
    """Averaged maps of all images by a hand-made pass, with their rows."""
    predictor, record = load_predictor(folder, "cpu")
    index = Index.load(archive)
    images = np.stack([read(index.file(path)).array for path in index.frame["path"]]) / 255
    with torch.no_grad():
        x = predictor.normalise(torch.from_numpy(images).float())
        maps = predictor.network.backbone(x).double()
    assert predictor.network.backbone.names[-1] == record["after"]
    return maps.mean(dim=(2, 3)).numpy(), index.frame


def test_fitted_runs_respect_views_and_balance_and_leave_the_backbone_alone(archive, tmp_path):
    runs = {
        text: train(archive, tmp_path / str(place), quick(strategy=text), command=[])
        for place, text in enumerate(("linear:layer1,c=0.01", "linear:layer1,c=0.01,views=3"))
    }
    plain, viewed = (load_file(run.weights) for run in runs.values())
    changed = {name for name in plain if not torch.equal(plain[name], viewed[name])}
    assert changed == {"head.fc.weight", "head.fc.bias"}
    mixed = quick(strategy="linear:layer1,views=1", augment=("mixup",))
    with pytest.raises(ArgumentError, match="views need an augmentation that keeps labels"):
        train(archive, tmp_path / "mixed", mixed, command=[])
    bare = quick(strategy="linear:layer1,views=1", augment=())
    with pytest.raises(ArgumentError, match=r"but there is none\. Pass another --augment"):
        train(archive, tmp_path / "bare", bare, command=[])


@pytest.mark.parametrize("model", ["linear", "svm"])
def test_three_classes_are_fitted_as_one_model_and_labels_as_one_each(model, tmp_path):
    index = Index.load(make_spots(tmp_path))
    frame = index.frame
    place = np.arange(len(frame))
    third = pl.Series("side", np.where(place // 2 % 3 == 0, "none", frame["side"].to_numpy()))
    three = tmp_path / "three.parquet"
    index.with_frame(frame.with_columns(third)).save(three)
    recipe = quick(strategy=f"{model}:layer2", class_weights="balanced")
    run = train(three, tmp_path / "a", recipe, command=[])
    said = pl.read_parquet(run.predictions).select(pl.col("^p_.*$"))
    assert said.columns == ["p_left", "p_none", "p_right"]
    assert np.allclose(said.sum_horizontal(), 1)
    assert list(json.loads(run.record.read_text())["network"]["fitted"]) == ["classes"]

    left = (frame["side"] == "left").cast(pl.Float64)
    blank = pl.Series("rare", np.where(place % 3 == 0, np.nan, place // 2 % 2))
    same = pl.Series("same", np.where(place % 5 == 0, np.nan, 1.0))
    labels = frame.drop("side").with_columns(
        left.alias("left"), blank.fill_nan(None), same.fill_nan(None)
    )
    several = tmp_path / "several.parquet"
    Index(labels, tmp_path, labels=("left", "rare", "same"), layout="csv").save(several)
    run = train(several, tmp_path / "b", recipe, command=[])
    record = json.loads(run.record.read_text())
    assert list(record["network"]["fitted"]) == ["left", "rare"]
    assert any("All training images agree on same" in note for note in record["notes"])
    tried = pl.read_csv(run.history)
    assert set(tried["label"]) == {"left", "rare"}
    write_report(run.path)
    drawn = (run.path / "figures" / "penalty.svg").read_text()
    assert "rare: of" in drawn
    assert not (run.path / "figures" / "learning.svg").exists()
    page = run.report.read_text()
    assert "fit after layer2" in page
    assert f"rare: {record['network']['fitted']['rare']['model']}, C " in page
    ones = int(((frame["split"] == "train") & labels["same"].fill_null(9).eq(1)).sum())
    said = pl.read_parquet(run.predictions)
    assert said["p_same"].to_numpy() == pytest.approx((ones + 1) / (ones + 2), abs=1e-6)

    theirs = make_pipeline(
        StandardScaler(),
        LogisticRegression(
            C=record["network"]["fitted"]["rare"]["c"], class_weight="balanced", tol=1e-9
        ),
    )
    if model == "svm":
        return
    features, _ = features_of(run, several)
    known = (frame["split"] == "train").to_numpy() & (place % 3 != 0)
    # the loss weighs positives by negatives over positives: balanced, but for the size of C
    negatives = (place[known] // 2 % 2 == 0).sum()
    theirs[-1].C *= 2 * negatives / known.sum()
    theirs.fit(features[known], (place // 2 % 2)[known])
    expected = dict(zip(frame["path"], theirs.predict_proba(features)[:, 1], strict=True))
    for path, p in said.select("path", "p_rare").iter_rows():
        assert p == pytest.approx(expected[path], abs=1e-5)


def test_a_fitted_run_answers_over_views_and_is_resumed_to_the_same_bits(
    archive, tmp_path, monkeypatch
):
    recipe = quick(strategy="svm:layer1", tta="dihedral")
    whole = train(archive, tmp_path / "whole", recipe, command=[])
    said = pl.read_parquet(whole.predictions)[:3]
    files = [archive.parent / path for path in said["path"]]
    for tta, same in ((None, True), ("none", False)):
        found = predict_files(whole, files, tta=tta).table["p_right"]
        assert (found.to_numpy() == pytest.approx(said["p_right"].to_numpy(), abs=1e-6)) == same
    with monkeypatch.context() as patch:
        patch.setattr("medgraft.train.classification.predictions", _interrupt)
        with pytest.raises(KeyboardInterrupt):
            train(archive, tmp_path / "again", recipe, command=[])
    again = train(archive, tmp_path / "again", recipe, command=[], resume=True)
    one, two = load_file(whole.weights), load_file(again.weights)
    assert all(torch.equal(one[k], two[k]) for k in one)


def _interrupt(*_):
    raise KeyboardInterrupt


def test_one_image_of_a_class_is_refused_and_fitted_with_a_strength_that_is_named(
    archive, tmp_path
):
    few = {"labels_per_class": 1}
    with pytest.raises(
        TrainingError, match=r"needs two patients or more of every class.*has 1 .*c="
    ):
        train(archive, tmp_path / "a", quick(strategy="linear:layer1", **few), command=[])
    with pytest.raises(TrainingError, match="the probabilities of an svm"):
        train(archive, tmp_path / "a", quick(strategy="svm:layer1,c=1", **few), command=[])
    named = quick(strategy="linear:layer1,c=0.001", **few)
    run = train(archive, tmp_path / "a", named, command=[])
    record = json.loads(run.record.read_text())
    assert record["network"]["fitted"]["classes"]["folds"] == 1
    assert any("not cross-validated" in note for note in record["notes"])
    write_report(run.path)
    assert "logistic, C 0.001<" in run.report.read_text()
    assert not (run.path / "figures" / "penalty.svg").exists()


def test_groups_learn_at_their_own_rates():
    network = create("resnet18", in_channels=1, classes=2).network
    scales = {group.name: group.scale for group in stage_groups(network, {"stem": 0.1})}
    assert scales["stem"] == 0.1
    assert scales["head"] == scales["layer4"] == 1.0


def test_what_does_not_fit_is_refused_before_anything_is_prepared(archive, tmp_path):
    with pytest.raises(UnknownNameError, match="Did you mean 'layer3'"):
        train(archive, tmp_path / "a", quick(strategy="from:layer33"), command=[])
    with pytest.raises(UnknownNameError, match="Did you mean 'gradual'"):
        train(archive, tmp_path / "a", quick(strategy="graduel"), command=[])
    with pytest.raises(
        ArgumentError, match="gradual needs an epoch for each of its 5 phases, got 2"
    ):
        train(archive, tmp_path / "a", quick(strategy="gradual", epochs=2), command=[])
    with pytest.raises(ArgumentError, match="starts from random weights"):
        find_strategy("vanilla", weights="imagenet")
    with pytest.raises(UnknownNameError, match=r"no stage is called 'layer4'.*Did you mean"):
        train(archive, tmp_path / "a", quick(strategy="linear:layer4", after="layer3"), command=[])
    with pytest.raises(ArgumentError, match="folds: input should be greater than or equal to 2"):
        train(archive, tmp_path / "a", quick(strategy="svm:layer3,folds=1"), command=[])
    with pytest.raises(ArgumentError, match="a range test needs a strategy that trains"):
        range_test(archive, quick(strategy="linear"))
    assert not (tmp_path / "a" / "recipe.yaml").exists()


def test_a_run_of_two_phases_is_resumed_to_the_same_bits(archive, tmp_path, monkeypatch):
    recipe = quick(strategy="two-phase:head_epochs=2", epochs=2, after="layer2")
    whole = train(archive, tmp_path / "whole", recipe, command=[])
    for stop_after in (1, 3):  # in the first phase, in the second
        out = tmp_path / f"stopped-{stop_after}"
        with monkeypatch.context() as patch:
            patch.setattr("medgraft.train.train.write_history", _stopper(stop_after))
            with pytest.raises(KeyboardInterrupt):
                train(archive, out, recipe.model_copy(update={"checkpoint_seconds": 0}), command=[])
        again = train(archive, out, recipe, command=[], resume=True)
        one, two = load_file(whole.weights), load_file(again.weights)
        assert all(torch.equal(one[k], two[k]) for k in one)
        times = ["seconds", "images_per_second"]
        assert pl.read_csv(again.history).drop(times).equals(pl.read_csv(whole.history).drop(times))


def _stopper(epochs):
    def stop(run, history):
        if len(history) > epochs:
            raise KeyboardInterrupt

    return stop
