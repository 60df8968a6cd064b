"""What one reader said, and what of it no model could have swayed."""

from medgraft.ledger import Queued


def answered(ledger, reader, count):
    for _ in range(count):
        image = ledger.next(reader).image_id
        yield image, ledger.answer(reader, image, "normal", model="").number


def test_history_is_the_readers_own_latest_first_in_parts(begin):
    ledger = begin(count=6)
    anna = list(answered(ledger, "anna", 4))
    list(answered(ledger, "ben", 1))
    corrected = ledger.answer("anna", anna[1][0], "pneumonia", model="").number
    wanted = [(anna[1][0], corrected), anna[3], anna[2], anna[0]]
    found = ledger.history("anna", count=3)
    assert [(one.image_id, one.event) for one in found] == wanted[:3]
    rest = ledger.history("anna", count=3, before=found[-1].event)
    assert [(one.image_id, one.event) for one in rest] == wanted[3:]
    assert found[0].labels == ("pneumonia",)


def test_an_undone_answer_is_no_history(begin):
    ledger = begin()
    ((image, _),) = answered(ledger, "anna", 1)
    ledger.undo("anna")
    assert ledger.history("anna", count=9) == []
    assert image


def test_unswayed_are_answers_given_before_the_model_was_seen_to_images_it_was_asked_about(begin):
    ledger = begin(readers=("anna",), count=0)
    said = {"normal": 0.2, "pneumonia": 0.8}
    ledger.queue(1, [Queued(name, n, probabilities=p) for n, (name, p) in enumerate(
        {"blind": said, "seen": said, "unasked": None, "unsure": said, "corrected": said}.items()
    )])  # fmt: skip
    ledger.lease("anna", count=5)
    ledger.answer("anna", "blind", "normal", model="")
    ledger.answer("anna", "seen", "normal", model="round 2")
    ledger.answer("anna", "unasked", "normal", model="")
    ledger.unsure("anna", "unsure", model="")
    ledger.answer("anna", "corrected", "normal", model="")
    ledger.answer("anna", "corrected", "pneumonia", model="round 2")
    ((found, probabilities),) = ledger.unswayed("anna")
    assert (found.image_id, found.labels, probabilities) == ("blind", ("normal",), said)
