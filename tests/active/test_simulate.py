"""A simulation: labels stay hidden, strategies start and train as they say, and it goes on to the same bits."""

import json
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import polars as pl
import pytest
import torch

from medgraft.active import learner as learning
from medgraft.active import oracle as hiding
from medgraft.active import rounds, simulate
from medgraft.active.learner import Learner, state_of
from medgraft.active.oracle import Oracle, hide
from medgraft.active.settings import Settings
from medgraft.active.simulate import _stops
from medgraft.cli.__main__ import main
from medgraft.errors import ArgumentError, OutputError, TableError, WeightsError
from medgraft.index import Index
from medgraft.prepare.store import default_cache
from medgraft.train.forgetting import all_right
from tests.active.conftest import changed, make_learner, play, truth_of
from tests.train.conftest import QUICK, quick


def rows_of(out, arm, seed=0):
    return json.loads((out / "runs" / arm / str(seed) / "rounds.json").read_text())


def without_times(rows):
    return [{key: value for key, value in row.items() if key != "seconds"} for row in rows]


def answers_of(out, arm, seed=0):
    return pl.read_parquet(out / "runs" / arm / str(seed) / "answers.parquet")


ARMS = [
    "entropy-AFT-LQ",
    "aift-AFT-LQ",
    "RFT-LQ",
    "entropy-ACFT-HQ",
    "aift-ACFT-HQ",
    "random-ACFT-HQ",
]


class Spy:
    """What every training of a simulation started from, and what it was trained on."""

    def __init__(self, monkeypatch):
        self.trainings, self.oracles, real = [], [], Learner.train
        spy = self

        def train(learner, start, places, targets, *, seed, divide=1.0):
            phases = learning.train_phases

            def watched(*args, **named):
                held = state_of(learner._learning)
                spy.trainings.append((start, held, places, targets, divide, args[1].rate))
                return phases(*args, **named)

            with monkeypatch.context() as patch:
                patch.setattr(learning, "train_phases", watched)
                return real(learner, start, places, targets, seed=seed, divide=divide)

        monkeypatch.setattr(Learner, "train", train)
        monkeypatch.setattr(
            hiding.Hidden,
            "oracle",
            lambda hidden: (
                self.oracles.append(Oracle(hidden._look, len(hidden.truth))) or self.oracles[-1]
            ),
        )


def same(one, two):
    return one.keys() == two.keys() and all(torch.equal(one[key], two[key]) for key in one)


@pytest.fixture(scope="module")
def played(spots, tmp_path_factory):
    """A simulation with six arms and two seeds, and a spy that watched the first seed of it."""
    out = tmp_path_factory.mktemp("played") / "out"
    with pytest.MonkeyPatch.context() as patch:
        spy = Spy(patch)
        play(spots, out, settings={"acquisitions": ("entropy", "aift")})
    return out, spy


def trainings_of(spy, arm):
    """The three trainings of an arm with seed 0."""
    return spy.trainings[3 * ARMS.index(arm) : 3 * ARMS.index(arm) + 3]


class TestStrategies:
    @pytest.mark.parametrize("arm", ["entropy-AFT-LQ", "RFT-LQ"])
    def test_aft_and_rft_start_from_m0_in_every_round(self, played, spots, tmp_path, arm):
        _, spy = played
        learner, _ = make_learner(spots, tmp_path)
        from medgraft.seeds import derive

        first = learner.first(derive(0, "head"))
        for start, held, _, _, divide, rate in trainings_of(spy, arm):
            assert same(start, first)
            assert same(held, first)
            assert (divide, rate) == (1, 1e-3)

    def test_acft_starts_from_the_model_before_at_a_tenth_of_the_rate(self, played, monkeypatch):
        _, spy = played
        first, second, third = trainings_of(spy, "aift-ACFT-HQ")
        assert same(first[1], trainings_of(spy, "aift-AFT-LQ")[0][1])  # M_0
        assert not same(second[1], first[1])
        assert not same(third[1], second[1])
        assert same(second[0], second[1])
        assert [one[4] for one in (first, second, third)] == [1, 10, 10]
        assert [one[5] for one in (first, second, third)] == pytest.approx([1e-3, 1e-4, 1e-4])

    def test_the_model_before_is_what_the_last_round_ended_with(self, spots, tmp_path, monkeypatch):
        ended, started, real = [], [], Learner.train

        def train(learner, start, *args, **named):
            started.append(start)
            ended.append(real(learner, start, *args, **named))
            return ended[-1]

        monkeypatch.setattr(Learner, "train", train)
        asked = {"acquisitions": ("entropy",), "strategies": ("ACFT(Q)",), "seeds": 1}
        play(spots, tmp_path / "out", settings=asked)
        assert same(started[1], ended[0])
        assert same(started[2], ended[1])

    def test_hq_trains_on_just_what_was_bought_and_what_the_model_before_had_wrong(
        self, spots, tmp_path, monkeypatch
    ):
        """Whatever the network, its answers about the images bought before are asked again here."""
        found, real = [], rounds.Play._round

        def watched(one, number):
            before, old = one.standing, one.standing.bought
            places = one.candidates.of_these(old)
            wrong = []
            if len(old):
                one.learner.load(before.state)
                truth = one.truth[places]
                said = one.learner.answers(places)
                wrong = [
                    p
                    for p, t, s in zip(places, truth, said, strict=True)
                    if t.argmax() != s.argmax()
                ]
            real(one, number)
            found.append((wrong, one.standing.rows[-1], spy.trainings[-1][2].tolist()))

        monkeypatch.setattr(rounds.Play, "_round", watched)
        spy = Spy(monkeypatch)
        asked = {"acquisitions": ("entropy",), "strategies": ("ACFT(HQ)",), "seeds": 1, "rounds": 4}
        play(spots, tmp_path / "out", settings=asked, rate=3e-2)
        counts = []
        for wrong, row, trained in found:
            assert trained == [*wrong, *row["places"]]
            assert (row["wrong"], row["trained_on"]) == (len(wrong), len(trained))
            counts.append((len(wrong), row["labels"] - 4))
        assert any(0 < some < whole for some, whole in counts)  # neither none nor all of L

    def test_what_is_trained_on_has_the_labels_that_were_bought(self, played, spots):
        _, spy = played
        hidden = hide(Index.load(spots), quick(), default_cache())
        for _, _, places, targets, _, _ in spy.trainings:
            np.testing.assert_array_equal(targets, truth_of(hidden, places))


class TestHiddenLabels:
    def test_each_candidate_is_bought_once_and_nothing_else_is_told(self, played):
        out, spy = played
        for place, arm in enumerate(ARMS):
            places = [p for row in rows_of(out, arm) for p in row["places"]]
            assert len(places) == len(set(places)) == 12
            assert spy.oracles[place].told.tolist() == sorted(places)

    def test_labels_that_nobody_bought_could_be_any(self, spots, tmp_path):
        """Every one of them is turned round; the arms do not differ in a bit, all labels do."""
        asked = {"acquisitions": ("entropy",), "strategies": ("AFT",), "seeds": 1}
        arms = ("entropy-AFT-LQ", "RFT-LQ")
        out = play(spots, tmp_path / "out", settings=asked)
        bought = {p for arm in arms for row in rows_of(out, arm) for p in row["places"]}
        frame = Index.load(spots).frame.with_row_index("place")
        never = [p for p in range(20, 48) if p not in bought]
        assert len(never) >= 4
        other = (
            pl.when(frame["place"].is_in(never))
            .then(frame["side"].replace({"left": "right", "right": "left"}))
            .otherwise(frame["side"])
        )
        index = changed(spots, tmp_path / "turned.parquet", side=other)
        again = play(index, tmp_path / "again", settings=asked)
        for arm in arms:
            assert without_times(rows_of(again, arm)) == without_times(rows_of(out, arm))
            assert answers_of(again, arm).equals(answers_of(out, arm))
        full = [pl.read_parquet(one / "full/0/answers.parquet") for one in (out, again)]
        assert not full[0].equals(full[1])

    def test_a_table_that_raises_where_a_label_is_looked_up_too_early(
        self, spots, tmp_path, monkeypatch
    ):
        real, allowed = Oracle.buy, set()

        def buy(oracle, places):
            allowed.update(places.tolist())
            return real(oracle, places)

        def look(hidden, places):
            early = set(places.tolist()) - allowed
            assert not early, f"labels of {early} were looked up before they were bought"
            return np.eye(2)[(places % 2)]

        monkeypatch.setattr(Oracle, "buy", buy)
        monkeypatch.setattr(hiding.Hidden, "_look", look)
        monkeypatch.setattr(simulate, "_train_on_all", lambda *_: None)
        out = play(spots, tmp_path / "out", settings={"seeds": 1, "rounds": 2})
        assert all(len(rows_of(out, arm)) == 2 for arm in ARMS)


class TestRounds:
    def test_rows_say_what_happened(self, played, spots):
        out, _ = played
        frame = Index.load(out / "index.parquet").frame
        for arm in ARMS:
            for number, row in enumerate(rows_of(out, arm)):
                assert (row["round"], row["labels"], row["images"]) == (
                    number,
                    4 * number + 4,
                    4 * number + 4,
                )
                sides = frame["side"][row["places"]].to_list()
                assert row["classes"] == {side: sides.count(side) for side in ("left", "right")}
                assert set(frame["split"][row["places"]]) == {"train"}
                assert row["kept"] <= row["knew"] <= 4 * number
                assert 0 <= row["score"] <= 1

    def test_the_answers_are_those_of_the_model_of_each_round(self, played):
        out, _ = played
        table = answers_of(out, "aift-ACFT-HQ")
        test = pl.read_parquet(out / "test.parquet")
        assert table["round"].to_list() == [0] * 12 + [1] * 12 + [2] * 12
        assert table.filter(pl.col("round") == 2)["image_id"].equals(test["image_id"])
        np.testing.assert_allclose(table["p_left"] + table["p_right"], 1, atol=1e-12)

    def test_labels_that_are_bought_first_are_the_same_in_all_arms(self, spots, tmp_path):
        out = play(
            spots,
            tmp_path / "out",
            settings={"start": 6, "rounds": 1, "acquisitions": ("entropy",)},
        )
        firsts = [
            [
                rows_of(out, arm, s)[0]["bought"]
                for arm in ("entropy-AFT-LQ", "RFT-LQ", "entropy-ACFT-HQ")
            ]
            for s in (0, 1)
        ]
        assert firsts[0][0] == firsts[0][1] == firsts[0][2] != firsts[1][0]
        assert [row["labels"] for row in rows_of(out, "RFT-LQ")] == [6, 10]

    def test_images_of_a_candidate_stay_together(self, spots, tmp_path, monkeypatch):
        spy = Spy(monkeypatch)
        asked = {"candidate": "patient_id", "batch": 2, "acquisitions": ("aift",), "seeds": 1}
        out = play(spots, tmp_path / "out", settings=asked)
        patients = Index.load(out / "index.parquet").frame["patient_id"].to_list()
        whole = {name: {n for n, p in enumerate(patients) if p == name} for name in patients}
        for arm in ("aift-ACFT-HQ", "aift-AFT-LQ", "RFT-LQ"):
            for row in rows_of(out, arm):
                assert len(row["bought"]) == 2
                assert set(row["places"]) == set.union(*(whole[patients[p]] for p in row["places"]))
        for _, _, places, _, _, _ in spy.trainings:
            assert set(places.tolist()) == set.union(*(whole[patients[p]] for p in places))

    def test_only_so_many_are_looked_at(self, spots, tmp_path, monkeypatch):
        looked, real = [], Learner.evidence
        monkeypatch.setattr(
            Learner,
            "evidence",
            lambda one, c, chosen, **k: looked.append(chosen.tolist()) or real(one, c, chosen, **k),
        )
        asked = {"among": 7, "acquisitions": ("entropy",), "strategies": ("AFT",), "seeds": 1}
        out = play(spots, tmp_path / "out", settings=asked)
        assert [len(one) for one in looked] == [7, 7, 7]
        assert looked[1] != looked[2]
        for one, row in zip(looked, rows_of(out, "entropy-AFT-LQ"), strict=True):
            assert set(row["bought"]) <= set(one)

    def test_stopping_rules_are_tried_out_on_every_arm(self, played):
        out, _ = played
        record = json.loads((out / "simulation.json").read_text())
        assert record["stops"].keys() == {arm["name"] for arm in record["arms"]}
        asked = Settings(
            acquisitions=("entropy",),
            strategies=("AFT",),
            stop=("budget:labels=8", "budget:labels=99"),
        )
        assert _stops(out / "runs" / "RFT-LQ", [0, 1], asked) == {
            "budget:labels=8": [1, 1],
            "budget:labels=99": [None, None],
        }

    def test_forgetting_is_counted_against_the_model_before(self, spots, tmp_path, monkeypatch):
        found, real = [], rounds.Play._look_around

        def watched(one, state, known, row):
            before, places = one.standing, one.candidates.of_these(known)
            after = real(one, state, known, row)
            now = all_right(one.truth[places], one.learner.answers(places), "exclusive")
            right = {p for p, yes in zip(places.tolist(), now, strict=True) if yes}
            was = set(np.flatnonzero(before.right).tolist())
            found.append(((row["knew"], row["kept"]), (len(was), len(was & right))))
            return after

        monkeypatch.setattr(rounds.Play, "_look_around", watched)
        play(
            spots, tmp_path / "out", settings={"acquisitions": ("entropy",), "seeds": 1}, rate=3e-2
        )
        assert all(one == two for one, two in found)
        assert any(knew for (knew, _), _ in found)

    def test_a_whole_network_learns_too(self, spots, tmp_path):
        asked = {"acquisitions": ("entropy",), "strategies": ("ACFT(LQ)",), "seeds": 1, "rounds": 2}
        out = play(spots, tmp_path / "out", settings=asked, strategy="full", after="stem")
        assert not (out / "kept").exists()
        assert not json.loads((out / "simulation.json").read_text())["frozen"]
        assert len(rows_of(out, "entropy-ACFT-LQ")) == 2


class TestGoingOn:
    def test_a_stopped_simulation_goes_on_to_the_same_bits(
        self, played, spots, tmp_path, monkeypatch
    ):
        whole, _ = played
        out, real, count = tmp_path / "out", rounds.Play._round, [0]
        for stop_after in (1, 4, 9):  # in the first arm, between arms, in the fourth

            def stopping(one, number, stop_after=stop_after):
                if count[0] == stop_after:
                    raise KeyboardInterrupt
                count[0] += 1
                real(one, number)

            with monkeypatch.context() as patch:
                patch.setattr(rounds.Play, "_round", stopping)
                with pytest.raises(KeyboardInterrupt):
                    play(spots, out)
        done = []
        monkeypatch.setattr(
            rounds.Play, "_round", lambda one, number: done.append(number) or real(one, number)
        )
        play(spots, out)
        assert len(done) == 36 - 9
        for arm in ARMS:
            for seed in (0, 1):
                assert without_times(rows_of(out, arm, seed)) == without_times(
                    rows_of(whole, arm, seed)
                )
                assert answers_of(out, arm, seed).equals(answers_of(whole, arm, seed))
        for seed in "01":
            one, two = (
                pl.read_parquet(o / "full" / seed / "answers.parquet") for o in (out, whole)
            )
            assert one.equals(two)
        assert not list(out.rglob("checkpoint"))

    def test_arms_seeds_and_prices_may_be_added_and_nothing_is_played_twice(
        self, played, spots, tmp_path, monkeypatch
    ):
        out, real, done = tmp_path / "out", rounds.Play._round, []
        shutil.copytree(played[0], out)
        monkeypatch.setattr(
            rounds.Play,
            "_round",
            lambda one, number: done.append((one.arm.name, one.seed)) or real(one, number),
        )
        more = {"acquisitions": ("entropy", "aift", "margin"), "seeds": 2, "cost_per_label": 3.0}
        play(spots, out, settings=more)
        assert set(done) == {(f"margin {s}", n) for s in ("AFT(LQ)", "ACFT(HQ)") for n in (0, 1)}

    def test_other_settings_or_rows_are_refused(self, played, spots, tmp_path):
        out, _ = played
        with pytest.raises(ArgumentError, match=r"must keep its settings, but batch, rate of"):
            play(spots, out, settings={"batch": 5}, rate=1e-2)
        fewer = Index.load(spots)
        fewer.with_frame(fewer.frame.head(47)).save(tmp_path / "fewer.parquet")
        with pytest.raises(TableError, match="must keep its rows"):
            play(tmp_path / "fewer.parquet", out)

    def test_a_folder_of_something_else_is_refused(self, spots, tmp_path):
        (tmp_path / "thesis.txt").touch()
        with pytest.raises(OutputError, match="holds something else"):
            play(spots, tmp_path)


class TestRefused:
    @pytest.mark.parametrize(
        ("settings", "recipe", "said"),
        [
            ({"rounds": 8}, {}, "the 28 candidates of the pool, got 32"),
            ({"acquisitions": ("aift",)}, {"augment": ()}, "but there is none"),
            ({"acquisitions": ("aift",)}, {"augment": ("mixup",)}, "mixes images"),
            ({}, {"strategy": "linear:c=0.1"}, "a head that is fitted at once does not go on"),
            ({"strategies": ("AFT",)}, {"strategy": "linear"}, "cannot be cross-validated"),
            ({}, {"labels_per_class": 3}, "labels_per_class belongs to a single training"),
            ({}, {"keep_best": 2}, "answers with one network"),
            ({"candidate": "side"}, {}, "'side' is a label"),
            ({}, {"slices": 1}, "whole images and volumes, got slices 1"),
            ({"stop": ("plateau:rounds=0",)}, {}, "greater than or equal to 1"),
        ],
    )
    def test_what_cannot_be_played(self, spots, tmp_path, settings, recipe, said):
        with pytest.raises(ArgumentError, match=said):
            play(spots, tmp_path / "out", settings=settings, **recipe)
        assert not (tmp_path / "out" / "runs").exists()

    def test_weights_of_another_network(self, spots, tmp_path):
        with pytest.raises(WeightsError):
            play(spots, tmp_path / "out", weights=str(tmp_path / "no.safetensors"))


def flags(**changes):
    settings = {**QUICK, "augment": "films", "after": "layer1", "replicates": 20, "weights": "none"}
    settings |= changes
    return [part for k, v in settings.items() for part in (f"--{k.replace('_', '-')}", str(v))]


class TestCommand:
    def test_it_prints_the_answer_and_a_table(self, spots, tmp_path, capsys):
        out = tmp_path / "out"
        call = [
            "active",
            "simulate",
            str(spots),
            "--out",
            str(out),
            "--tune",
            "head",
            "--seeds",
            "2",
        ]
        call += ["--acquisition", "margin,entropy:omega=2", "--strategy", "AFT", "--batch", "4"]
        call += ["--rounds", "2", "--start", "4", "--least-steps", "4", "--seconds-per-label", "30"]
        assert main([*call, *flags()]) == 0
        said = capsys.readouterr().out
        assert "Active learning" in said
        assert "entropy:omega=2 AFT(LQ)" in said
        assert str(out / "simulation.html") in said
        record = json.loads((out / "simulation.json").read_text())
        assert record["settings"]["acquisitions"] == ["margin", "entropy:omega=2"]
        assert (record["settings"]["start"], record["frozen"]) == (4, True)

    @pytest.mark.parametrize(
        ("more", "said"),
        [
            (["--start", "warm"], "--start must be 'cold' or a number of 2 or more, got 'warm'"),
            (["--batch", "1"], "batch: input should be greater than or equal to 2, got 1"),
            (["--strategy", "ACFT"], "no continual strategy is called 'ACFT'"),
        ],
    )
    def test_wrong_flags_are_one_line(self, spots, tmp_path, capsys, more, said):
        call = ["active", "simulate", str(spots), "--out", str(tmp_path / "out"), *more, *flags()]
        assert main(call) == 2
        error = capsys.readouterr().err
        assert said in error
        assert error.count("\n") == 1


@pytest.mark.slow
def test_ctrl_c_keeps_every_finished_round_and_the_same_command_ends_alike(spots, tmp_path):
    out, whole = tmp_path / "out", tmp_path / "whole"
    call = [
        sys.executable,
        "-m",
        "medgraft.cli",
        "active",
        "simulate",
        str(spots),
        "--tune",
        "full",
    ]
    call += ["--strategy", "ACFT(LQ)", "--batch", "2", "--rounds", "12", "--seeds", "1"]
    call += ["--least-steps", "8", *flags()]
    first = "entropy-ACFT-LQ"
    with subprocess.Popen([*call, "--out", str(out)], stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 120
        while not (out / "runs" / first / "0" / "rounds.json").is_file():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=120)[1]
    assert process.returncode == 130, said
    assert not (out / "results.json").exists()
    kept = rows_of(out, first)
    assert subprocess.run([*call, "--out", str(out)]).returncode == 0
    assert rows_of(out, first) == kept  # to its seconds: not one round was played again
    assert subprocess.run([*call, "--out", str(whole)]).returncode == 0
    for arm in (first, "random-ACFT-LQ"):
        assert without_times(rows_of(out, arm)) == without_times(rows_of(whole, arm))
        assert answers_of(out, arm).equals(answers_of(whole, arm))
