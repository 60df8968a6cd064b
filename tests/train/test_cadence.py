"""Validation after so many examples, and the best weights that are kept on the way."""

import numpy as np
import pytest
import torch

from medgraft.errors import ArgumentError, TrainingError
from medgraft.train.loop import Loop, validation_steps
from medgraft.train.setup import check_choices
from medgraft.train.top import Top
from tests.train.conftest import quick
from tests.train.test_loop import Regression, batches, same, stopped_and_resumed, weights

SCORES = [0.3, 0.9, 0.5, 0.9, 0.7, 0.1]


def timeless(history):
    return [{k: v for k, v in row.items() if "second" not in k} for row in history]


def small(**changes):
    """Four batches of five images an epoch."""
    return quick(**{"epochs": 3, "batch_size": 5, "rate": 0.05, **changes})


class TestCadence:
    def test_it_counts_examples_and_not_steps(self):
        assert validation_steps(quick(validate_every=8192, batch_size=16)) == 512
        assert validation_steps(quick()) is None

    @pytest.mark.parametrize(("every", "near"), [(8200, 8192), (5, 16)])
    def test_a_part_of_a_batch_is_refused(self, every, near):
        with pytest.raises(ArgumentError, match=f"Pass --validate-every {near}"):
            check_choices(quick(validate_every=every, batch_size=16))

    def test_a_row_stands_for_every_validation_and_for_the_end(self):
        history = Loop(Regression(), batches(), small(validate_every=25)).run().history
        assert [row["step"] for row in history] == [5, 10, 12]
        assert [row["epoch"] for row in history] == [1.25, 2.5, 3.0]

    def test_the_loss_of_a_row_is_the_mean_since_the_row_before(self):
        every = Loop(Regression(), batches(), small(validate_every=5)).run().history
        some = Loop(Regression(), batches(), small(validate_every=15)).run().history
        means = np.array([row["loss"] for row in every]).reshape(4, 3).mean(axis=1)
        np.testing.assert_allclose([row["loss"] for row in some], means)

    def test_validating_more_often_trains_the_same_weights(self):
        often, seldom = Regression(), Regression()
        Loop(often, batches(), small(validate_every=5)).run()
        Loop(seldom, batches(), small()).run()
        assert same(weights(often), weights(seldom))

    def test_once_an_epoch_in_examples_is_what_happens_without_it(self):
        one = Loop(Regression(scores=SCORES[:3]), batches(), small(validate_every=20)).run()
        two = Loop(Regression(scores=SCORES[:3]), batches(), small()).run()
        assert timeless(one.history) == timeless(two.history)
        assert one.best == two.best

    @pytest.mark.parametrize("stop_at", [1, 3, 4, 6, 10])
    @pytest.mark.parametrize("accumulate", [1, 3])
    def test_it_resumes_bit_for_bit(self, stop_at, accumulate, tmp_path):
        recipe = small(validate_every=10, accumulate=accumulate)
        whole = Regression()
        history = Loop(whole, batches(), recipe).run().history
        resumed, progress = stopped_and_resumed(Regression, recipe, tmp_path, stop_at=stop_at)
        assert same(weights(whole), weights(resumed))
        assert timeless(progress.history) == timeless(history)

    def test_patience_is_still_counted_in_epochs(self):
        scores = [0.9, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1]
        recipe = small(epochs=9, validate_every=10, patience=1)
        progress = Loop(Regression(scores=scores), batches(), recipe).run()
        assert progress.best["epoch"] == 0.5
        assert [row["epoch"] for row in progress.history] == [0.5, 1.0, 1.5]


class TestTop:
    def offered(self, most, scores):
        top = Top(most)
        for row, score in enumerate(scores, start=1):
            top.offer(score, {"w": torch.tensor([float(row)])}, row=row, epoch=row)
        return top

    def test_it_keeps_the_best_and_of_equals_the_earlier(self):
        top = self.offered(3, SCORES)
        assert [m.row for m in top.members] == [2, 4, 5]
        assert [float(m.weights["w"]) for m in top.members] == [2, 4, 5]
        full = sorted(range(len(SCORES)), key=lambda i: (-SCORES[i], i))
        for most in range(1, 8):
            rows = [m.row - 1 for m in self.offered(most, SCORES).members]
            assert rows == full[:most]

    def test_a_score_that_is_not_a_number_is_never_kept(self):
        assert self.offered(3, [float("nan"), 0.1]).listed() == [
            {"row": 2, "epoch": 2, "score": 0.1}
        ]

    def test_what_is_kept_does_not_move_with_the_network(self):
        top, tensor = Top(2), torch.ones(2)
        top.offer(0.5, {"w": tensor}, row=1, epoch=1)
        tensor += 1
        assert top.members[0].weights["w"].tolist() == [1, 1]

    def test_files_are_bounded_and_each_checkpoint_finds_its_own(self, tmp_path):
        top, listed = Top(2), []
        for row in range(1, 9):
            top.offer(row / 10, {"w": torch.tensor([float(row)])}, row=row, epoch=row)
            top.write(tmp_path)
            listed.append(top.listed())
            top.prune(tmp_path)
            assert len(list(tmp_path.iterdir())) <= 4
            for told in listed[-2:]:  # two checkpoints are kept
                again = Top(2)
                again.restore(tmp_path, told)
                assert [float(m.weights["w"]) for m in again.members] == [m["row"] for m in told]

    def test_a_file_of_an_earlier_try_is_written_over(self, tmp_path):
        for value in (1.0, 2.0):
            top = Top(2)
            top.offer(0.5, {"w": torch.tensor([value])}, row=1, epoch=1)
            top.write(tmp_path)
        top.restore(tmp_path, top.listed())
        assert float(top.members[0].weights["w"]) == 2.0

    def test_a_damaged_file_is_refused(self, tmp_path):
        top = Top(1)
        top.offer(0.5, {"w": torch.ones(1)}, row=1, epoch=1)
        top.write(tmp_path)
        (tmp_path / "top-000001.safetensors").write_bytes(b"no")
        with pytest.raises(TrainingError, match="must be whole"):
            top.restore(tmp_path, top.listed())


class TestTopInTheLoop:
    def test_the_members_are_the_weights_of_their_epochs(self):
        objective, seen = Regression(scores=SCORES), []
        loop = Loop(
            objective,
            batches(),
            small(epochs=6),
            keep_best=3,
            on_epoch=lambda history: seen.append(weights(objective)),
        )
        loop.run()
        assert [(m.row, m.epoch, m.score) for m in loop.members("net")] == [
            (2, 2, 0.9),
            (4, 4, 0.9),
            (5, 5, 0.7),
        ]
        for member in loop.members("net"):
            assert same(member.weights, seen[member.row - 1])
        assert same(weights(objective), seen[1])

    def test_one_best_is_kept_as_ever(self):
        loop = Loop(Regression(scores=SCORES), batches(), small())
        loop.run()
        assert loop.members("net") == []

    @pytest.mark.parametrize("stop_at", [3, 9, 17])
    def test_they_survive_a_stop_bit_for_bit(self, stop_at, tmp_path):
        recipe = small(epochs=6, validate_every=10, checkpoint_seconds=0)

        class Scored(Regression):
            def validate(self):
                return {"score": float(self.net[2].weight.detach().sum().sin())}

        whole = Scored()
        loop = Loop(whole, batches(), recipe, keep_best=3)
        loop.run()
        first = Scored(stop_at=stop_at)
        with pytest.raises(KeyboardInterrupt):
            Loop(first, batches(), recipe, folder=tmp_path, keep_best=3).run()
        again = Loop(Scored(), batches(), recipe, folder=tmp_path, keep_best=3)
        assert again.resume()
        again.run()
        assert len(again.members("net")) == 3
        for one, two in zip(loop.members("net"), again.members("net"), strict=True):
            assert (one.row, one.epoch, one.score) == (two.row, two.epoch, two.score)
            assert same(one.weights, two.weights)

    def test_a_later_phase_goes_on_with_them(self):
        objective = Regression(scores=SCORES)
        first = Loop(objective, batches(), small(), keep_best=2)
        first.run()
        second = Loop(objective, batches(), small(), keep_best=2)
        second.follow(first)
        second.run()
        assert [m.row for m in second.members("net")] == [2, 4]
