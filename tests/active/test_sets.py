"""BADGE, TypiClust and ClaSP PE against their definitions and against scikit-activeml."""

import numpy as np
import pytest
from skactiveml.base import SkactivemlClassifier
from skactiveml.pool import Badge as BadgeOracle
from skactiveml.pool import TypiClust as TypiClustOracle
from sklearn.base import BaseEstimator
from sklearn.datasets import make_blobs

from medgraft.active.acquisition.badge import Badge, Gradients
from medgraft.active.acquisition.clasp_pe import ClaspPe, powered
from medgraft.active.acquisition.entropy import Entropy
from medgraft.active.acquisition.typiclust import TypiClust, typicality
from medgraft.active.distances import Points
from medgraft.active.evidence import Evidence
from medgraft.errors import ArgumentError


def rng(seed=0):
    return np.random.default_rng(seed)


def pool(candidates=40, views=3, classes=3, *, independent=False, seed=0):
    chance = rng(seed)
    p = chance.dirichlet(np.full(classes, 0.5), size=(candidates, views))
    if independent:
        p = chance.random((candidates, views, classes))
    return Evidence(p, independent=independent, features=chance.normal(size=(candidates, 5)))


class Told(SkactivemlClassifier, BaseEstimator):
    """A classifier that says what it is told."""

    def __init__(self, p=None):
        super().__init__(classes=list(range(p.shape[1])))
        self.p = p

    def fit(self, *_):
        return self

    def predict_proba(self, X):
        return self.p[: len(X)]


class TestBadge:
    @pytest.mark.parametrize("independent", [False, True])
    def test_distances_are_those_of_the_outer_products(self, independent):
        evidence = pool(independent=independent)
        p = evidence.probabilities.mean(axis=1)
        held = (p > 0.5) if independent else np.eye(3)[p.argmax(axis=1)]
        outer = ((p - held)[:, :, None] * evidence.features[:, None, :]).reshape(len(p), -1)
        found = Gradients.of(evidence)
        np.testing.assert_allclose(found.squares(), (outer**2).sum(axis=1), rtol=1e-12)
        for row in (0, 17):
            wanted = ((outer - outer[row]) ** 2).sum(axis=1)
            np.testing.assert_allclose(found.square_distances(row), wanted, atol=1e-9)

    def test_draws_as_scikit_activeml_would(self):
        evidence = pool()
        p = evidence.probabilities.mean(axis=1)
        first, utilities = BadgeOracle(random_state=0, missing_label=np.nan).query(
            evidence.features,
            np.full(40, np.nan),
            clf=Told(p),
            fit_clf=False,
            batch_size=2,
            return_utilities=True,
        )
        draws, chance = 4000, rng(5)
        pairs = np.array([Badge().select(evidence, 2, chance) for _ in range(draws)])
        assert (pairs[:, 0] == first[0]).all()
        wanted = draws * np.nan_to_num(utilities[1])
        counts = np.bincount(pairs[:, 1], minlength=40)
        assert (np.abs(counts - wanted) <= 4.5 * np.sqrt(wanted) + 1).all()

    def test_a_pool_the_model_is_sure_of_is_drawn_alike(self):
        sure = Evidence(np.repeat([[[1.0, 0.0]]], 30, axis=0), features=rng().normal(size=(30, 4)))
        seen = {int(i) for seed in range(40) for i in Badge().select(sure, 5, rng(seed))}
        assert len(seen) > 25


class TestTypiClust:
    def blobs(self, sizes=(90, 70, 50, 30), labelled=0):
        centres = np.array([[0, 0], [40, 0], [0, 40], [40, 40]])[: len(sizes)]
        x, cluster = make_blobs(sizes, centers=centres, random_state=3)
        features = {"features": x[labelled:], "labelled": x[:labelled] if labelled else None}
        return Evidence(np.full((len(x) - labelled, 1, 2), 0.5), **features), x, cluster

    def test_is_that_of_scikit_activeml_on_clear_clusters(self):
        evidence, x, _ = self.blobs()
        oracle = TypiClustOracle(k=20, random_state=0)
        wanted = oracle.query(x, np.full(len(x), np.nan), batch_size=4)
        assert TypiClust().select(evidence, 4, rng()).tolist() == wanted.tolist()

    def test_takes_the_largest_cluster_first_and_each_once(self):
        evidence, _, cluster = self.blobs()
        assert cluster[TypiClust().select(evidence, 4, rng())].tolist() == [0, 1, 2, 3]

    def test_passes_by_clusters_that_hold_a_label(self):
        _, x, cluster = self.blobs()
        kept = Evidence(np.full((len(x) - 1, 1, 2), 0.5), features=x[1:], labelled=x[:1])
        found = cluster[1:][TypiClust().select(kept, 3, rng())]
        assert set(found) == {0, 1, 2, 3} - {cluster[0]}

    def test_typicality_is_one_over_the_mean_distance_to_neighbours(self):
        x = rng().normal(size=(30, 4))
        distances = np.sort(np.linalg.norm(x[:, None] - x, axis=2), axis=1)[:, 1:6]
        np.testing.assert_allclose(
            typicality(Points.of(x), 5), 1 / distances.mean(axis=1), rtol=1e-9
        )

    def test_large_pools_are_learnt_from_a_part_and_still_searched_as_a_whole(self, monkeypatch):
        monkeypatch.setattr("medgraft.active.acquisition.typiclust.LEARNT", 60)
        monkeypatch.setattr("medgraft.active.acquisition.typiclust.COMPARED", 10)
        evidence, _, cluster = self.blobs()
        for seed in range(3):
            chosen = TypiClust().select(evidence, 4, rng(seed))
            assert cluster[chosen].tolist() == [0, 1, 2, 3]

    def test_equal_candidates_leave_clusters_empty_and_do_not_stop_it(self):
        same = Evidence(np.full((12, 1, 2), 0.5), features=np.ones((12, 3)))
        assert sorted(TypiClust().select(same, 12, rng())) == list(range(12))


class TestClaspPe:
    def skewed(self, progress=0.0):
        """Ten candidates in a hundred are of the rare class, and the model is surer of them."""
        rare = np.arange(100) < 10
        p = np.where(rare, 0.05, 0.6 + 0.39 * rng().random(100))
        return Evidence(np.stack([p, 1 - p], axis=1)[:, None], progress=progress), rare

    def test_half_of_the_budget_is_shared_by_the_classes(self):
        evidence, rare = self.skewed(progress=1.0)
        assert rare[Entropy().select(evidence, 20, rng())].sum() == 0
        assert rare[ClaspPe().select(evidence, 20, rng())].sum() == 5
        assert rare[ClaspPe(share=1).select(evidence, 20, rng())].sum() == 10
        assert rare[ClaspPe(share=0).select(evidence, 20, rng())].sum() == 0

    def test_a_class_with_too_few_leaves_its_part_to_the_others(self):
        evidence, rare = self.skewed(progress=1.0)
        chosen = ClaspPe(share=1).select(evidence, 60, rng())
        assert rare[chosen].sum() == 10
        assert len(set(chosen.tolist())) == 60

    def test_noise_decays_over_the_campaign(self):
        def variety(progress):
            evidence, _ = self.skewed(progress)
            seen = {
                int(i)
                for seed in range(30)
                for i in ClaspPe(share=0).select(evidence, 5, rng(seed))
            }
            return len(seen)

        early, middle, late = map(variety, (0.0, 0.5, 1.0))
        assert early > middle > late

    def test_power_noise_draws_by_the_power_of_the_score(self):
        scores, chance, draws = np.array([0.1, 0.2, 0.4]), rng(), 6000
        first = [int(powered(scores, 2, chance).argmax()) for _ in range(draws)]
        wanted = draws * scores**2 / (scores**2).sum()
        assert (np.abs(np.bincount(first) - wanted) < 4 * np.sqrt(wanted)).all()

    def test_candidates_without_doubt_come_last_and_by_chance(self):
        scores = np.array([0.0, 0.5, 0.0, 0.1, 0.0])
        orders = [np.argsort(-powered(scores, 1, rng(seed))) for seed in range(60)]
        assert all({1, 3} == set(order[:2]) for order in orders)
        assert {int(order[2]) for order in orders} == {0, 2, 4}

    def test_independent_labels_that_nothing_names_share_nothing(self):
        p = np.full((30, 1, 2), 0.1)
        p[:3, 0, 1] = 0.9
        evidence = Evidence(p, independent=True, progress=1.0)
        assert set(range(3)) <= set(ClaspPe(share=1).select(evidence, 10, rng()))

    def test_noise_that_grows_is_refused(self):
        with pytest.raises(ValueError, match="at least beta"):
            ClaspPe(beta=10, last_beta=1)


def test_errors_of_options_are_ours():
    from medgraft.active.acquisition import acquisitions
    from medgraft.spec import build

    with pytest.raises(ArgumentError, match="last_beta must be at least beta"):
        build(acquisitions, "clasp_pe:beta=10,last_beta=1")
