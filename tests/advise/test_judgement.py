"""Size and similarity decide, and what speaks against them lowers the confidence."""

from dataclasses import replace

import numpy as np
import pytest

from medgraft.advise import ANSWERS, answer
from medgraft.advise.judgement import FAR, judge
from medgraft.advise.size import CAPACITY, PATIENTS, measure
from medgraft.advise.stages import Stage, Stages, early

GAIN = {"value": 0.05, "low": 0.02, "high": 0.08, "excludes_zero": True}


def size(count, patients=None, *, known=True):
    """So many images of each of two classes, of so many patients of each."""
    whose = np.arange(2 * count) // 2 % (patients or count) * 2 + np.arange(2 * count) % 2
    targets = np.eye(2)[np.arange(2 * count) % 2]
    return measure(targets, whose, names=("a", "b"), kind="exclusive", patients_known=known)


def stages(gain=0.05, distance=0.2, width=0.02, aurocs=(0.8, 0.85, 0.9, 0.95)):
    found = tuple(
        Stage(
            f"layer{n}",
            15,
            2,
            distance,
            -0.5,
            0.5,
            {"value": v, "low": v - width, "high": v + width},
        )
        for n, v in enumerate(aurocs)
    )
    one = {
        "value": gain,
        "low": gain - 0.02,
        "high": gain + 0.02,
        "early": "layer1",
        "deep": "layer3",
    }
    return Stages(found, {**one, "excludes_zero": abs(gain) > 0.02})


class TestFourScenarios:
    @pytest.mark.parametrize(
        ("large", "similar", "strategy", "words"),
        [
            (False, True, "linear", "linear classifier on its features"),
            (True, True, "full", "smaller rate"),
            (False, False, "svm", "cut it early, and train a linear SVM"),
            (True, False, "full", "start from these weights"),
        ],
    )
    def test_each_has_its_answer(self, large, similar, strategy, words):
        found = answer(large=large, similar=similar)
        assert found.strategy == strategy
        assert words in found.sentence
        assert (
            found.scenario
            == f"{'large' if large else 'small'} and {'similar' if similar else 'different'}"
        )

    def test_there_are_four(self):
        both = (True, False)
        assert {answer(large=x, similar=y) for x in both for y in both} == set(ANSWERS)


class TestSize:
    def test_the_border_is_where_a_linear_classifier_could_learn_by_heart(self):
        at = CAPACITY * (15 + 1) // 2
        assert size(max(at, PATIENTS)).share(15) >= 1
        assert size(at - 1).share(15) < 1

    def test_many_images_of_few_patients_are_few(self):
        found = size(2000, patients=10)
        assert found.share(15) == 10 / PATIENTS
        assert found.limit(15) == "patients"

    def test_unlabelled_images_do_not_count(self):
        targets = np.array([[1.0], [0.0], [np.nan]])
        found = measure(
            targets, np.arange(3), names=("mass",), kind="independent", patients_known=True
        )
        assert (found.labelled, found.unlabelled) == (2, 1)
        assert found.images == {"mass": 1, "no mass": 1}


class TestJudge:
    @pytest.mark.parametrize("count", [20, 2000])
    @pytest.mark.parametrize("gain", [0.05, -0.05])
    def test_size_and_what_features_are_worth_decide(self, count, gain):
        aurocs = (0.8, 0.85, 0.9, 0.95) if gain > 0 else (0.8, 0.95, 0.9, 0.85)
        found = judge(size(count), stages(gain, distance=0.2 if gain > 0 else 5.0, aurocs=aurocs))
        assert found.answer is answer(large=count == 2000, similar=gain > 0)
        assert found.confidence == "high"

    def test_the_cut_is_the_best_stage_and_among_the_early_ones_if_different(self):
        assert judge(size(20), stages()).cut == "layer3"
        assert judge(size(20), stages(-0.05, aurocs=(0.8, 0.95, 0.9, 0.85))).cut == "layer1"
        assert judge(size(2000), stages()).cut is None

    def test_a_stage_that_both_scores_rank_high_beats_one_that_chance_raised_in_one(self):
        known = stages(aurocs=(0.80, 0.93, 0.90, 0.92)).found
        scored = [replace(s, logme=n) for s, n in zip(known, (-0.6, -0.5, -0.2, -0.1), strict=True)]
        assert Stages(tuple(scored), None).best("deep").name == "layer3"

    def test_where_labels_cannot_tell_the_source_decides_with_a_doubt(self):
        for distance in (0.1, 10.0):
            found = judge(size(20), stages(gain=0.01, distance=distance))
            assert found.similar == (distance < FAR)
            assert found.confidence == "moderate"

    def test_conflicting_evidence_is_said_and_lowers_the_confidence(self):
        found = judge(size(20), stages(distance=10.0))
        assert found.similar
        assert found.confidence == "moderate"
        assert "conflicts" in " ".join(found.doubts)

    def test_a_network_without_statistics_says_so(self):
        found = judge(size(20), stages(gain=0.01, distance=None))
        assert "no batch norms" in " ".join(found.doubts)
        assert found.confidence == "low"

    def test_an_answer_with_the_same_cut_is_no_other_answer(self):
        """The best of all stages is an early one: a second linear classifier there teaches nothing."""
        evidence = stages(gain=0.0, distance=0.4, aurocs=(0.95, 0.9, 0.85, 0.8))
        found = judge(size(10), evidence)
        assert (found.answer.strategy, found.cut) == ("linear", "layer0")
        assert (found.other.strategy, found.other_cut) == ("full", None)

    def test_near_the_border_of_size_the_other_answer_is_that_of_the_other_size(self):
        found = judge(size(90), stages())
        assert "within a factor of two" in " ".join(found.doubts)
        assert found.other is answer(large=True, similar=True)

    def test_the_two_answers_never_train_alike(self):
        for count in (5, 90, 2000):
            for gain in (-0.05, 0.0, 0.05):
                for distance in (0.1, 0.9, 10.0, None):
                    found = judge(size(count), stages(gain, distance))
                    assert found.answer.strategy != found.other.strategy

    def test_without_any_probe_logme_chooses_and_confidence_is_low(self):
        known = stages().found
        blind = [
            replace(
                s, auroc={"value": None, "low": None, "high": None, "reason": "too few"}, logme=n
            )
            for s, n in zip(known, (-0.5, -0.2, -0.4, -0.3), strict=True)
        ]
        found = judge(size(1), Stages(tuple(blind), None))
        assert found.cut == "layer1"
        assert found.confidence == "low"

    def test_wide_intervals_and_unknown_patients_are_doubts(self):
        found = judge(size(20, known=False), stages(width=0.2))
        assert len(found.doubts) == 2


def test_at_least_one_stage_is_early():
    assert [early(n) for n in (1, 4, 5)] == [1, 2, 2]
