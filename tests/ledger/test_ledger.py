"""What a ledger promises, on SQLite and on PostgreSQL alike."""

import time
from datetime import datetime, timedelta

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError

from medgraft.errors import (
    ArgumentError,
    LeaseError,
    LedgerError,
    OutputError,
    TableError,
    UnknownNameError,
)
from medgraft.ledger import Campaign, Class, Queued, open_ledger
from tests.ledger import slow_twin
from tests.ledger.conftest import CLASSES, NUMBERS, images


def read(ledger, reader, label, **more):
    """Take the next image and answer it."""
    image = ledger.next(reader).image_id
    ledger.answer(reader, image, label, **more)
    return image


def statuses(ledger):
    return dict(ledger.labels().select("image_id", "status").iter_rows())


# --- answers ---------------------------------------------------------------------------------


def test_an_answer_is_an_event_with_all_that_is_known_of_it(begin):
    ledger = begin()
    leased = ledger.next("anna")
    done = ledger.answer(
        "anna", leased.image_id, "pneumonia", seconds=2.5, request="r1", model="m7"
    )
    (event,) = ledger.events()
    assert event == done
    assert (event.reader, event.act, event.image_id) == ("anna", "answer", "image-0")
    assert (event.labels, event.seconds, event.model, event.request) == (
        ("pneumonia",),
        2.5,
        "m7",
        "r1",
    )
    assert event.at.utcoffset().total_seconds() == 0
    assert event.about is None


def test_images_come_in_the_order_of_batches_and_ranks(begin):
    ledger = begin(("anna",), count=0)
    ledger.queue(1, [Queued("late", 2), Queued("early", 1)])
    ledger.queue(2, [Queued("first-of-second", 0)])
    assert [read(ledger, "anna", "normal") for _ in range(3)] == [
        "early",
        "late",
        "first-of-second",
    ]
    assert ledger.next("anna") is None


def test_why_and_probabilities_come_back_as_they_were_queued(begin):
    ledger = begin(("anna",), count=0)
    why = {"score": 0.25, "nearest": ["x", "ü"]}
    ledger.queue(3, [Queued("one", 4, why, {"normal": 0.4, "pneumonia": 0.6}, "round-2")])
    leased = ledger.next("anna")
    assert (leased.batch, leased.rank, leased.model) == (3, 4, "round-2")
    assert leased.why == why
    assert leased.probabilities == {"normal": 0.4, "pneumonia": 0.6}
    assert ledger.queued("one").why == why


def test_an_event_names_the_model_that_the_image_was_queued_with(begin):
    ledger = begin(("anna",), count=0)
    ledger.queue(1, [Queued("one", 0, model="round-2")])
    read(ledger, "anna", "normal")
    assert next(ledger.events()).model == "round-2"


def test_a_repeated_request_makes_one_event_and_returns_it(begin):
    ledger = begin(("anna",))
    image = ledger.next("anna").image_id
    first = ledger.answer("anna", image, "normal", request="same")
    assert ledger.answer("anna", image, "normal", request="same") == first
    assert len(list(ledger.events())) == 1


def test_a_request_that_meant_something_else_is_refused(begin):
    ledger = begin(("anna",))
    image = ledger.next("anna").image_id
    ledger.answer("anna", image, "normal", request="same")
    with pytest.raises(LedgerError, match="must mean one act"):
        ledger.answer("anna", image, "pneumonia", request="same")
    assert len(list(ledger.events())) == 1


def test_two_readers_may_use_the_same_request(begin):
    ledger = begin(readers_per_image=2)
    read(ledger, "anna", "normal", request="1")
    read(ledger, "ben", "normal", request="1")
    assert statuses(ledger)["image-0"] == "agreed"


def test_a_second_answer_corrects_the_first_and_both_stay(begin):
    ledger = begin(("anna",))
    image = read(ledger, "anna", "normal")
    ledger.answer("anna", image, "pneumonia")
    first, second = ledger.events()
    assert (second.act, second.about) == ("correction", first.number)
    assert ledger.labels().row(0, named=True)["label"] == "pneumonia"


def test_an_unsure_counts_as_a_reading_without_a_label(begin):
    ledger = begin(("anna",))
    ledger.unsure("anna", ledger.next("anna").image_id)
    assert ledger.labels().row(0, named=True) == {
        "image_id": "image-0", "batch": 1, "status": "unsure", "label": None,
    }  # fmt: skip
    assert ledger.next("anna").image_id == "image-1"


def test_what_is_skipped_goes_to_the_others_only(begin):
    ledger = begin(count=2)
    ledger.skip("anna", ledger.next("anna").image_id)
    assert ledger.next("anna").image_id == "image-1"
    assert ledger.next("ben").image_id == "image-0"


def test_what_everybody_skips_waits_for_an_adjudicator_or_a_new_reader(begin):
    ledger = begin(count=1)
    for name in ("anna", "ben"):
        ledger.skip(name, ledger.next(name).image_id)
    assert statuses(ledger) == {"image-0": "skipped"}
    assert [d.status for d in ledger.disputes()] == ["skipped"]
    ledger.admit("carla")
    assert statuses(ledger) == {"image-0": "open"}
    assert ledger.next("carla").image_id == "image-0"


def test_independent_classes_may_hold_together_or_not_at_all(begin):
    ledger = begin(("anna",), count=2, kind="independent")
    read(ledger, "anna", ["pneumonia", "normal"])
    read(ledger, "anna", [])
    assert ledger.labels().select("normal", "pneumonia").rows() == [(1, 1), (0, 0)]


# --- several readers -------------------------------------------------------------------------


def test_no_two_readers_are_given_the_same_image_at_once(begin):
    ledger = begin(readers_per_image=2)
    given_out = [ledger.next(name).image_id for name in ("anna", "ben", "anna", "ben")]
    assert given_out == ["image-0", "image-1", "image-0", "image-1"]


def test_each_image_is_read_by_as_many_as_the_campaign_wants_and_no_more(begin):
    ledger = begin(("anna", "ben", "carla"), count=1, readers_per_image=2)
    read(ledger, "anna", "normal")
    assert ledger.next("anna") is None
    read(ledger, "ben", "normal")
    assert ledger.next("carla") is None


def test_readers_who_disagree_leave_no_label_until_somebody_rules(begin):
    ledger = begin(count=1, readers_per_image=2)
    ledger.admit("chief", "adjudicator")
    read(ledger, "anna", "normal")
    image = read(ledger, "ben", "pneumonia")
    assert ledger.labels().row(0) == (image, 1, "disputed", None)
    (dispute,) = ledger.disputes()
    assert [(r.reader, r.labels) for r in dispute.readings] == [
        ("anna", ("normal",)), ("ben", ("pneumonia",)),
    ]  # fmt: skip
    ledger.adjudicate("chief", image, "pneumonia")
    assert ledger.labels().row(0) == (image, 1, "adjudicated", "pneumonia")
    assert not ledger.disputes()
    ledger.adjudicate("chief", image, "normal")
    assert ledger.labels().row(0) == (image, 1, "adjudicated", "normal")


def test_two_of_three_make_a_label(begin):
    ledger = begin(("anna", "ben", "carla"), count=1, readers_per_image=3)
    for name, label in (("anna", "normal"), ("ben", "pneumonia"), ("carla", "pneumonia")):
        read(ledger, name, label)
    assert ledger.labels().row(0) == ("image-0", 1, "majority", "pneumonia")


def test_one_answer_and_one_unsure_make_no_label(begin):
    ledger = begin(count=1, readers_per_image=2)
    read(ledger, "anna", "normal")
    ledger.unsure("ben", ledger.next("ben").image_id)
    assert statuses(ledger) == {"image-0": "disputed"}


def test_nobody_rules_over_readers_who_agree_or_still_read(begin):
    ledger = begin(count=2, readers_per_image=2)
    ledger.admit("chief", "adjudicator")
    with pytest.raises(LedgerError, match="is open"):
        ledger.adjudicate("chief", "image-0", "normal")
    for name in ("anna", "ben"):
        read(ledger, name, "normal")
    with pytest.raises(LedgerError, match="is agreed"):
        ledger.adjudicate("chief", "image-0", "pneumonia")


@pytest.fixture
def two_judges(begin):
    """Two adjudicators, of whom one has settled the first of two disputed images."""
    ledger = begin(count=3, readers_per_image=2)
    for reader, said in (("anna", ["normal"] * 3), ("ben", ["pneumonia"] * 2 + ["normal"])):
        ledger.lease(reader, count=3)
        for number, label in enumerate(said):
            ledger.answer(reader, f"image-{number}", label)
    for name in ("chief", "deputy"):
        ledger.admit(name, "adjudicator")
    ledger.adjudicate("chief", "image-0", "normal")
    return ledger


def test_disputes_come_as_many_as_are_asked_for_and_are_counted(two_judges):
    assert [one.image_id for one in two_judges.disputes()] == ["image-1"]
    two_judges.undo("chief")
    assert [one.image_id for one in two_judges.disputes(count=1)] == ["image-0"]
    assert {one.reader: one.labels for one in two_judges.disputes()[1].readings} == {
        "anna": ("normal",),
        "ben": ("pneumonia",),
    }
    assert two_judges.progress().disputes == 2


def test_a_dispute_is_in_the_hands_of_one_adjudicator_until_it_is_settled_or_given_back(two_judges):
    two_judges.undo("chief")

    def mine(name, count=2, **more):
        return [one.image_id for one in two_judges.lease_disputes(name, count=count, **more)]

    assert mine("chief", 1) == ["image-0"]
    assert mine("deputy") == ["image-1"]
    assert mine("chief") == ["image-0"]
    two_judges.adjudicate("chief", "image-0", "normal")
    assert mine("chief") == []
    two_judges.release("deputy")
    assert mine("chief", lease_seconds=0.01) == ["image-1"]
    time.sleep(0.02)
    assert mine("deputy") == ["image-1"]
    with pytest.raises(LedgerError, match="admitted to the campaign as adjudicator"):
        mine("anna")
    with pytest.raises(ArgumentError, match="may hold 1 to 100 images, got 0"):
        mine("chief", 0)


def test_an_adjudicator_does_not_keep_an_image_that_is_disputed_no_more_from_its_reader(two_judges):
    two_judges.lease_disputes("deputy", count=1)
    two_judges.undo("ben")  # image-2
    assert two_judges.undo("ben").image_id == "image-1"
    assert "image-1" in [one.image_id for one in two_judges.lease("ben", count=3)]
    assert two_judges.answer("ben", "image-1", "normal").act == "answer"


def test_another_adjudicator_overrules_only_if_allowed(two_judges):
    with pytest.raises(LedgerError, match="'chief' has settled 'image-0' meanwhile"):
        two_judges.adjudicate("deputy", "image-0", "pneumonia", overrule=False)
    two_judges.adjudicate("chief", "image-0", "pneumonia", overrule=False)  # corrects their own
    two_judges.adjudicate("deputy", "image-0", "normal")
    assert two_judges.labels().row(0)[2:] == ("adjudicated", "normal")


def test_to_take_back_what_was_overruled_leaves_the_later_ruling(two_judges):
    two_judges.adjudicate("deputy", "image-0", "pneumonia")
    two_judges.undo("chief")
    assert two_judges.labels().row(0)[2:] == ("adjudicated", "pneumonia")
    two_judges.undo("deputy")
    assert two_judges.labels().row(0)[2:] == ("disputed", None)


def test_each_role_takes_back_its_own_acts(two_judges):
    two_judges.admit("anna", "adjudicator")
    two_judges.adjudicate("anna", "image-1", "normal")
    assert two_judges.undo("anna", role="reader").image_id == "image-2"
    assert two_judges.undo("anna", role="adjudicator").image_id == "image-1"
    assert two_judges.undo("anna", role="adjudicator") is None
    for name, role in (("ben", "adjudicator"), ("chief", "reader"), ("eve", None)):
        with pytest.raises(LedgerError, match="must be admitted"):
            two_judges.undo(name, role=role)


def test_what_was_done_about_an_image_is_known_even_if_it_was_taken_back(two_judges):
    two_judges.undo("chief")
    assert two_judges.done_about("chief", "image-0") == ("adjudication", "undo")
    assert two_judges.done_about("anna", "image-0") == ("answer",)
    assert two_judges.done_about("deputy", "image-0") == ()


def test_a_reader_is_no_adjudicator(begin):
    ledger = begin(count=1, readers_per_image=2)
    read(ledger, "anna", "normal")
    image = read(ledger, "ben", "pneumonia")
    with pytest.raises(LedgerError, match="admitted to the campaign as adjudicator"):
        ledger.adjudicate("anna", image, "normal")


def test_who_is_admitted_later_is_given_what_is_still_open(begin):
    ledger = begin(("anna",), count=2)
    read(ledger, "anna", "normal")
    ledger.admit("ben")
    ledger.admit("ben")
    assert ledger.next("ben").image_id == "image-1"
    assert ledger.readers() == ("anna", "ben")


# --- leases ----------------------------------------------------------------------------------


def test_next_gives_the_same_image_until_it_is_answered(begin):
    ledger = begin(("anna",))
    assert ledger.next("anna").image_id == ledger.next("anna").image_id == "image-0"


def test_pages_fetch_ahead_what_nobody_else_is_given(begin):
    ledger = begin()
    assert [one.image_id for one in ledger.lease("anna", count=3)] == [
        "image-0",
        "image-1",
        "image-2",
    ]
    assert ledger.next("ben").image_id == "image-3"


def test_an_expired_lease_lets_others_have_the_image(begin):
    ledger = begin(count=1)
    ledger.next("anna", lease_seconds=0.01)
    time.sleep(0.02)
    assert ledger.next("ben").image_id == "image-0"
    with pytest.raises(LeaseError, match="with another reader now; nothing was saved"):
        ledger.answer("anna", "image-0", "normal")
    assert not list(ledger.events())


def test_an_expired_lease_that_nobody_took_still_lets_its_reader_answer(begin):
    ledger = begin(count=1)
    image = ledger.next("anna", lease_seconds=0.01).image_id
    time.sleep(0.02)
    assert ledger.answer("anna", image, "normal").act == "answer"


def test_a_reader_on_a_machine_whose_clock_is_fast_takes_nobodys_image(begin, monkeypatch, place):
    """Leases go by the clock of the ledger: for PostgreSQL that of its server."""
    ledger = begin(count=1)
    if ledger.database.engine.dialect.name == "sqlite":
        pytest.skip("a SQLite ledger is written by one machine, with one clock")
    leased = ledger.next("anna", lease_seconds=60)

    class Fast(datetime):
        @classmethod
        def now(cls, zone=None):
            return super().now(zone) + timedelta(hours=1)

    monkeypatch.setattr("medgraft.ledger.clock.datetime", Fast)
    assert ledger.next("ben") is None
    event = ledger.answer("anna", leased.image_id, "normal")
    assert abs((event.at - leased.expires).total_seconds()) < 120


def test_a_renewed_lease_holds(begin):
    ledger = begin(count=1)
    ledger.next("anna", lease_seconds=0.01)
    assert ledger.renew("anna", lease_seconds=60) == ["image-0"]
    time.sleep(0.02)
    assert ledger.next("ben") is None


def test_what_went_to_somebody_else_is_not_renewed(begin):
    ledger = begin(count=2)
    ledger.lease("anna", count=2, lease_seconds=0.01)
    time.sleep(0.02)
    assert ledger.next("ben").image_id == "image-0"
    assert ledger.renew("anna") == ["image-1"]


def test_what_is_given_back_can_be_given_out_at_once(begin):
    ledger = begin(count=2)
    ledger.lease("anna", count=2)
    ledger.release("anna", ["image-1"])
    assert ledger.next("ben").image_id == "image-1"
    ledger.release("anna")
    assert [one.image_id for one in ledger.lease("ben", count=2)] == ["image-0", "image-1"]


def test_an_image_that_was_never_given_out_cannot_be_answered(begin):
    ledger = begin()
    with pytest.raises(LeaseError, match="not in their hands"):
        ledger.answer("anna", "image-3", "normal")


# --- undo ------------------------------------------------------------------------------------


def test_undo_brings_the_image_back_and_keeps_both_events(begin):
    ledger = begin(("anna",))
    image = read(ledger, "anna", "normal")
    undone = ledger.undo("anna")
    answered, event = ledger.events()
    assert event == undone
    assert (event.act, event.image_id, event.about) == ("undo", image, answered.number)
    assert statuses(ledger)[image] == "open"
    assert ledger.next("anna").image_id == image
    assert ledger.answer("anna", image, "pneumonia").act == "answer"


def test_undo_repeated_goes_back_step_by_step_and_then_ends(begin):
    ledger = begin(("anna",))
    read(ledger, "anna", "normal")
    read(ledger, "anna", "normal")
    assert [ledger.undo("anna").image_id for _ in range(2)] == ["image-1", "image-0"]
    assert ledger.undo("anna") is None
    assert set(statuses(ledger).values()) == {"open"}


def test_undo_of_a_correction_restores_the_answer_before_it(begin):
    ledger = begin(("anna",))
    image = read(ledger, "anna", "normal")
    ledger.answer("anna", image, "pneumonia")
    ledger.undo("anna")
    assert ledger.labels().row(0) == (image, 1, "agreed", "normal")


def test_undo_of_a_ruling_restores_the_one_before_it(begin):
    ledger = begin(count=1, readers_per_image=2)
    ledger.admit("chief", "adjudicator")
    read(ledger, "anna", "normal")
    image = read(ledger, "ben", "pneumonia")
    ledger.adjudicate("chief", image, "pneumonia")
    ledger.adjudicate("chief", image, "normal")
    ledger.undo("chief")
    assert ledger.labels().row(0)[2:] == ("adjudicated", "pneumonia")
    ledger.undo("chief")
    assert ledger.labels().row(0)[2:] == ("disputed", None)


def test_undo_takes_back_nothing_of_others(begin):
    ledger = begin()
    read(ledger, "anna", "normal")
    assert ledger.undo("ben") is None


def test_a_repeated_undo_request_undoes_once(begin):
    ledger = begin(("anna",))
    read(ledger, "anna", "normal")
    read(ledger, "anna", "normal")
    assert ledger.undo("anna", request="z") == ledger.undo("anna", request="z")
    assert list(statuses(ledger).values())[:2] == ["agreed", "open"]


# --- anything at all -------------------------------------------------------------------------

ACTS = st.tuples(
    st.sampled_from(["answer", "unsure", "skip", "undo", "correct", "settle", "rule", "expire"]),
    st.sampled_from(["anna", "ben", "carla"]),
    st.sampled_from([("normal",), ("pneumonia",)]),
    st.integers(0, 3),
)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(1, 3), st.lists(ACTS, max_size=25), st.booleans())
def test_whatever_is_done_the_tables_say_what_follows_from_the_events(
    quick_folder, wanted, acts, independent
):
    campaign = Campaign(
        "any", CLASSES, readers_per_image=wanted, kind="independent" if independent else "exclusive"
    )
    ledger = open_ledger(quick_folder / f"{next(NUMBERS)}.sqlite", create=campaign)
    readers = ("anna", "ben", "carla")
    for name in readers:
        ledger.admit(name)
        ledger.admit(name, "adjudicator")
    ledger.queue(1, images(4))
    for act, who, label, number in acts:
        try:
            if act in ("answer", "unsure", "skip"):
                leased = ledger.next(who)
                if leased is not None:
                    more = (label,) if act == "answer" else ()
                    getattr(ledger, act)(who, leased.image_id, *more)
            elif act == "undo":
                ledger.undo(who)
            elif act == "expire":
                ledger.release(who)
            elif act == "settle":
                for one in ledger.lease_disputes(who, count=2)[:1]:
                    ledger.adjudicate(who, one.image_id, label, overrule=False)
            elif act == "rule":
                ledger.adjudicate(who, f"image-{number}", label)
            else:
                ledger.answer(who, f"image-{number}", label)
        except LedgerError:
            continue
    names = [f"image-{n}" for n in range(4)]
    readings, standings = slow_twin.standing(campaign, readers, names, list(ledger.events()))
    found = {name: {} for name in names}
    for one in ledger.readings():
        found[one.image_id][one.reader] = (one.act, one.labels)
    assert found == readings
    assert statuses(ledger) == {name: status for name, (status, _) in standings.items()}
    expected = slow_twin.waiting(campaign, readers, readings, standings)
    progress = ledger.progress()
    assert progress.waiting == {name: len(left) for name, left in expected.items()}
    acts = [(who, act) for said in readings.values() for who, (act, _) in said.items()]
    assert progress.read == {r: sum(w == r and a != "skip" for w, a in acts) for r in readers}
    assert progress.passed == {r: sum(w == r and a == "skip" for w, a in acts) for r in readers}
    for status in ("open", "skipped", "unsure", "disputed"):
        there = [found for found, _ in standings.values() if found == status]
        assert getattr(progress, status) == len(there)
    assert progress.images == 4
    for name in readers:
        for other in readers:
            ledger.release(other)
        assert {one.image_id for one in ledger.lease(name, count=9)} == expected[name]
    ledger.close()


# --- wrong inputs ----------------------------------------------------------------------------


def test_an_unknown_class_is_refused_with_those_there_are(begin):
    ledger = begin(("anna",))
    with pytest.raises(UnknownNameError, match=r"'pneumonja'\. Did you mean 'pneumonia'"):
        ledger.answer("anna", ledger.next("anna").image_id, "pneumonja")


def test_an_unknown_image_is_refused(begin):
    ledger = begin(("anna",))
    with pytest.raises(UnknownNameError, match=r"'\.\./\.\./etc/passwd' is not"):
        ledger.answer("anna", "../../etc/passwd", "normal")


def test_a_foreign_reader_is_refused_everywhere(begin):
    ledger = begin(("anna",))
    for act in (
        lambda: ledger.next("eve"),
        lambda: ledger.renew("eve"),
        lambda: ledger.release("eve"),
        lambda: ledger.answer("eve", "image-0", "normal"),
        lambda: ledger.undo("eve"),
    ):
        with pytest.raises(LedgerError, match=r"'eve' must be admitted .* Admitted: anna"):
            act()


@pytest.mark.parametrize("name", ["", "=cmd()", " anna", "a\nb", "x" * 65, "anna "])
def test_a_name_that_is_none_is_refused(begin, name):
    with pytest.raises(ArgumentError, match="name of a reader"):
        begin((), count=0).admit(name)


@pytest.mark.parametrize("seconds", [-1.0, float("nan"), float("inf")])
def test_seconds_must_be_seconds(begin, seconds):
    ledger = begin(("anna",))
    with pytest.raises(ArgumentError, match="seconds must be finite"):
        ledger.answer("anna", ledger.next("anna").image_id, "normal", seconds=seconds)


def test_an_image_is_queued_once_and_a_batch_may_be_repeated(begin):
    ledger = begin(("anna",), count=3)
    ledger.queue(1, images(3))
    assert ledger.progress().images == 3
    with pytest.raises(LedgerError, match="batch 1 holds 3 other images"):
        ledger.queue(1, images(2))
    with pytest.raises(LedgerError, match="2 of batch 2 are in an earlier one, such as 'image-1'"):
        ledger.queue(2, images(3, first=1))
    with pytest.raises(ArgumentError, match="JSON with finite numbers"):
        ledger.queue(2, [Queued("new", 0, {"score": float("nan")})])
    assert ledger.progress().images == 3


def test_an_exclusive_answer_is_one_class(begin):
    ledger = begin(("anna",))
    with pytest.raises(ArgumentError, match="exactly one class"):
        ledger.answer("anna", ledger.next("anna").image_id, ["normal", "pneumonia"])


@pytest.mark.parametrize(
    ("classes", "settings", "said"),
    [
        ((Class("a"),), {}, "at least 2 classes"),
        ((Class("a"), Class("a")), {}, "a name of its own"),
        ((Class("a", key="1"), Class("b", key="1")), {}, "a key of its own"),
        ((Class("a"), Class("b")), {"readers_per_image": 0}, "readers_per_image must be >= 1"),
        ((Class("a"), Class("status")), {}, "no class may be called status"),
    ],
)
def test_a_campaign_that_cannot_be_is_refused(classes, settings, said):
    with pytest.raises(ArgumentError, match=said):
        Campaign("films", classes, **settings)


def test_classes_get_keys_that_nobody_else_has():
    made = Campaign("films", (Class("a"), Class("b", key="1"), Class("c")))
    assert [one.key for one in made.classes] == ["2", "1", "3"]


# --- places ----------------------------------------------------------------------------------


def test_a_ledger_is_the_same_when_it_is_opened_again(begin, place):
    ledger = begin(("anna",), readers_per_image=1)
    read(ledger, "anna", "normal")
    again = open_ledger(place)
    assert again.campaign == ledger.campaign
    assert again.identity == ledger.identity
    assert list(again.events()) == list(ledger.events())
    again.close()


def test_a_second_campaign_in_the_same_place_is_refused(begin, place):
    begin()
    with pytest.raises(OutputError, match="a new ledger needs a"):
        open_ledger(place, create=Campaign("other", CLASSES))


def test_a_place_without_a_ledger_is_refused(place):
    with pytest.raises(TableError, match="active start"):
        open_ledger(place)


def test_a_file_that_is_no_ledger_is_refused(tmp_path):
    file = tmp_path / "notes.txt"
    file.write_text("not a database at all, but long enough to be looked at\n" * 20)
    with pytest.raises(TableError, match="must be a ledger"):
        open_ledger(file)


@pytest.mark.parametrize("url", ["mysql://host/db", "sqlite://", "://"])
def test_other_databases_are_refused(url):
    with pytest.raises(LedgerError, match="postgresql://"):
        open_ledger(url)


def test_a_server_that_is_away_is_an_error_without_its_password():
    with pytest.raises(OutputError, match="cannot be reached") as caught:
        open_ledger("postgresql://me:secret@127.0.0.1:1/db")
    assert "secret" not in str(caught.value)


def test_the_index_of_another_campaign_is_refused(begin):
    ledger = begin(index_sha256="ab" * 32)
    ledger.check_index("ab" * 32)
    with pytest.raises(TableError, match="must be of this index"):
        ledger.check_index("cd" * 32)


# --- nothing is ever changed -----------------------------------------------------------------

CHANGES = [
    "UPDATE events SET labels = '[\"normal\"]'",
    "DELETE FROM events",
    "DELETE FROM events WHERE number = 1",
    "UPDATE items SET why = '{}'",
    "DELETE FROM items",
    "UPDATE campaign SET settings = '{}'",
    "DELETE FROM readers",
    "UPDATE batches SET at = 'now'",
]


@pytest.mark.parametrize("statement", CHANGES)
def test_the_database_itself_refuses_to_change_what_is_written_once(begin, statement):
    ledger = begin(("anna",))
    read(ledger, "anna", "pneumonia")
    before = list(ledger.events())
    with (
        ledger.database.engine.connect() as connection,
        pytest.raises(DatabaseError, match="only grow"),
        connection.begin(),
    ):
        connection.execute(text(statement))
    assert list(ledger.events()) == before


def test_the_database_refuses_to_empty_or_replace_events(begin):
    ledger = begin(("anna",))
    read(ledger, "anna", "pneumonia", request="r")
    columns = "number, at, reader, act, image_id, model, request"
    row = "'t', 'anna', 'skip', 'image-0', '', 'r'"
    statements = ["TRUNCATE events CASCADE"]
    if ledger.database.engine.dialect.name == "sqlite":
        statements = [
            f"INSERT OR REPLACE INTO events ({columns}) VALUES (1, {row})",
            f"INSERT OR REPLACE INTO events ({columns}) VALUES (9, {row})",
        ]
    for statement in statements:
        with ledger.database.engine.connect() as connection:
            if connection.dialect.name == "sqlite":
                connection.exec_driver_sql("PRAGMA recursive_triggers = OFF")  # as others have it
            with pytest.raises(DatabaseError, match="only grow"):
                connection.execute(text(statement))
    assert [e.act for e in ledger.events()] == ["answer"]


def test_labels_of_an_empty_queue_are_an_empty_table(begin):
    found = begin(count=0).labels()
    assert found.schema == {
        "image_id": pl.String, "batch": pl.Int64, "status": pl.String, "label": pl.String,
    }  # fmt: skip
    assert found.is_empty()


def test_progress_counts_images_and_readings(begin):
    ledger = begin(count=4, readers_per_image=2)
    for name in ("anna", "ben"):
        read(ledger, name, "normal")
    read(ledger, "anna", "normal")
    read(ledger, "ben", "pneumonia")
    ledger.skip("anna", ledger.next("anna").image_id)
    found = ledger.progress()
    assert (found.images, found.settled, found.disputed, found.open) == (4, 1, 1, 2)
    assert found.read == {"anna": 2, "ben": 2}
    assert found.passed == {"anna": 1, "ben": 0}
    assert found.waiting == {"anna": 1, "ben": 2}
