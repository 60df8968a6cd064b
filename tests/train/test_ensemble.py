"""Networks that answer together, views, and the mean of weights; in runs and by themselves."""

import itertools
import json
import shutil
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from medgraft.cli.__main__ import main
from medgraft.errors import ArgumentError, WeightsError
from medgraft.nets import create
from medgraft.runs import RunFolder
from medgraft.train.averaging import estimate_norms, mean_weights
from medgraft.train.batches import Placement
from medgraft.train.ensemble import Ensemble, with_weights
from medgraft.train.predict import load_ensemble, load_predictor, predict_files
from medgraft.train.recipe import load_recipe
from medgraft.train.setup import check_choices
from medgraft.train.supervised import Normalisation, Predictor
from medgraft.train.train import train
from medgraft.train.tta import find_views, seen
from tests.train.conftest import make_spots, quick
from tests.train.test_loop import Memory, batches

ROWS = np.arange(20)


def predictor(seed, kind="exclusive", classes=3):
    torch.manual_seed(seed)
    network = create("resnet18", in_channels=1, classes=classes, after="layer1").network
    normalise = Normalisation((0.5,), (0.3,), "a test")
    return Predictor(network.eval(), kind, normalise, Placement(torch.device("cpu")))


@pytest.mark.parametrize("kind", ["exclusive", "independent"])
class TestEnsemble:
    def test_one_network_answers_as_ever(self, kind):
        one, store = predictor(0, kind), Memory(side=16)
        plain = one.probabilities(one.predict(store, ROWS))
        np.testing.assert_array_equal(Ensemble((one,)).probabilities(store, ROWS), plain)

    def test_several_answer_with_the_mean_of_their_probabilities_in_any_order(self, kind):
        members, store = [predictor(seed, kind) for seed in range(3)], Memory(side=16)
        slow = sum(m.probabilities(m.predict(store, ROWS)) for m in members) / 3
        for order in itertools.permutations(members):
            found = Ensemble(tuple(order)).probabilities(store, ROWS)
            np.testing.assert_allclose(found, slow, atol=1e-14)

    @pytest.mark.parametrize("text", ["corners", "dihedral", "corners:plain=0.1,flip=false"])
    def test_views_are_averaged_as_probabilities_with_their_weights(self, kind, text):
        members, store = [predictor(seed, kind) for seed in range(2)], Memory(side=16)
        slow = np.zeros((20, 3))
        for view, one in itertools.product(find_views(text).of((16, 16)), members):
            images = torch.from_numpy(store.array).float() / 255
            moved = seen(images, view.matrix)
            with torch.no_grad():
                logits = one.logits(moved).double().numpy()
            slow += view.weight / 2 * one.probabilities(logits)
        found = Ensemble(tuple(members), find_views(text)).probabilities(store, ROWS)
        np.testing.assert_allclose(found, slow, atol=1e-6)

    def test_dihedral_answers_do_not_change_when_an_image_is_turned(self, kind):
        ensemble = Ensemble((predictor(0, kind),), find_views("dihedral"))
        store, turned = Memory(side=16), Memory(side=16)
        turned.array = np.ascontiguousarray(np.rot90(store.array, axes=(2, 3))[..., ::-1])
        np.testing.assert_allclose(
            ensemble.probabilities(turned, ROWS), ensemble.probabilities(store, ROWS), atol=1e-6
        )


class TestAveraging:
    def test_the_mean_is_that_of_numpy_and_does_not_depend_on_the_order(self):
        rng = np.random.default_rng(0)
        members = [
            {"w": torch.from_numpy(rng.normal(size=(3, 4)).astype(np.float32))} for _ in range(4)
        ]
        expected = np.mean([m["w"].numpy().astype(np.float64) for m in members], axis=0)
        for order in itertools.permutations(members):
            np.testing.assert_allclose(mean_weights(order)["w"], expected, rtol=1e-6)

    def test_equal_weights_stay_as_they_are_bit_for_bit(self):
        """What was frozen is the same in every member, and stays so."""
        weights = predictor(0).network.state_dict()
        for count in (1, 3, 7):
            found = mean_weights([weights] * count)
            assert all(torch.equal(found[k], v) for k, v in weights.items())
            assert all(found[k].dtype == v.dtype for k, v in weights.items())

    def test_norms_are_the_plain_mean_over_the_batches(self):
        one = predictor(0, classes=1)
        norm = next(m for m in one.network.modules() if isinstance(m, nn.BatchNorm2d))
        taken = []
        hook = norm.register_forward_pre_hook(lambda _, given: taken.append(given[0].detach()))
        estimate_norms(one, replace(batches(), store=Memory(side=16)), seed=0)
        hook.remove()
        assert len(taken) == 4
        means = torch.stack([x.mean(dim=(0, 2, 3)) for x in taken]).mean(dim=0)
        variances = torch.stack([x.var(dim=(0, 2, 3)) for x in taken]).mean(dim=0)
        torch.testing.assert_close(norm.running_mean, means)
        torch.testing.assert_close(norm.running_var, variances)
        assert norm.momentum == 0.1
        assert not norm.training

    def test_frozen_stages_keep_their_statistics_and_weights_are_not_moved(self):
        one = predictor(0, classes=1)
        one.network.freeze_through("stem")
        before = {k: v.clone() for k, v in one.network.state_dict().items()}
        estimate_norms(one, replace(batches(), store=Memory(side=16)), seed=0)
        for name, tensor in one.network.state_dict().items():
            moves = "layer1" in name and ("running" in name or "tracked" in name)
            assert torch.equal(tensor, before[name]) != moves, name

    def test_a_network_with_other_weights_leaves_the_first_alone(self):
        one, two = predictor(0), predictor(1)
        other = with_weights(one, two.network.state_dict())
        assert other.network is not one.network
        store = Memory(side=16)
        np.testing.assert_array_equal(other.predict(store, ROWS), two.predict(store, ROWS))
        assert (one.predict(store, ROWS) != two.predict(store, ROWS)).any()


SETTINGS = {"after": "layer1", "epochs": 4, "rate": 3e-3}


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    return make_spots(tmp_path_factory.mktemp("spots"))


@pytest.fixture(scope="module")
def finished(archive, tmp_path_factory):
    """A run of three networks and eight views."""
    recipe = quick(**SETTINGS, keep_best=3, tta="corners", validate_every=16)
    return train(archive, tmp_path_factory.mktemp("runs") / "run", recipe, command=[])


class TestARunOfSeveral:
    def test_its_members_lie_beside_its_weights_with_their_hashes(self, finished):
        record = json.loads(finished.weights_record.read_text())
        assert [m["file"] for m in record["members"]] == [
            "members/2.safetensors",
            "members/3.safetensors",
        ]
        assert record["tta"] == "corners:scale=1.35,plain=0.4,flip=true"
        assert "mean over 3 networks" in json.dumps(
            json.loads(finished.record.read_text())["notes"]
        )
        files = [finished.weights, *(finished.path / m["file"] for m in record["members"])]
        tensors = [load_file(file) for file in files]
        assert not any(
            all(torch.equal(a[k], b[k]) for k in a) for a, b in itertools.combinations(tensors, 2)
        )

    def test_they_are_the_best_validations_of_its_history(self, finished):
        history = pl.read_csv(finished.history)
        record = json.loads(finished.weights_record.read_text())
        score = history["auroc_val"] - 1e-6 * history["loss_val"]
        best = sorted(range(len(history)), key=lambda row: (-score[row], row))[:3]
        assert [m["epoch"] for m in record["members"]] == history["epoch"][best].to_list()[1:]
        assert json.loads(finished.record.read_text())["best"]["epoch"] == history["epoch"][best[0]]

    def test_new_files_are_answered_as_the_run_answered(self, finished, archive):
        table = pl.read_parquet(finished.predictions).sort("path")
        found = predict_files(finished, [archive.parent / path for path in table["path"]])
        np.testing.assert_allclose(found.table["p_right"], table["p_right"], atol=1e-6)

    def test_its_answer_is_the_mean_of_those_of_its_members(self, finished, archive):
        files = [archive.parent / f"images/{n:02d}.png" for n in range(4)]
        together = predict_files(finished, files, tta="none").table["p_right"]
        ensemble, _ = load_ensemble(finished, tta="none")
        assert len(ensemble.predictors) == 3
        best, _ = load_predictor(finished)
        assert torch.equal(
            next(ensemble.best.network.parameters()), next(best.network.parameters())
        )
        views = predict_files(finished, files).table["p_right"]
        assert (together - views).abs().max() > 1e-6

    def test_a_damaged_member_is_refused(self, finished, tmp_path):
        copy = RunFolder(shutil.copytree(finished.path, tmp_path / "copy"))
        content = bytearray((copy.members / "3.safetensors").read_bytes())
        content[-1] ^= 1
        (copy.members / "3.safetensors").write_bytes(content)
        with pytest.raises(
            WeightsError, match=r"must be the weights that the weights\.json of its"
        ):
            predict_files(copy, [])

    def test_every_command_takes_it(self, finished, archive, tmp_path, capsys):
        run = shutil.copytree(finished.path, tmp_path / "copy")
        judged = tmp_path / "judged"
        assert main(["evaluate", str(run), "--replicates", "20"]) == 0
        assert main(["report", str(run)]) == 0
        assert main(["explain", str(run), "--most", "2"]) == 0
        assert "3 networks answered together" in capsys.readouterr().out
        assert "best of 3 networks" in (run / "report.html").read_text()
        again = ["evaluate", str(run), "--tta", "none", "--out", str(judged)]
        assert main([*again, "--replicates", "20"]) == 0
        assert main(["compare", str(run), str(judged), "--out", str(tmp_path / "c")]) == 0

    def test_its_views_can_be_changed_afterwards(self, finished, archive, tmp_path):
        same, other = tmp_path / "same", tmp_path / "other"
        for out, tta in ((same, "corners"), (other, "dihedral:flip=false")):
            call = ["evaluate", str(finished.path), "--tta", tta, "--out", str(out)]
            assert main([*call, "--replicates", "20"]) == 0
        before = pl.read_parquet(finished.predictions)
        again = pl.read_parquet(same / "predictions.parquet")
        np.testing.assert_allclose(again["p_right"], before["p_right"], atol=1e-6)
        assert again.drop("p_left", "p_right").equals(before.drop("p_left", "p_right"))
        table = pl.read_parquet(other / "predictions.parquet")
        files = [archive.parent / path for path in table["path"]]
        found = predict_files(finished, files, tta="dihedral:flip=false").table.sort("path")
        expected = table.with_columns(path=pl.lit(f"{archive.parent}/") + pl.col("path"))
        np.testing.assert_allclose(found["p_right"], expected.sort("path")["p_right"], atol=1e-6)
        noted = json.loads((other / "evaluation.json").read_text())
        assert "--tta dihedral:flip=false" in noted["notes"][0]

    def test_an_export_of_one_of_them_is_refused(self, finished, tmp_path, capsys):
        out = tmp_path / "net.onnx"
        assert main(["export", str(finished.path), "--to", "onnx", "--out", str(out)]) == 2
        assert "answers with 3 over the views corners" in capsys.readouterr().err
        assert not out.exists()

    def test_views_of_a_run_need_a_folder_of_their_own(self, finished, capsys):
        assert main(["evaluate", str(finished.path), "--tta", "corners"]) == 2
        assert "needs --out" in capsys.readouterr().err


def test_the_mean_of_weights_is_one_network(archive, tmp_path):
    run = train(
        archive, tmp_path / "run", quick(**SETTINGS, keep_best=3, combine="average"), command=[]
    )
    record = json.loads(run.weights_record.read_text())
    assert record["members"] == []
    assert not run.members.exists()
    assert "The weights are the mean of those after" in run.record.read_text()
    table = pl.read_parquet(run.predictions).sort("path")
    found = predict_files(run, [archive.parent / path for path in table["path"]])
    np.testing.assert_allclose(found.table["p_right"], table["p_right"], atol=1e-6)


def test_one_kept_network_is_the_run_as_it_ever_was(archive, tmp_path):
    """With k = 1 the ensemble is that checkpoint; keys that a recipe lacks mean the same."""
    one = train(archive, tmp_path / "one", quick(**SETTINGS, keep_best=1), command=[])
    old = tmp_path / "old.yaml"
    new = ("validate_every", "keep_best", "combine", "tta")
    lines = one.recipe.read_text().splitlines()
    old.write_text("\n".join(line for line in lines if not line.startswith(new)))
    assert load_recipe(old) == load_recipe(one.recipe)
    many = train(archive, tmp_path / "many", quick(**SETTINGS, keep_best=2), command=[])
    first, best = load_file(one.weights), load_file(many.weights)
    assert all(torch.equal(first[k], best[k]) for k in first)


@pytest.mark.parametrize("change", [{"keep_best": 2}, {"validate_every": 80}])
def test_heads_that_are_fitted_at_once_have_no_validations_to_choose_from(change):
    with pytest.raises(ArgumentError, match="'linear:layer1' fits its head at once"):
        check_choices(quick(strategy="linear:layer1", weights="none", **change))


def test_runs_from_before_ensembles_still_predict(archive, tmp_path):
    run = train(archive, tmp_path / "run", quick(**SETTINGS), command=[])
    record = json.loads(run.weights_record.read_text())
    run.weights_record.write_text(
        json.dumps({k: v for k, v in record.items() if k not in ("members", "tta")})
    )
    table = pl.read_parquet(run.predictions)[:3]
    found = predict_files(run, [archive.parent / path for path in table["path"]])
    np.testing.assert_allclose(found.table["p_right"], table["p_right"], atol=1e-6)


def test_a_mean_of_one_is_refused():
    with pytest.raises(ArgumentError, match="needs keep_best of 2 or more, got 1"):
        check_choices(quick(combine="average"))
    check_choices(quick(combine="average", keep_best=2))


@pytest.mark.parametrize("combine", ["ensemble", "average"])
def test_a_run_killed_after_training_finds_its_members_again(
    combine, archive, tmp_path, monkeypatch
):
    class KilledError(BaseException):
        """Stands for kill -9."""

    def killed(*_args, **_named):
        raise KilledError

    recipe = quick(**SETTINGS, keep_best=2, combine=combine)
    whole = train(archive, tmp_path / "whole", recipe, command=[])
    with monkeypatch.context() as patch:
        patch.setattr("medgraft.train.classification.judge", killed)
        with pytest.raises(KilledError):
            train(archive, tmp_path / "run", recipe, command=[])
    with monkeypatch.context() as patch:
        patch.setattr("medgraft.train.supervised.Supervised.loss", killed)
        run = train(archive, tmp_path / "run", recipe, command=[], resume=True)
    for file in [p.relative_to(whole.path) for p in whole.path.rglob("*.safetensors")]:
        one, two = load_file(whole.path / file), load_file(run.path / file)
        assert all(torch.equal(one[k], two[k]) for k in one)
    assert not run.checkpoint.exists()
