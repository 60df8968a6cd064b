"""What every acquisition promises. A new one is tested here without being named."""

import numpy as np
import pytest

from medgraft.active.acquisition import Score, acquisitions
from medgraft.active.evidence import Evidence
from medgraft.errors import ArgumentError, EvidenceError
from medgraft.spec import build, write

N, VIEWS, CLASSES = 40, 5, 3
KINDS = {name: acquisitions.get(name) for name in acquisitions.names()}
SCORES = {name: kind for name, kind in KINDS.items() if issubclass(kind, Score)}


def rng(seed=0):
    return np.random.default_rng(seed)


def pool(seed=0, *, kind="softmax", dtype=np.float64):
    """A pool of each kind that evidence may be of."""
    chance = rng(seed)
    p = chance.dirichlet(np.full(CLASSES, 0.5), size=(N, VIEWS))
    if kind == "independent":
        p = chance.random((N, VIEWS, CLASSES))
    counts = chance.integers(2, VIEWS + 1, N) if kind == "ragged" else None
    features = chance.normal(size=(N, 6)).astype(dtype)
    return Evidence(
        p.astype(dtype),
        independent=kind == "independent",
        counts=counts,
        features=features,
        labelled=features[:3] + 0.1,
    )


def reordered(evidence, order):
    return Evidence(
        evidence.probabilities[order],
        independent=evidence.independent,
        counts=None if evidence.counts is None else evidence.counts[order],
        features=evidence.features[order],
        labelled=evidence.labelled,
    )


@pytest.mark.parametrize("name", KINDS)
class TestEveryAcquisition:
    def test_what_needs_several_views_compares_them(self, name):
        assert KINDS[name].compares or KINDS[name].least_views == 1

    @pytest.mark.parametrize("kind", ["softmax", "independent", "ragged"])
    @pytest.mark.parametrize("dtype", [np.float16, np.float64])
    def test_chooses_as_many_as_asked_and_none_twice(self, name, kind, dtype):
        chosen = KINDS[name]().select(pool(kind=kind, dtype=dtype), 7, rng())
        assert chosen.shape == (7,)
        assert len(set(chosen.tolist())) == 7
        assert chosen.min() >= 0
        assert chosen.max() < N

    def test_a_seed_repeats_its_choice(self, name):
        first, again = (KINDS[name]().select(pool(), 7, rng(3)) for _ in range(2))
        assert first.tolist() == again.tolist()

    def test_can_choose_the_whole_pool(self, name):
        assert sorted(KINDS[name]().select(pool(), N, rng())) == list(range(N))

    @pytest.mark.parametrize("budget", [0, -1, N + 1])
    def test_a_budget_that_cannot_be_spent_is_refused(self, name, budget):
        with pytest.raises(ArgumentError, match=rf"budget must be in \[1, {N}\].*got {budget}"):
            KINDS[name]().select(pool(), budget, rng())

    def test_leaves_the_evidence_as_it_was(self, name):
        evidence, before = pool(), pool()
        KINDS[name]().select(evidence, 7, rng())
        np.testing.assert_array_equal(evidence.probabilities, before.probabilities)
        np.testing.assert_array_equal(evidence.features, before.features)

    def test_writes_itself_and_is_read_back(self, name):
        part = KINDS[name]()
        assert build(acquisitions, write(name, part)) == part

    def test_says_what_it_is_and_where_it_comes_from(self, name):
        kind = KINDS[name]
        assert len(kind.__doc__.strip()) > 20
        assert len(kind.source) > 5
        assert all(field.description for field in kind.model_fields.values())

    def test_says_truly_whether_it_reads_features(self, name):
        bare = Evidence(pool().probabilities)
        if KINDS[name].reads_features:
            with pytest.raises(EvidenceError, match=f"{name} needs features"):
                KINDS[name]().select(bare, 7, rng())
        else:
            assert len(KINDS[name]().select(bare, 7, rng())) == 7

    def test_says_truly_how_many_views_it_needs(self, name):
        least = KINDS[name].least_views
        few = Evidence(pool().probabilities[:, : max(1, least - 1)], features=pool().features)
        if least > 1:
            with pytest.raises(EvidenceError, match=f"{name} needs .*{least} views"):
                KINDS[name]().select(few, 7, rng())
        else:
            assert len(KINDS[name]().select(few, 7, rng())) == 7


@pytest.mark.parametrize("name", SCORES)
class TestEveryScore:
    @pytest.mark.parametrize("kind", ["softmax", "independent", "ragged"])
    @pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
    def test_gives_a_finite_double_per_candidate(self, name, kind, dtype):
        scores = SCORES[name]().scores(pool(kind=kind, dtype=dtype))
        assert scores.shape == (N,)
        assert scores.dtype == np.float64
        assert np.isfinite(scores).all()

    @pytest.mark.parametrize("kind", ["softmax", "independent", "ragged"])
    def test_does_not_depend_on_the_order_of_the_pool(self, name, kind):
        evidence, order = pool(kind=kind), rng(1).permutation(N)
        np.testing.assert_allclose(
            SCORES[name]().scores(reordered(evidence, order)),
            SCORES[name]().scores(evidence)[order],
            rtol=1e-12,
        )

    def test_does_not_depend_on_the_order_of_the_views(self, name):
        evidence = pool()
        turned = Evidence(evidence.probabilities[:, ::-1])
        np.testing.assert_allclose(
            SCORES[name]().scores(turned), SCORES[name]().scores(evidence), rtol=1e-10
        )

    def test_does_not_depend_on_the_order_of_the_classes(self, name):
        evidence = pool()
        turned = Evidence(evidence.probabilities[..., ::-1])
        np.testing.assert_allclose(
            SCORES[name]().scores(turned), SCORES[name]().scores(evidence), rtol=1e-10
        )

    def test_does_not_read_beyond_the_count_of_a_candidate(self, name):
        evidence = pool(kind="ragged")
        spoilt = evidence.probabilities.copy()
        spoilt[np.arange(VIEWS) >= evidence.counts[:, None]] = np.nan
        np.testing.assert_array_equal(
            SCORES[name]().scores(Evidence(spoilt, counts=evidence.counts)),
            SCORES[name]().scores(evidence),
        )

    def test_a_ragged_pool_is_scored_as_each_candidate_alone(self, name):
        evidence = pool(kind="ragged")
        alone = [
            SCORES[name]().scores(Evidence(evidence.probabilities[i : i + 1, :count]))[0]
            for i, count in enumerate(evidence.counts)
        ]
        np.testing.assert_allclose(SCORES[name]().scores(evidence), alone, rtol=1e-12)

    def test_one_label_is_a_question_of_two_classes(self, name):
        yes = rng().random((N, VIEWS, 1))
        np.testing.assert_allclose(
            SCORES[name]().scores(Evidence(yes, independent=True)),
            SCORES[name]().scores(Evidence(np.concatenate([1 - yes, yes], axis=2))),
            rtol=1e-12,
        )

    def test_independent_labels_add_up(self, name):
        evidence = pool(kind="independent")
        each = [
            SCORES[name]().scores(Evidence(evidence.probabilities[..., [k]], independent=True))
            for k in range(CLASSES)
        ]
        np.testing.assert_allclose(SCORES[name]().scores(evidence), sum(each), rtol=1e-12)

    def test_a_candidate_all_views_are_sure_of_comes_last(self, name):
        p = pool().probabilities.copy()
        p[3] = [1.0, 0.0, 0.0]
        scores = SCORES[name]().scores(Evidence(p))
        assert scores[3] == scores.min()

    def test_takes_the_highest_scores_best_first(self, name):
        evidence = pool()
        scores = SCORES[name]().scores(evidence)
        chosen = SCORES[name]().select(evidence, 7, rng())
        np.testing.assert_array_equal(scores[chosen], np.sort(scores)[::-1][:7])

    @pytest.mark.parametrize("options", [{"omega": 3}, {"omega": 3, "spread": True}])
    def test_chooses_from_a_short_list_if_asked(self, name, options):
        evidence, part = pool(), SCORES[name](**options)
        scores = part.scores(evidence)
        chosen = part.select(evidence, 7, rng())
        assert len(set(chosen.tolist())) == 7
        assert scores[chosen].min() >= np.sort(scores)[::-1][:21].min()
        assert (np.diff(scores[chosen]) <= 0).all()
        assert part.select(evidence, 7, rng()).tolist() == chosen.tolist()

    def test_blocks_leave_no_seam(self, name, monkeypatch):
        evidence = pool(kind="ragged")
        whole = SCORES[name]().scores(evidence)
        monkeypatch.setattr("medgraft.active.evidence.BLOCK", 7 * VIEWS * CLASSES)
        np.testing.assert_allclose(SCORES[name]().scores(evidence), whole, rtol=1e-13)
