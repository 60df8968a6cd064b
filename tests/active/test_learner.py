"""What a round asks of a model: hidden labels, maps kept or computed, views, dropout, few labels."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from medgraft.active.candidates import Candidates
from medgraft.active.fitting import fit_some
from medgraft.active.learner import Looks, lengthened, state_of
from medgraft.active.oracle import Oracle, hide
from medgraft.active.trunk import HALF, Kept, Passing
from medgraft.errors import ArgumentError, LeakageError, TableError
from medgraft.index import Index
from medgraft.index.target import Target
from medgraft.prepare.store import default_cache
from medgraft.seeds import derive
from medgraft.train.recipe import Recipe
from medgraft.train.strategies import Solver
from tests.active.conftest import changed, make_learner, truth_of
from tests.train.conftest import quick


@pytest.fixture(scope="module")
def frozen(spots, tmp_path_factory):
    return make_learner(spots, tmp_path_factory.mktemp("frozen"))


@pytest.fixture(scope="module")
def tuned(spots, tmp_path_factory):
    return make_learner(spots, tmp_path_factory.mktemp("tuned"), strategy="full")


class TestHidden:
    def test_a_model_is_given_no_label_of_the_pool_and_none_of_the_test_part(self, frozen):
        _, hidden = frozen
        given = dict(hidden.data.index.frame.group_by("split").agg("side").iter_rows())
        assert set(given["train"]) == set(given["test"]) == {None}
        assert set(given["val"]) == {"left", "right"}
        assert np.isnan(hidden.data.rows("train").targets).all()

    def test_the_oracle_tells_what_is_bought_once(self, frozen):
        _, hidden = frozen
        oracle, some = hidden.oracle(), hidden.pool[[3, 0]]
        np.testing.assert_array_equal(oracle.buy(some), truth_of(hidden, some))
        assert oracle.told.tolist() == sorted(some)
        with pytest.raises(AssertionError, match="bought once"):
            oracle.buy(hidden.pool[:1])

    def test_images_that_nobody_labelled_cannot_be_bought(self, spots, tmp_path):
        blank = pl.when(pl.col("path") == "images/30.png").then(None).otherwise("side")
        index = changed(spots, tmp_path / "blank.parquet", side=blank)
        hidden = hide(Index.load(index), quick(), default_cache())
        assert len(hidden.pool) == 27
        findings = {
            "side": (pl.col("side") == "right").cast(pl.Int8),
            "doubt": pl.when(pl.col("path") == "images/30.png").then(-1).otherwise(1),
        }
        many = Index.load(spots)
        frame = many.frame.with_columns(**findings)
        both = Index(frame, many.root, labels=("side", "doubt"), layout="csv")
        hidden = hide(both, quick(), default_cache())
        assert len(hidden.pool) == 28  # its side is known
        place = hidden.truth["path"].to_list().index("images/30.png")
        np.testing.assert_array_equal(hidden.oracle().buy(np.array([place])), [[0, np.nan]])

    def test_indexes_without_what_a_simulation_needs_are_refused(self, spots, tmp_path):
        for said, columns in (
            ("got labels and no parts", {"split": pl.lit(None, pl.String)}),
            ("got labels and train, val", {"split": pl.col("split").replace("test", "val")}),
            ("holds only 'left'", {"side": pl.when(pl.col("split") == "train").then("side").otherwise(pl.lit("left"))}),
        ):  # fmt: skip
            index = changed(spots, tmp_path / "wrong.parquet", **columns)
            with pytest.raises(TableError, match=said):
                hide(Index.load(index), quick(), default_cache())
        leaks = pl.when(pl.col("patient_id") == "p00").then(pl.lit("p20")).otherwise("patient_id")
        index = changed(spots, tmp_path / "leaks.parquet", patient_id=leaks)
        with pytest.raises(LeakageError, match="patient"):
            hide(Index.load(index), quick(), default_cache())

    def test_a_class_that_only_the_pool_has_is_an_error_when_it_is_bought(self, spots, tmp_path):
        third = pl.when(pl.col("path") == "images/30.png").then(pl.lit("above")).otherwise("side")
        index = changed(spots, tmp_path / "third.parquet", side=third)
        hidden = hide(Index.load(index), quick(), default_cache())
        with pytest.raises(TableError, match="must hold one of left, right, got 'above'"):
            hidden.oracle().buy(hidden.pool)


class TestMaps:
    def test_kept_maps_are_those_of_the_backbone_in_half_precision(self, frozen):
        learner, hidden = frozen
        passing = Passing(learner.predictor, hidden.data, None, 0)
        places = np.arange(len(hidden.truth))
        exact = torch.cat([maps for _, maps in passing.maps(places)])
        assert isinstance(learner.trunk, Kept)
        assert learner.trunk.plain.dtype == HALF
        np.testing.assert_array_equal(learner.trunk.plain, exact.numpy().astype(HALF))

    def test_a_view_of_an_image_is_the_same_in_any_pool(self, tuned):
        learner, hidden = tuned
        assert isinstance(learner.trunk, Passing)
        whole = torch.cat([maps for _, maps in learner.trunk.maps(hidden.pool, 1)])
        some = hidden.pool[[20, 3, 11]]
        few = torch.cat([maps for _, maps in learner.trunk.maps(some, 1)])
        torch.testing.assert_close(few, whole[[20, 3, 11]])
        other = torch.cat([maps for _, maps in learner.trunk.maps(some, 0)])
        assert not torch.allclose(few, other)

    def test_kept_maps_are_found_again_and_not_computed(self, spots, tmp_path, monkeypatch):
        first, _ = make_learner(spots, tmp_path)
        monkeypatch.setattr(Passing, "maps", lambda *_: iter([(slice(0, 1), torch.zeros(1, 64))]))
        again, _ = make_learner(spots, tmp_path)
        np.testing.assert_array_equal(first.trunk.plain, again.trunk.plain)
        assert len(again.trunk.views) == 2

    def test_views_are_not_kept_where_nobody_asks_for_any(self, spots, tmp_path):
        learner, _ = make_learner(spots, tmp_path, many=False, strategy="linear:c=0.01")
        assert learner.trunk.views == ()


class TestLearning:
    @pytest.mark.parametrize("which", ["frozen", "tuned"])
    def test_it_learns_from_the_weights_it_is_given_and_repeats_itself(self, which, request):
        learner, hidden = request.getfixturevalue(which)
        places = hidden.pool[:8]
        first = learner.first(1)
        one, two = (learner.train(first, places, truth_of(hidden, places), seed=3) for _ in "ab")
        assert all(torch.equal(one[key], two[key]) for key in one)
        assert any(not torch.equal(one[key], first[key]) for key in one)
        assert all(torch.equal(first[key], value) for key, value in learner.first(1).items())
        assert ("head.fc.weight" in one) == (which == "tuned")

    def test_kept_maps_give_the_answers_that_images_give(self, frozen):
        learner, hidden = frozen
        learner.load(learner.first(0))
        live = replace(learner, trunk=Passing(learner.predictor, hidden.data, None, 0))
        np.testing.assert_allclose(
            learner.answers(hidden.pool), live.answers(hidden.pool), atol=2e-3
        )
        learner.predictor.network.freeze_through("layer1")
        np.testing.assert_allclose(
            live.answers(hidden.pool),
            learner.predictor.probabilities(
                learner.predictor.predict(hidden.data.store, hidden.data.stored[hidden.pool])
            ),
            atol=1e-6,
        )

    def test_a_few_images_are_passed_so_often_that_the_steps_suffice(self):
        recipe = lengthened(Recipe(epochs=3, batch_size=8), per_epoch=1, least_steps=10)
        assert (recipe.epochs, recipe.validate_every) == (10, 24)
        many = Recipe(epochs=3, batch_size=8)
        assert lengthened(many, per_epoch=5, least_steps=10) == many


class TestEvidence:
    def test_views_are_the_answers_about_augmented_images(self, tuned):
        learner, hidden = tuned
        learner.load(learner.first(0))
        candidates = Candidates.of(hidden.data.index.frame, hidden.pool)
        chosen = np.array([5, 2, 9])
        found = learner.evidence(candidates, chosen, many=True, features=True, known=np.array([1]))
        data, predictor = hidden.data, learner.predictor
        for n, candidate in enumerate(chosen):
            images = predictor.placement.images(
                data.store.gather(data.stored[hidden.pool[[candidate]]]), data.store.scale
            )
            (plain,) = [m for _, m in learner.trunk.maps(hidden.pool[[candidate]])]
            np.testing.assert_allclose(found.features[n], plain[0], rtol=2e-3, atol=1e-4)
            for view in range(2):
                names = learner.trunk._names(hidden.pool[[candidate]])
                seed = derive(0, "look", view)
                draw = learner.trunk.augmenter.draw(1, images.shape[2:], seed, samples=names)
                predictor.network.eval()
                with torch.no_grad():
                    logits = predictor.logits(learner.trunk.augmenter.apply(images, draw))
                wanted = predictor.probabilities(logits.double().numpy())[0]
                np.testing.assert_allclose(found.probabilities[n, view], wanted, atol=1e-5)
        assert found.labelled.shape == (1, found.features.shape[1])

    def test_one_look_is_the_image_as_it_is(self, frozen):
        learner, hidden = frozen
        learner.load(learner.first(0))
        candidates = Candidates.of(hidden.data.index.frame, hidden.pool)
        found = learner.evidence(candidates, np.arange(28), many=False, features=False)
        assert found.features is None
        np.testing.assert_allclose(
            found.probabilities[:, 0], learner.answers(hidden.pool), atol=1e-6
        )

    @pytest.mark.parametrize("rows", [8192, 3])
    def test_a_group_has_all_looks_at_all_its_images(self, frozen, monkeypatch, rows):
        monkeypatch.setattr("medgraft.active.model.ROWS", rows)
        learner, hidden = frozen
        learner.load(learner.first(0))
        frame = hidden.data.index.frame.with_columns(
            group=pl.when(pl.col("patient_id") == "p20").then(None).otherwise("patient_id")
        )
        groups = Candidates.of(frame, hidden.pool, "group")
        single = Candidates.of(frame, hidden.pool)
        every = np.arange(len(groups))
        known = np.array([0, len(groups) - 1])
        found = learner.evidence(groups, every, many=True, features=True, known=known)
        images = learner.evidence(single, np.arange(28), many=True, features=True)
        place = {int(p): n for n, p in enumerate(single.images)}
        for n in every:
            mine = [place[int(p)] for p in groups.of_these([n])]
            assert found.views[n] == 2 * len(mine)
            wanted = images.probabilities[mine].reshape(-1, 2)
            np.testing.assert_array_equal(found.probabilities[n, : len(wanted)], wanted)
            mean = images.features[mine].astype(np.float32).mean(axis=0)
            np.testing.assert_allclose(found.features[n], mean, rtol=2e-3, atol=1e-4)
        np.testing.assert_array_equal(found.labelled, found.features[known])

    def test_passes_with_dropout_differ_about_the_answer_without(self, spots, tmp_path):
        looks = Looks(views=2, passes=40)
        learner, hidden = make_learner(spots, tmp_path, looks=looks, strategy="two-phase")
        learner.load(learner.first(0))
        candidates = Candidates.of(hidden.data.index.frame, hidden.pool)
        found, again = (
            learner.evidence(candidates, np.arange(6), many=True, features=False) for _ in "ab"
        )
        np.testing.assert_array_equal(found.probabilities, again.probabilities)
        assert found.probabilities.shape == (6, 40, 2)
        assert (found.probabilities[:, :, 1].std(axis=1) > 1e-4).all()
        without = learner.answers(hidden.pool[:6])
        np.testing.assert_allclose(found.probabilities.mean(axis=1), without, atol=0.1)
        head = learner.predictor.network.head
        assert not any(module.training for module in head.modules())

    def test_passes_without_dropout_and_views_without_augmentation_are_refused(
        self, spots, tmp_path
    ):
        with pytest.raises(ArgumentError, match="need a head that has any"):
            make_learner(spots, tmp_path, looks=Looks(passes=5))

    def test_what_is_too_large_for_memory_is_mapped(self, spots, tmp_path, monkeypatch):
        learner, hidden = make_learner(spots, tmp_path)
        candidates = Candidates.of(hidden.data.index.frame, hidden.pool)
        learner.load(learner.first(0))
        small = learner.evidence(candidates, np.arange(28), many=True, features=True)
        monkeypatch.setattr("medgraft.active.trunk.MOST", 0)
        large = learner.evidence(candidates, np.arange(28), many=True, features=True)
        assert isinstance(large.features, np.memmap)
        np.testing.assert_array_equal(large.features, small.features)
        np.testing.assert_array_equal(large.probabilities, small.probabilities)


class TestFittedHead:
    target = Target("exclusive", ("a", "b", "c"), ("class",))
    recipe = quick()

    def fit(self, classes, count=30, c=0.1):
        rng = np.random.default_rng(0)
        features = rng.normal(size=(count, 6)).astype(np.float32)
        targets = np.eye(3, dtype=np.float32)[np.array(classes)[np.arange(count) % len(classes)]]
        unit = np.zeros(count, np.int64)
        weights, bias = fit_some(
            Solver("logistic", c), features[None], targets, unit, self.target, recipe=self.recipe
        )
        z = features @ weights.T + bias
        p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
        return features, targets, p

    def test_of_all_classes_it_is_that_of_scikit_learn(self):
        features, targets, p = self.fit([0, 1, 2])
        x = StandardScaler().fit_transform(features.astype(np.float64))
        model = LogisticRegression(C=0.1, tol=1e-8, max_iter=5000).fit(x, targets.argmax(axis=1))
        np.testing.assert_allclose(p, model.predict_proba(x), atol=1e-4)

    def test_of_one_class_every_image_has_the_rule_of_succession(self):
        _, _, p = self.fit([1])
        np.testing.assert_allclose(p, np.tile([1 / 33, 31 / 33, 1 / 33], (30, 1)), atol=1e-9)

    def test_a_class_without_an_image_is_as_likely_as_the_next_image_is_new(self):
        features, targets, p = self.fit([0, 2])
        assert p[:, 1].mean() == pytest.approx(1 / 33, rel=0.05)
        x = StandardScaler().fit_transform(features.astype(np.float64))
        model = LogisticRegression(C=0.1, tol=1e-8, max_iter=5000).fit(x, targets.argmax(axis=1))
        of_two = p[:, [0, 2]] / p[:, [0, 2]].sum(axis=1, keepdims=True)
        np.testing.assert_allclose(of_two, model.predict_proba(x), atol=1e-4)

    def test_the_learner_fits_it_to_kept_maps_and_views(self, spots, tmp_path):
        learner, hidden = make_learner(spots, tmp_path, strategy="linear:c=0.01,views=1")
        places = hidden.pool[:10]
        learner.load(learner.train(learner.first(0), places, truth_of(hidden, places), seed=0))
        # in double precision, or scikit-learn would scale and solve in single
        taken = [learner.trunk.take(places, view).double().numpy() for view in (None, 0)]
        x = np.concatenate(taken)
        scaler = StandardScaler().fit(x)
        y = np.tile(truth_of(hidden, places).argmax(axis=1), 2)
        model = LogisticRegression(C=0.01, tol=1e-8, max_iter=5000)
        model.fit(scaler.transform(x), y, np.full(20, 0.5))
        unseen = learner.trunk.take(hidden.pool[10:], None).double().numpy()
        np.testing.assert_allclose(
            learner.answers(hidden.pool[10:]),
            model.predict_proba(scaler.transform(unseen)),
            atol=1e-6,
        )

    @pytest.mark.parametrize("tune", ["linear", "svm:c=0.01"])
    def test_what_needs_cross_validation_is_refused(self, spots, tmp_path, tune):
        with pytest.raises(ArgumentError, match="cannot be cross-validated"):
            make_learner(spots, tmp_path, strategy=tune)


def test_a_state_is_a_copy(frozen):
    learner, _ = frozen
    kept = state_of(learner.predictor.network.head)
    with torch.no_grad():
        learner.predictor.network.head.fc.bias += 1
    assert not torch.equal(kept["fc.bias"], learner.predictor.network.head.fc.bias)


def test_an_oracle_is_asked_for_nothing_else():
    asked = []
    oracle = Oracle(lambda places: asked.append(places.tolist()) or np.zeros((len(places), 2)), 9)
    oracle.buy(np.array([4, 2]))
    assert asked == [[4, 2]]
