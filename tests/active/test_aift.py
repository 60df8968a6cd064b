"""The score of AIFT against the published table, its definition in loops, and its symmetries."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medgraft.active.acquisition import acquisitions
from medgraft.active.acquisition.aift import Aift, kept_views, majority
from medgraft.active.evidence import Evidence
from medgraft.errors import ArgumentError
from medgraft.spec import build

PATTERNS = {
    "A": [0.4] * 3 + [0.5] * 6 + [0.6] * 2,
    "F": [0, 0, 0.1, 0.1, 0.1, 0.1, 0.2, 0.2, 0.3, 0.9, 1],
}
COLUMNS = {  # weights of entropy and diversity, share of the views
    "E": (1, 0, 1),
    "E1/4": (1, 0, 0.25),
    "D": (0, 1, 1),
    "D1/4": (0, 1, 0.25),
    "ED": (1, 1, 1),
    "ED1/4": (1, 1, 0.25),
}
PUBLISHED = {
    "A": [7.52, 2.02, 4.38, 0.00, 11.90, 2.02],
    "F": [3.24, 0.33, 1076.87, 13.54, 1080.11, 13.86],
}


def yes(values):
    """One candidate of which each view says how likely it is."""
    return Evidence(np.array(values, dtype=float)[None, :, None], independent=True)


def score(values, **options):
    return float(Aift(**options).scores(yes(values))[0])


def loops(views, *, alpha, entropy, diversity, reduction, pairs, epsilon):
    """The equations as they stand, for one candidate with exclusive classes."""
    m, classes = len(views), range(len(views[0]))
    means = [math.fsum(view[k] for view in views) / m for k in classes]
    top = max(means)
    dominant = next(k for k in classes if means[k] >= top - 1e-9)
    keep = max(1, math.floor(alpha * m + 0.5))
    kept = sorted(views, key=lambda view: -view[dominant])[:keep]
    log = [[math.log(max(p, epsilon)) for p in view] for view in kept]
    e = -sum(kept[j][k] * log[j][k] for j in range(keep) for k in classes)
    d = 0.0
    for j in range(keep):
        for i in range(keep if pairs == "full" else j):
            d += sum((kept[j][k] - kept[i][k]) * (log[j][k] - log[i][k]) for k in classes)
    return entropy * (e / keep if reduction == "mean" else e) + diversity * d


class TestPublishedTable:
    @pytest.mark.parametrize("pattern", PATTERNS)
    @pytest.mark.parametrize("column", COLUMNS)
    def test_is_met_to_two_decimals(self, pattern, column):
        entropy, diversity, alpha = COLUMNS[column]
        part = Aift.as_published(entropy=entropy, diversity=diversity, alpha=alpha)
        found = part.scores(yes(PATTERNS[pattern]))[0]
        assert f"{found:.2f}" == f"{PUBLISHED[pattern][list(COLUMNS).index(column)]:.2f}"

    def test_two_exclusive_classes_give_the_same(self):
        p = np.array(list(PATTERNS.values()))
        both = Evidence(np.stack([1 - p, p], axis=2))
        one = Evidence(p[..., None], independent=True)
        for alpha in (0.25, 1):
            np.testing.assert_allclose(
                Aift.as_published(alpha=alpha).scores(both),
                Aift.as_published(alpha=alpha).scores(one),
                rtol=1e-12,
            )

    @settings(max_examples=60)
    @given(
        st.lists(st.floats(0, 1), min_size=1, max_size=12),
        st.sampled_from(sorted(COLUMNS)),
    )
    def test_any_other_pattern_follows_the_same_formulas(self, values, column):
        entropy, diversity, alpha = COLUMNS[column]
        part = Aift.as_published(entropy=entropy, diversity=diversity, alpha=alpha)
        wanted = loops([(1 - p, p) for p in values], **part.model_dump(exclude={"omega", "spread"}))
        assert part.scores(yes(values))[0] == pytest.approx(wanted, rel=1e-9, abs=1e-9)


@st.composite
def candidates(draw, most_classes=4):
    """Views of one candidate: anything from flat to saturated."""
    classes = draw(st.integers(2, most_classes))
    seed, sharp = draw(st.integers(0, 10**6)), draw(st.sampled_from([0.05, 0.5, 5.0]))
    rng = np.random.default_rng(seed)
    return rng.dirichlet(np.full(classes, sharp), size=draw(st.integers(1, 9)))


options = st.fixed_dictionaries(
    {
        "alpha": st.sampled_from([0.1, 0.25, 0.5, 1.0]),
        "entropy": st.sampled_from([0.0, 1.0, 0.3]),
        "diversity": st.sampled_from([1.0, 0.2]),
        "reduction": st.sampled_from(["mean", "sum"]),
        "pairs": st.sampled_from(["upper", "full"]),
        "epsilon": st.sampled_from([1e-4, 2.0**-52, 0.01]),
    }
)


@settings(max_examples=80)
@given(candidates(), options)
def test_matches_the_equations_in_loops(views, chosen):
    found = Aift(**chosen).scores(Evidence(views[None]))[0]
    assert found == pytest.approx(loops(views.tolist(), **chosen), rel=1e-9, abs=1e-9)


class TestDiversity:
    part = Aift(entropy=0, alpha=1)

    @settings(max_examples=40)
    @given(candidates(), st.integers(0, 99))
    def test_is_never_negative_and_knows_no_order_of_views_or_classes(self, views, seed):
        rng = np.random.default_rng(seed)
        found = self.part.scores(Evidence(views[None]))[0]
        assert found >= 0
        for other in (rng.permutation(views), rng.permutation(views.T).T):
            again = self.part.scores(Evidence(other[None]))[0]
            assert again == pytest.approx(found, rel=1e-9, abs=1e-12)

    @settings(max_examples=30)
    @given(candidates())
    def test_of_equal_views_is_nought(self, views):
        same = np.repeat(views[:1], 11, axis=0)
        assert self.part.scores(Evidence(same[None]))[0] == pytest.approx(0, abs=1e-12)

    def test_of_a_pair_is_the_symmetric_divergence(self):
        p, q = np.array([0.2, 0.3, 0.5]), np.array([0.6, 0.3, 0.1])
        wanted = (p * np.log(p / q)).sum() + (q * np.log(q / p)).sum()
        assert self.part.scores(Evidence(np.array([[p, q]])))[0] == pytest.approx(wanted)

    def test_counted_twice_is_twice_as_much(self):
        both = Aift(entropy=0, alpha=1, pairs="full")
        values = PATTERNS["A"]
        assert both.scores(yes(values)) == pytest.approx(2 * self.part.scores(yes(values)))


class TestEntropy:
    part = Aift(diversity=0, alpha=1)

    def test_is_highest_at_a_half_and_nought_when_sure(self):
        assert score([0.5], diversity=0) == pytest.approx(math.log(2))
        assert score([0.0], diversity=0) == score([1.0], diversity=0) == 0
        assert score([0.49], diversity=0) < math.log(2)

    @settings(max_examples=30)
    @given(candidates(most_classes=8))
    def test_of_many_classes_is_at_most_their_logarithm(self, views):
        assert self.part.scores(Evidence(views[None]))[0] <= math.log(views.shape[1]) + 1e-9

    def test_sum_is_as_many_times_the_mean_as_there_are_views(self):
        values = PATTERNS["A"]
        total = score(values, diversity=0, alpha=1, reduction="sum")
        assert total == pytest.approx(11 * score(values, diversity=0, alpha=1))


class TestMajority:
    @pytest.mark.parametrize(
        ("views", "kept"), [(11, 3), (24, 6), (21, 5), (10, 3), (1, 1), (2, 1)]
    )
    def test_a_quarter_is_rounded_half_up_and_never_nothing(self, views, kept):
        assert kept_views(np.array([views]), 0.25).tolist() == [kept]

    def test_the_whole_is_no_majority(self):
        p = np.random.default_rng(0).dirichlet([1, 1, 1], size=(5, 7))
        present = np.arange(7) < np.array([7, 3, 1, 5, 6])[:, None]
        kept, there = majority(p * present[..., None], present, 1.0)
        for i in range(5):
            wanted = sorted(p[i][present[i]].tolist())
            assert sorted(kept[i][there[i]].tolist()) == wanted

    def test_the_dominant_class_is_that_of_the_mean_and_not_of_the_votes(self):
        # Three views say no with 0.55, two say yes with 0.95: votes say no, the mean says yes.
        values = np.array([0.45, 0.45, 0.45, 0.95, 0.95])
        p = np.stack([1 - values, values], axis=1)[None]
        kept, there = majority(p, np.ones((1, 5), dtype=bool), 0.4)
        assert kept[0, there[0], 1].tolist() == [0.95, 0.95]

    @pytest.mark.parametrize("values", [[0.1, 0.5, 0.9], [0.3, 0.7, 0.5], [0.9, 0.1]])
    def test_a_tie_counts_as_the_first_class(self, values):
        values = np.array(values)
        p = np.stack([1 - values, values], axis=1)[None]
        kept, _ = majority(p, np.ones((1, len(values)), dtype=bool), 0.3)
        assert kept[0, 0, 1] == values.min()

    def test_sets_noise_aside(self):
        clear = [0.05] * 9 + [0.95, 0.9]
        assert score(clear, alpha=1) > score(PATTERNS["A"], alpha=1)
        assert score(clear) < score(PATTERNS["A"])


class TestSaturation:
    @pytest.mark.parametrize(
        "options", [{}, {"epsilon": 2.0**-52}, {"reduction": "sum", "alpha": 1}]
    )
    def test_exact_nought_and_one_give_finite_scores(self, options):
        assert math.isfinite(score([0, 0, 1, 1, 0.5], **options))

    def test_is_bounded_by_epsilon(self):
        rough, fine = (score([0, 1], alpha=1, entropy=0, epsilon=e) for e in (1e-2, 1e-4))
        assert (rough, fine) == (pytest.approx(2 * math.log(1e2)), pytest.approx(2 * math.log(1e4)))


def test_independent_labels_have_a_majority_each():
    p = np.random.default_rng(1).random((3, 8, 2))
    both = Aift().scores(Evidence(p, independent=True))
    each = [Aift().scores(Evidence(p[..., [k]], independent=True)) for k in range(2)]
    np.testing.assert_allclose(both, each[0] + each[1])


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("aift:entropy=0,diversity=0", "must weigh more than 0, got 0 and 0"),
        ("aift:alpha=0", "alpha: .*greater than 0, got 0"),
        ("aift:epsilon=0", "epsilon: .*greater than 0, got 0"),
        ("aift:reduction=max", "reduction: .*'mean' or 'sum', got 'max'"),
        ("aift:lambda=1", "no option is called 'lambda'. Known: "),
        ("aift:spread=true", "spread needs a short list.*omega of 2 or more"),
    ],
)
def test_wrong_options_are_refused(spec, said):
    with pytest.raises(ArgumentError, match=said):
        build(acquisitions, spec)
