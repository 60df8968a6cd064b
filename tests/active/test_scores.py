"""Each score against its definition and against scikit-activeml."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skactiveml.pool import average_kl_divergence, uncertainty_scores, variation_ratios

from medgraft.active.acquisition.entropy import Entropy
from medgraft.active.acquisition.least_confident import LeastConfident
from medgraft.active.acquisition.margin import Margin
from medgraft.active.acquisition.mutual_information import MutualInformation
from medgraft.active.acquisition.variation_ratio import VariationRatio
from medgraft.active.evidence import Evidence
from medgraft.errors import EvidenceError


def answers(seed=0, views=1, classes=4, candidates=30):
    return np.random.default_rng(seed).dirichlet(np.full(classes, 0.4), size=(candidates, views))


@pytest.mark.parametrize(
    ("part", "method", "offset"),
    [
        (Entropy(), "entropy", 0),
        (LeastConfident(), "least_confident", 0),
        (Margin(), "margin_sampling", 0),
    ],
)
@pytest.mark.parametrize("classes", [2, 3, 14])
def test_uncertainty_is_that_of_scikit_activeml(part, method, offset, classes):
    p = answers(classes=classes)
    wanted = uncertainty_scores(p[:, 0], method=method)
    np.testing.assert_allclose(part.scores(Evidence(p)), wanted + offset, atol=1e-9)


@pytest.mark.parametrize("part", [Entropy(), LeastConfident(), Margin()])
def test_views_are_averaged_first(part):
    p = answers(views=6)
    np.testing.assert_allclose(
        part.scores(Evidence(p)), part.scores(Evidence(p.mean(axis=1, keepdims=True)))
    )


class TestMutualInformation:
    def test_is_the_mean_divergence_from_the_consensus_of_scikit_activeml(self):
        p = answers(views=5)
        wanted = average_kl_divergence(p.transpose(1, 0, 2))
        np.testing.assert_allclose(MutualInformation().scores(Evidence(p)), wanted, atol=1e-9)

    @settings(max_examples=50)
    @given(st.integers(0, 10**6), st.integers(2, 6), st.integers(2, 5))
    def test_matches_its_definition_in_loops_and_its_bound(self, seed, views, classes):
        p = answers(seed, views, classes, candidates=4)
        found = MutualInformation().scores(Evidence(p))
        for i, candidate in enumerate(p):
            mean = candidate.mean(axis=0)
            wanted = 0.0
            for view in candidate:
                for k, q in enumerate(view):
                    wanted += q * np.log(q / mean[k]) / views if q > 0 else 0
            assert found[i] == pytest.approx(wanted, abs=1e-9)
        assert (found <= np.log(min(views, classes)) + 1e-9).all()

    def test_one_view_is_refused_rather_than_scored_nought(self):
        with pytest.raises(EvidenceError, match="at least 2 views, got 1"):
            MutualInformation().scores(Evidence(answers()))

    def test_a_single_view_among_groups_scores_nought(self):
        evidence = Evidence(answers(views=3, candidates=2), counts=np.array([1, 3]))
        first, second = MutualInformation().scores(evidence)
        assert first == 0 < second


class TestVariationRatio:
    @pytest.mark.parametrize("classes", [2, 3, 5])
    def test_is_that_of_scikit_activeml(self, classes):
        p = answers(views=7, classes=classes)
        wanted = variation_ratios(p.argmax(axis=2))
        np.testing.assert_allclose(VariationRatio().scores(Evidence(p)), wanted)

    def test_absent_views_have_no_vote(self):
        p = np.array([[[0.9, 0.1], [0.2, 0.8], [0.2, 0.8]]])
        assert VariationRatio().scores(Evidence(p, counts=np.array([2]))) == pytest.approx(0.5)


@pytest.mark.parametrize(
    "part", [Entropy(), LeastConfident(), Margin(), MutualInformation(), VariationRatio()]
)
def test_a_candidate_all_views_are_sure_of_scores_nought(part):
    sure = np.repeat([[[0.0, 1.0, 0.0]]], 4, axis=1)
    assert part.scores(Evidence(sure)).tolist() == [0.0]
