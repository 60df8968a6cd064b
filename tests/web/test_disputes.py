"""Settling what readers do not: who may, what they see, and what is written."""

import pytest

RULING = {"labels": ["lesion"]}


@pytest.fixture
def disputed(begin):
    """Two readers who differ about the first two of three scans."""
    labelling = begin(images=3, per_image=2)
    for reader, said in (("anna", ["normal"] * 3), ("ben", ["lesion", "lesion", "normal"])):
        labelling.ledger.lease(reader, count=3)
        for image_id, label in zip(labelling.ids, said, strict=True):
            labelling.ledger.answer(reader, image_id, label)
    return labelling


@pytest.fixture
def judith(disputed):
    return disputed.client("judith")


def rule(client, image_id, request="ruling-1", **more):
    body = {"request": request, "image_id": image_id, **RULING, **more}
    return client.post("/api/rulings", json=body)


def test_an_adjudicator_is_shown_what_readers_said_and_not_who(disputed, judith):
    told = judith.post("/api/disputes/next").json()
    assert told["waiting"] == 2
    assert [one["image_id"] for one in told["scans"]] == disputed.ids[:2]
    said = sorted(one["labels"][0] for one in told["scans"][0]["said"])
    assert said == ["lesion", "normal"]
    assert "anna" not in judith.post("/api/disputes/next").text
    assert judith.get("/").headers["location"] == "/disputes"
    assert "How do you settle it?" in judith.get("/disputes").text


def test_a_ruling_is_the_label_and_is_written_once(disputed, judith):
    first, second = (one["image_id"] for one in judith.post("/api/disputes/next").json()["scans"])
    told = [rule(judith, first).json() for _ in range(2)]
    assert told[0]["saved"] == told[1]["saved"]
    assert told[0]["view"]["probabilities"]
    assert [one["image_id"] for one in told[0]["scans"]] == [second]
    row = disputed.ledger.labels().row(0, named=True)
    assert (row["status"], row["label"]) == ("adjudicated", "lesion")


def test_a_ruling_can_be_taken_back(disputed, judith):
    first = judith.post("/api/disputes/next").json()["scans"][0]["image_id"]
    rule(judith, first)
    told = judith.post("/api/disputes/undo", json={"request": "undo-it-1"}).json()
    assert told["undone"]["image_id"] == first
    assert told["scans"][0]["image_id"] == first
    assert disputed.ledger.labels()["status"].to_list() == ["disputed", "disputed", "agreed"]
    again = judith.post("/api/disputes/undo", json={"request": "undo-it-2"}).json()
    assert again["undone"] is None


def test_readers_neither_see_nor_settle_disputes(disputed):
    anna = disputed.client("anna")
    for said in (anna.post("/api/disputes/next"), anna.get("/disputes")):
        assert said.status_code == 409
        assert "lesion" not in said.text
    assert rule(anna, disputed.ids[0]).status_code == 409
    assert anna.post("/api/disputes/undo", json={"request": "undo-it-1"}).status_code == 409
    assert disputed.ledger.labels()["status"].to_list() == ["disputed", "disputed", "agreed"]


def test_an_adjudicator_sees_and_settles_nothing_else(disputed, judith):
    judith.post("/api/disputes/next")
    agreed = disputed.ids[2]
    assert judith.get(f"/api/scans/{agreed}").status_code == 404
    assert judith.get(f"/api/scans/{disputed.ids[0]}").status_code == 200
    assert judith.get(f"/api/scans/{disputed.ids[0]}/view").status_code == 409  # not yet settled
    assert rule(judith, agreed).status_code == 409
    assert judith.post("/api/next").status_code == 409


@pytest.mark.parametrize(
    "wrong", [{"labels": []}, {"labels": ["x"]}, {"act": "skip"}, {"request": "x"}]
)
def test_a_ruling_that_makes_no_sense_is_refused(disputed, judith, wrong):
    first = judith.post("/api/disputes/next").json()["scans"][0]["image_id"]
    assert rule(judith, first, **wrong).status_code in (400, 404)
    assert disputed.ledger.labels()["status"].to_list() == ["disputed", "disputed", "agreed"]


def test_two_adjudicators_are_not_shown_the_same_scan(disputed, judith):
    karl = disputed.client("karl")
    assert len(judith.post("/api/disputes/next").json()["scans"]) == 2
    told = karl.post("/api/disputes/next").json()
    assert (told["scans"], told["waiting"]) == ([], 2)
    judith.post("/api/release")
    assert len(karl.post("/api/disputes/next").json()["scans"]) == 2


def test_of_two_adjudicators_the_second_is_told_and_overrules_nobody(disputed, judith):
    karl = disputed.client("karl")
    first, second = (one["image_id"] for one in karl.post("/api/disputes/next").json()["scans"])
    karl.post("/api/release")
    judith.post("/api/disputes/next")
    assert rule(judith, first).status_code == 200
    said = rule(karl, first, labels=["normal"])
    assert said.status_code == 409
    assert "has settled" in said.json()["error"]
    judith.post("/api/release")
    assert [one["image_id"] for one in karl.post("/api/disputes/next").json()["scans"]] == [second]
    assert karl.post("/api/disputes/undo", json={"request": "undo-it-1"}).json()["undone"] is None
    assert disputed.ledger.labels().row(0, named=True)["label"] == "lesion"
    again = rule(judith, first, request="ruling-2", labels=["normal"])  # corrects her own
    assert again.json()["saved"]["labels"] == ["normal"]


def test_who_has_both_roles_takes_back_in_each_what_they_did_in_it(disputed):
    disputed.ledger.admit("anna", "adjudicator")
    anna = disputed.client("anna")
    first = anna.post("/api/disputes/next").json()["scans"][0]["image_id"]
    rule(anna, first)
    read = anna.post("/api/undo", json={"request": "undo-it-1"}).json()["undone"]
    assert read["image_id"] == disputed.ids[2]
    ruled = anna.post("/api/disputes/undo", json={"request": "undo-it-2"}).json()["undone"]
    assert ruled["image_id"] == first
