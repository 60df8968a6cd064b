"""Every route, with two readers: what each may do, and what each may see."""

import itertools
from pathlib import Path

import numpy as np
import pytest

from medgraft.read import read
from tests.web.conftest import ORIGIN, PASSWORDS

NUMBERS = itertools.count()


def say(client, image_id, label="lesion", **more):
    body = {"request": f"request-{next(NUMBERS)}", "image_id": image_id, "act": "answer"}
    return client.post("/api/answers", json=body | {"labels": [label]} | more)


def take(client):
    """Ids of the scans in a reader's hands."""
    return [one["image_id"] for one in client.post("/api/next").json()["scans"]]


@pytest.fixture
def anna(labelling):
    return labelling.client("anna")


@pytest.fixture
def ben(labelling):
    return labelling.client("ben")


def all_routes(app):
    """Method and path of everything that the application answers, an id in place of each id."""
    described = app.openapi()["paths"]
    for path, methods in described.items():
        for method in methods:
            yield method.upper(), path.replace("{image_id}", "a" * 64)


class TestSigningIn:
    def test_without_it_every_route_but_the_sign_in_is_closed(self, labelling):
        client = labelling.anonymous()
        routes = list(all_routes(labelling.app))
        assert len(routes) >= 14
        for method, path in [*routes, ("GET", "/openapi.json")]:
            if path == "/sign-in":
                continue
            said = client.request(method, path)
            assert said.status_code == 401, (method, path, said.text)
            assert "films" not in said.text

    def test_a_wrong_password_an_unknown_name_and_no_name_are_refused_alike(self, labelling):
        client = labelling.anonymous()
        told = {
            client.post("/sign-in", data={"name": name, "password": word}).text
            for name, word in (("anna", "wrong"), ("nobody", "wrong"), ("anna", PASSWORDS["ben"]))
        }
        assert len(told) == 1
        assert client.cookies.get("medgraft-8765") is None

    def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(self, labelling):
        said = labelling.anonymous().post(
            "/sign-in", data={"name": "anna", "password": PASSWORDS["anna"]}
        )
        words = said.headers["set-cookie"].lower()
        assert "httponly" in words
        assert "samesite=strict" in words
        assert "domain" not in words

    def test_after_signing_out_the_secret_is_worth_nothing(self, labelling, anna):
        secret = anna.cookies["medgraft-8765"]
        assert anna.post("/sign-out").status_code == 303
        client = labelling.anonymous()
        client.cookies.set("medgraft-8765", secret)
        assert client.get("/api/campaign").status_code == 401

    def test_a_foreign_or_changed_secret_is_nobody(self, labelling, anna):
        secret = anna.cookies["medgraft-8765"]
        for forged in ("", "x", secret[:-1], secret + "x", secret.swapcase(), "anna"):
            client = labelling.anonymous(cookie=f"medgraft-8765={forged}")
            assert client.get("/api/campaign").status_code == 401, forged


class TestLabelling:
    def test_a_page_is_served_to_who_is_signed_in(self, anna):
        said = anna.get("/")
        assert said.status_code == 200
        assert "A bright, round spot." in said.text

    def test_two_readers_never_have_the_same_scan_in_hand(self, anna, ben):
        assert not set(take(anna)) & set(take(ben))

    def test_an_answer_brings_the_view_of_the_model_and_the_next_scans(self, labelling, anna):
        first, second, *_ = take(anna)
        said = say(anna, first).json()
        assert said["saved"]["labels"] == ["lesion"]
        assert said["view"]["probabilities"] == {"normal": 0.25, "lesion": 0.75}
        assert said["scans"][0]["image_id"] == second
        (reading,) = labelling.ledger.readings(first)
        assert (reading.reader, reading.labels) == ("anna", ("lesion",))

    def test_the_same_request_sent_again_is_written_once(self, labelling, anna):
        first, *_ = take(anna)
        body = {"request": "request-again", "image_id": first, "act": "answer"}
        numbers = {
            anna.post("/api/answers", json=body | {"labels": ["normal"]}).json()["saved"]["number"]
            for _ in range(3)
        }
        assert len(numbers) == 1
        assert len(list(labelling.ledger.events())) == 1

    def test_unsure_and_skip_are_kept_apart(self, labelling, anna):
        first, second, *_ = take(anna)
        say(anna, first, act="unsure", labels=[])
        skipped = say(anna, second, act="skip", labels=[]).json()
        assert skipped["view"] is None
        assert [one.act for one in labelling.ledger.events()] == ["unsure", "skip"]

    def test_undo_gives_the_scan_back_and_undoes_once_per_request(self, anna):
        first, second, *_ = take(anna)
        say(anna, first)
        say(anna, second)
        for _ in range(2):
            told = anna.post("/api/undo", json={"request": "undo-once"}).json()
            assert told["undone"]["image_id"] == second
            assert told["scans"][0]["image_id"] == second
        assert [one["image_id"] for one in anna.get("/api/history").json()["readings"]] == [first]

    def test_undo_of_nothing_says_so(self, anna):
        assert anna.post("/api/undo", json={"request": "undo-none"}).json()["undone"] is None

    def test_undo_of_a_correction_gives_the_answer_that_held_before(self, anna):
        first, *_ = take(anna)
        say(anna, first, "normal")
        say(anna, first, "lesion")
        told = anna.post("/api/undo", json={"request": "undo-correction"}).json()
        assert told["reading"]["labels"] == ["normal"]

    def test_an_answer_about_a_scan_in_other_hands_is_refused(self, labelling, anna, ben):
        first, *_ = take(anna)
        take(ben)
        said = say(ben, first)
        assert said.status_code == 409
        assert not labelling.ledger.readings(first)

    @pytest.mark.parametrize(
        "wrong",
        [
            {"labels": ["tumour"]},
            {"labels": []},
            {"labels": ["normal", "lesion"]},
            {"labels": "lesion"},
            {"labels": ["lesion"] * 1000},
            {"seconds": -1},
            {"seconds": 1e9},
            {"act": "adjudication"},
            {"request": "short"},
            {"request": "with space and more"},
            {"reader": "ben"},
            {"image_id": "../index.parquet"},
            {"image_id": "a" * 500},
        ],
    )
    def test_an_answer_that_makes_no_sense_is_refused(self, labelling, anna, wrong):
        first, *_ = take(anna)
        said = say(anna, first, **wrong) if "image_id" not in wrong else say(anna, **wrong)
        assert said.status_code in (400, 404), said.text
        assert not list(labelling.ledger.events())

    def test_of_independent_classes_any_number_may_hold(self, begin):
        labelling = begin(kind="independent")
        anna = labelling.client("anna")
        first, second, *_ = take(anna)
        say(anna, first, labels=["normal", "lesion"])
        say(anna, second, labels=[])
        said = [one.labels for one in labelling.ledger.events()]
        assert said == [("normal", "lesion"), ()]

    def test_history_comes_in_parts_latest_first(self, labelling, anna):
        asked = [say(anna, take(anna)[0]).json()["saved"] for _ in range(4)]
        late = anna.get("/api/history", params={"before": asked[2]["number"]}).json()["readings"]
        assert [one["event"] for one in late] == [asked[1]["number"], asked[0]["number"]]

    def test_what_was_released_goes_to_others(self, anna, ben):
        mine = take(anna)
        assert anna.post("/api/release").status_code == 200
        assert set(take(ben)) & set(mine)


class TestWhatEachMaySee:
    def test_a_scan_that_was_not_given_to_a_reader_does_not_exist_for_them(self, anna, ben):
        first, *_ = take(anna)
        take(ben)
        for path in ("", "/pixels", "/view", "/heat"):
            known = ben.get(f"/api/scans/{first}{path}")
            unknown = ben.get(f"/api/scans/{'0' * 64}{path}")
            assert known.status_code == unknown.status_code == 404
            assert known.text.replace(first, "") == unknown.text.replace("0" * 64, "")

    def test_the_view_of_the_model_comes_after_ones_own_answer(self, anna):
        first, *_ = take(anna)
        for path in ("view", "heat"):
            said = anna.get(f"/api/scans/{first}/{path}")
            assert said.status_code == 409
            assert "0.75" not in said.text
        for text in (anna.post("/api/next").text, anna.get(f"/api/scans/{first}").text):
            assert "probabilities" not in text
            assert "score" not in text
        say(anna, first)
        assert anna.get(f"/api/scans/{first}/view").json()["why"] == {"score": 0.5}

    def test_leaving_a_scan_to_others_does_not_show_it(self, anna):
        first, *_ = take(anna)
        say(anna, first, act="skip", labels=[])
        assert anna.get(f"/api/scans/{first}/view").status_code == 409

    def test_the_ledger_keeps_whether_the_model_was_seen_before(self, labelling, anna):
        first, second, *_ = take(anna)
        say(anna, first, "normal")
        say(anna, first, "lesion")
        say(anna, second, "lesion")
        assert [one.model for one in labelling.ledger.events()] == ["", "round-1", ""]

    def test_with_model_first_it_is_shown_at_once_and_the_ledger_says_so(self, begin):
        labelling = begin(model_first=True)
        anna = labelling.client("anna")
        one, *_ = anna.post("/api/next").json()["scans"]
        assert one["view"]["probabilities"]["lesion"] == 0.75
        say(anna, one["image_id"])
        assert [event.model for event in labelling.ledger.events()] == ["round-1"]

    def test_nothing_that_another_reader_said_is_told(self, begin):
        labelling = begin(per_image=2)
        anna, ben = labelling.client("anna"), labelling.client("ben")
        mine = take(anna)
        for image_id in mine:
            say(anna, image_id, "lesion")
        anna.post("/api/release")
        shared, *_ = take(ben)
        assert shared in mine
        texts = [
            ben.get(path).text
            for path in ("/api/campaign", "/api/history", f"/api/scans/{shared}", "/agreement", "/")
        ] + [ben.post("/api/next").text, say(ben, shared, "normal").text]
        assert not [
            text for text in texts if "anna" in text and "lesion" in text and shared in text
        ]
        assert ben.get("/api/history").json()["readings"] == [
            {**ben.get("/api/history").json()["readings"][0], "labels": ["normal"]}
        ]

    def test_no_answer_names_a_patient_or_a_file(self, labelling, anna, films):
        first, *_ = take(anna)
        say(anna, first)
        names = {film.stem.split("_")[0] for film in films} | {str(films[0].parent)}
        for path in ("", "/view"):
            text = anna.get(f"/api/scans/{first}{path}").text
            assert not [name for name in names if name in text]

    def test_a_file_that_cannot_be_read_is_told_without_its_path(self, labelling, anna, films):
        first, *_ = take(anna)
        place = Path(labelling.desk.archive.file(first))
        content = place.read_bytes()
        try:
            place.write_bytes(content[:200])
            said = anna.get(f"/api/scans/{first}")
        finally:
            place.write_bytes(content)
        assert said.status_code == 422
        assert str(films[0].parent) not in said.text
        assert "error" in said.json()


class TestScans:
    def test_pixels_are_those_of_the_file(self, labelling, anna):
        first, *_ = take(anna)
        told = anna.get(f"/api/scans/{first}").json()
        scan = read(labelling.desk.archive.file(first))
        codes = np.frombuffer(anna.get(f"/api/scans/{first}/pixels").content, "<u2")
        values = told["coding"]["slope"] * codes + told["coding"]["intercept"]
        np.testing.assert_array_equal(values.reshape(scan.array.shape[1:]), scan.array[0])
        assert (told["planes"][0]["rows"], told["planes"][0]["columns"]) == scan.array.shape[1:]

    @pytest.mark.parametrize(
        "wrong",
        [
            "slice=1",
            "slice=-1",
            "slice=x",
            "channel=1",
            "plane=axial",
            "plane=..",
            "reduce=0",
            "reduce=9999",
        ],
    )
    def test_a_part_that_is_not_there_is_refused(self, anna, wrong):
        first, *_ = take(anna)
        assert anna.get(f"/api/scans/{first}/pixels?{wrong}").status_code == 400

    def test_heat_of_a_model_that_is_not_there_is_refused(self, anna):
        first, *_ = take(anna)
        say(anna, first)
        assert anna.get(f"/api/scans/{first}/view").json()["heat"] is False
        assert anna.get(f"/api/scans/{first}/heat").status_code == 404


def test_every_route_is_described_for_programs(anna):
    said = anna.get("/openapi.json").json()
    assert "/api/answers" in said["paths"]
    assert ORIGIN in said["info"]["description"]
    for methods in said["paths"].values():
        for one in methods.values():
            assert one["description"]
