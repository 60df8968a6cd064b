"""Every route, asked by everybody: a stranger, a reader, another reader, an adjudicator."""

import pytest

REQUEST = {"request": "request-1"}
SIGNED_IN = (401, 200, 200, 200)
READERS = (401, 200, 409, 200)
ADJUDICATORS = (401, 409, 200, 409)
# method and path -> what a stranger, ben, judith and anna are answered, in this order
ASKED = {
    ("GET", "/"): (401, 200, 303, 200),
    ("GET", "/disputes"): ADJUDICATORS,
    ("GET", "/agreement"): SIGNED_IN,
    ("GET", "/openapi.json"): SIGNED_IN,
    ("GET", "/sign-in"): (200, 200, 200, 200),
    ("POST", "/sign-in"): (400, 400, 400, 400),  # without name and password
    ("POST", "/sign-out"): (401, 303, 303, 303),
    ("GET", "/api/campaign"): SIGNED_IN,
    ("POST", "/api/next"): READERS,
    ("POST", "/api/answers"): (401, 409, 409, 200),  # anna alone has the scan in hand
    ("POST", "/api/undo"): READERS,
    ("GET", "/api/history"): SIGNED_IN,
    ("POST", "/api/release"): SIGNED_IN,
    ("POST", "/api/disputes/next"): ADJUDICATORS,
    ("POST", "/api/rulings"): ADJUDICATORS,
    ("POST", "/api/disputes/undo"): ADJUDICATORS,
    ("GET", "/api/scans/{image_id}"): (401, 404, 404, 200),
    ("GET", "/api/scans/{image_id}/pixels"): (401, 404, 404, 200),
    ("GET", "/api/scans/{image_id}/view"): (401, 404, 404, 409),  # not before her answer
    ("GET", "/api/scans/{image_id}/heat"): (401, 404, 404, 409),
}
EVERYBODY = (None, "ben", "judith", "anna")


@pytest.fixture
def labelling(begin):
    """Anna and ben differ about the first scan; anna has the other two in hand."""
    labelling = begin(images=3, per_image=2)
    ledger, first = labelling.ledger, labelling.ids[0]
    for reader, count, label in (("anna", 3, "normal"), ("ben", 1, "lesion")):
        labelling.desk.ledger.lease(reader, count=count)
        ledger.answer(reader, first, label)
    labelling.desk.next("anna")
    return labelling


def body(path, ids):
    """What a request brings: about the disputed scan a ruling, about another an answer."""
    if path == "/api/answers":
        return REQUEST | {"image_id": ids[1], "act": "answer", "labels": ["lesion"]}
    if path == "/api/rulings":
        return REQUEST | {"image_id": ids[0], "labels": ["lesion"]}
    return REQUEST if path.endswith("undo") else None


@pytest.mark.parametrize(("method", "path"), ASKED)
def test_each_is_answered_what_they_may_have(labelling, method, path):
    found = []
    for name in EVERYBODY:
        client = labelling.anonymous() if name is None else labelling.client(name)
        address = path.replace("{image_id}", labelling.ids[1])
        said = client.request(method, address, json=body(path, labelling.ids))
        found.append(said.status_code)
        if said.status_code >= 400:
            assert "normal" not in said.text
            assert "0.75" not in said.text
    assert tuple(found) == ASKED[method, path]


def test_no_route_is_left_out(labelling):
    described = {
        (method.upper(), path)
        for path, methods in labelling.app.openapi()["paths"].items()
        for method in methods
    }
    assert described | {("GET", "/openapi.json")} == set(ASKED)


def test_of_the_disputed_scan_each_sees_their_own_part(labelling):
    """Its readers their own answers and the model's view; an adjudicator what was said, not by whom."""
    disputed = labelling.ids[0]
    anna, ben, judith = (labelling.client(name) for name in ("anna", "ben", "judith"))
    for client, mine in ((anna, "normal"), (ben, "lesion")):
        (reading,) = client.get("/api/history").json()["readings"]
        assert (reading["image_id"], reading["labels"]) == (disputed, [mine])
        assert client.get(f"/api/scans/{disputed}/view").json()["probabilities"]
    assert judith.get("/api/history").json()["readings"] == []
    assert judith.get(f"/api/scans/{disputed}").status_code == 404  # not yet given to her
    (told,) = judith.post("/api/disputes/next").json()["scans"]
    assert sorted(one["labels"] for one in told["said"]) == [["lesion"], ["normal"]]
    assert judith.get(f"/api/scans/{disputed}").status_code == 200
    assert judith.get(f"/api/scans/{disputed}/view").status_code == 409  # not before her ruling
    assert labelling.client("karl").get(f"/api/scans/{disputed}").status_code == 404


def test_what_a_reader_may_see_outlasts_the_server(labelling):
    """What was answered may be looked at again after a restart, and what was seen is remembered."""
    anna, first = labelling.client("anna"), labelling.ids[1]
    answer = REQUEST | {"image_id": first, "act": "answer", "labels": ["lesion"]}
    assert anna.post("/api/answers", json=answer).json()["view"]["probabilities"]
    anna.post("/api/undo", json={"request": "request-2"})
    labelling.desk._given.clear()  # as it is after a restart
    assert anna.get(f"/api/scans/{first}").status_code == 200
    assert anna.get(f"/api/scans/{first}/view").status_code == 409
    anna.post("/api/answers", json=answer | {"request": "request-3"})
    last = list(labelling.ledger.events())[-1]
    assert (last.act, last.model) == ("answer", "round-1")  # she knew what the model says
