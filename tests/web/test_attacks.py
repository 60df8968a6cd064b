"""What must not get past the guard: other sites, other names, other paths, too much."""

import hmac
import json
import socket
from contextlib import suppress

import pytest

from medgraft.web.guard import HEADERS, MOST_BYTES
from medgraft.web.sessions import Sessions, Tokens
from tests.web.conftest import PASSWORDS, serving

ANSWER = {"request": "request-1", "act": "answer", "labels": ["lesion"]}


@pytest.fixture
def anna(labelling):
    return labelling.client("anna")


@pytest.fixture
def first(anna):
    return anna.post("/api/next").json()["scans"][0]["image_id"]


class TestOtherSites:
    @pytest.mark.parametrize(
        "origin",
        [
            "https://evil.example",
            "null",
            "",
            "http://127.0.0.1:9999",
            "https://127.0.0.1:8765",
            "http://127.0.0.1:8765.evil.example",
            "http://localhost:8765",
            "http://127.0.0.1:8765/",
        ],
    )
    def test_cannot_answer_in_a_readers_name(self, labelling, anna, first, origin):
        body = ANSWER | {"image_id": first}
        said = anna.post("/api/answers", json=body, headers={"origin": origin})
        assert said.status_code == 403
        assert not list(labelling.ledger.events())

    def test_cannot_leave_out_where_they_are(self, labelling, anna, first):
        del anna.headers["origin"]
        said = anna.post("/api/answers", json=ANSWER | {"image_id": first})
        assert said.status_code == 403
        assert not list(labelling.ledger.events())

    @pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
    def test_cannot_send_what_a_form_can(self, labelling, anna, first, kind):
        said = anna.post(
            "/api/answers",
            content=json.dumps(ANSWER | {"image_id": first}),
            headers={"content-type": kind},
        )
        assert said.status_code == 400
        assert not list(labelling.ledger.events())

    @pytest.mark.parametrize("site", ["cross-site", "same-site"])
    @pytest.mark.parametrize("path", ["/api/campaign", "/api/history", "/static/label.js"])
    def test_cannot_embed_what_is_here(self, anna, site, path):
        for mode, destination in (("no-cors", "image"), ("cors", "empty"), ("navigate", "iframe")):
            fetched = {
                "sec-fetch-site": site,
                "sec-fetch-mode": mode,
                "sec-fetch-dest": destination,
            }
            assert anna.get(path, headers=fetched).status_code == 403

    def test_cannot_frame_a_page(self, anna):
        fetched = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
        assert anna.get("/", headers=fetched | {"sec-fetch-dest": "iframe"}).status_code == 403
        assert anna.get("/", headers=fetched | {"sec-fetch-dest": "document"}).status_code == 200

    def test_cannot_sign_a_browser_in(self, labelling):
        client = labelling.anonymous(origin="https://evil.example")
        said = client.post("/sign-in", data={"name": "anna", "password": "correct horse battery"})
        assert said.status_code == 403
        assert "set-cookie" not in said.headers

    def test_are_given_no_permission_to_read(self, anna):
        said = anna.options("/api/campaign", headers={"access-control-request-method": "POST"})
        assert not [name for name in said.headers if name.startswith("access-control")]


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8765", "127.0.0.1", "127.0.0.1:80", "localhost:8765", ""]
)
def test_a_foreign_name_of_this_server_is_refused(anna, host):
    assert anna.get("/api/campaign", headers={"host": host}).status_code == 421


@pytest.mark.parametrize(
    "more",
    ["Host: evil.example\r\n", "X-Forwarded-Host: evil.example\r\n", "Forwarded: host=evil\r\n"],
)
def test_a_second_name_of_this_server_changes_nothing(labelling, more):
    with serving(labelling.desk) as (origin, links):
        cookie = signed_in(origin, links)
        said = raw(origin, cookie + more, "GET", "/")
    assert said.startswith((b"HTTP/1.1 400", b"HTTP/1.1 200"))
    assert said.startswith(b"HTTP/1.1 400") or not more.startswith("Host")
    assert b"evil" not in said


class TestLargeBodies:
    def test_are_refused_by_what_they_announce(self, anna):
        said = anna.post("/api/answers", content=b" " * (MOST_BYTES + 1))
        assert said.status_code == 413

    def test_are_refused_unread_even_if_they_never_come(self, labelling):
        with serving(labelling.desk) as (origin, _):
            said = raw(
                origin, f"Origin: {origin}\r\nContent-Length: 999999999999\r\n", "POST", "/api/next"
            )
        assert said.startswith(b"HTTP/1.1 413")

    def test_are_refused_if_they_do_not_say_how_long_they_are(self, labelling):
        # a byte too many and no more: what the server has not read would reset the connection
        body = b"%x\r\n%b\r\n1\r\n \r\n" % (MOST_BYTES, b" " * MOST_BYTES)
        with serving(labelling.desk) as (origin, links):
            cookie = signed_in(origin, links)
            head = f"Origin: {origin}\r\n{cookie}Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n"
            said = raw(origin, head, "POST", "/api/answers", body)
        assert said.startswith(b"HTTP/1.1 413")

    def test_are_not_waited_for_forever(self, labelling, monkeypatch):
        monkeypatch.setattr("medgraft.web.guard.BODY_SECONDS", 0.2)
        with serving(labelling.desk) as (origin, links):
            cookie = signed_in(origin, links)
            head = f"Origin: {origin}\r\n{cookie}Content-Type: application/json\r\n"
            for length in ("Content-Length: 100\r\n", "Transfer-Encoding: chunked\r\n"):
                said = raw(origin, head + length, "POST", "/api/answers", b"5\r\n{    \r\n")
                assert said.startswith(b"HTTP/1.1 408")
            assert raw(origin, cookie, "GET", "/api/campaign").startswith(b"HTTP/1.1 200")

    @pytest.mark.parametrize(
        "lies",
        [
            "Content-Length: 12\r\n",  # and the rest is another request
            "Content-Length: 12\r\nContent-Length: 300\r\n",
            "Content-Length: 12\r\nTransfer-Encoding: chunked\r\n",
            "Content-Length: 300\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: identity\r\n",
            "Transfer-Encoding: chunked, identity\r\n",
            "Transfer-Encoding : chunked\r\n",
        ],
    )
    def test_that_lie_about_their_length_smuggle_nothing_in(self, labelling, lies):
        with serving(labelling.desk) as (origin, links):
            cookie = signed_in(origin, links)
            first = labelling.desk.next("anna")[0].image_id
            answer = json.dumps(ANSWER | {"image_id": first}).encode()
            hidden = f"POST /api/answers HTTP/1.1\r\nHost: x\r\n{cookie}\r\n".encode() + answer
            body = b"5\r\nhello\r\n0\r\n\r\n" + hidden
            said = raw(
                origin,
                f"Origin: {origin}\r\n{cookie}Content-Type: application/json\r\n{lies}",
                "POST",
                "/api/answers",
                body,
            )
        assert said.startswith((b"HTTP/1.1 400", b"HTTP/1.1 501")), said[:200]
        assert b"HTTP/1.1 200" not in said
        assert not list(labelling.ledger.events())

    def test_a_length_that_is_no_number_is_refused(self, anna):
        for length in ("-1", "1e3", "٣"):
            headers = {"content-length": length.encode("utf-8")}
            assert anna.post("/api/next", headers=headers).status_code == 413


def raw(origin, head, method, path, body=b""):
    """Send bytes as they are, and what comes back."""
    host = origin.removeprefix("http://")
    request = f"{method} {path} HTTP/1.1\r\nHost: {host}\r\n{head}Connection: close\r\n\r\n".encode(
        "latin-1"
    )
    with socket.create_connection(host.split(":"), timeout=20) as connection:
        with suppress(ConnectionError):  # it was refused before all had been sent
            connection.sendall(request + body)
        return b"".join(iter(lambda: connection.recv(2**16), b""))


def signed_in(origin, links):
    """The header with the cookie that a link gives."""
    said = raw(origin, "", "GET", links[-1].removeprefix(origin)).decode()
    cookie = next(line for line in said.split("\r\n") if line.lower().startswith("set-cookie"))
    return f"Cookie: {cookie.partition(': ')[2].partition(';')[0]}\r\n"


CLIMBING = [
    "../../index.parquet",
    "..%2f..%2findex.parquet",
    "%2e%2e/%2e%2e/index.parquet",
    "%2e%2e%2findex.parquet",
    "%252e%252e%252findex.parquet",
    "..%5cindex.parquet",
    "..\\index.parquet",
    "....//index.parquet",
    "..;/index.parquet",
    "%c0%ae%c0%ae/index.parquet",
    "..%c0%afindex.parquet",
    "%uff0e%uff0e/index.parquet",
    "\xef\xbc\x8e\xef\xbc\x8e/index.parquet",
    "..%00/index.parquet",
    "index.parquet%00.js",
    "/etc/passwd",
    "//etc/passwd",
    "file:///etc/passwd",
]


def test_no_spelling_of_a_path_leads_out(labelling, place):
    """On a real socket, so that no client tidies the path; the ledger lies beside the index."""
    with serving(labelling.desk) as (origin, links):
        cookie = signed_in(origin, links)
        for climb in CLIMBING:
            for before in ("/static/", "/api/scans/", "/", "/static/x/"):
                said = raw(origin, cookie, "GET", before + climb)
                assert said.split(b" ")[1] in (b"400", b"404"), (before + climb, said[:200])
                assert b"PAR1" not in said
                assert b"root:" not in said
        assert raw(origin, cookie, "GET", "/static/label.js").startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    "forged",
    [
        "0" * 64,
        "index.parquet",
        "ledger.sqlite",
        "..",
        "%2e%2e",
        "a" * 200,
        "' OR 1=1 --",
        "*",
        "null",
        "0",
        "\u0661" * 64,
    ],
)
def test_a_forged_id_finds_nothing(anna, first, forged):
    for path in ("", "/pixels", "/view", "/heat"):
        said = anna.get(f"/api/scans/{forged}{path}")
        assert said.status_code in (400, 404), (forged, said.text)
    wrong = first[:-1] + ("0" if first[-1] != "0" else "1")
    for almost in (first.upper(), wrong, first + "0", first[:-1]):
        if almost != first:
            assert anna.get(f"/api/scans/{almost}").status_code in (400, 404)


def test_a_websocket_is_refused(anna):
    from starlette.testclient import WebSocketDenialResponse
    from starlette.websockets import WebSocketDisconnect

    with (
        pytest.raises((WebSocketDisconnect, WebSocketDenialResponse)),
        anna.websocket_connect("/api/next"),
    ):
        pass


class TestASession:
    def test_begins_with_a_secret_that_nobody_chose(self, labelling):
        """A secret that somebody planted in the browser is not taken over when its reader signs in."""
        planted = "A" * 43
        client = labelling.anonymous(cookie=f"medgraft-8765={planted}")
        said = client.post("/sign-in", data={"name": "anna", "password": PASSWORDS["anna"]})
        assert planted not in said.headers["set-cookie"]
        assert client.get("/api/campaign").status_code == 401  # the planted one is still nobody's

    def test_of_somebody_else_ends_when_one_signs_in_over_it(self, labelling):
        client = labelling.client("ben")
        secret = client.cookies["medgraft-8765"]
        client.post("/sign-in", data={"name": "anna", "password": PASSWORDS["anna"]})
        assert client.get("/api/campaign").json()["reader"] == "anna"
        before = labelling.anonymous(cookie=f"medgraft-8765={secret}")
        assert before.get("/api/campaign").status_code == 401

    def test_of_two_cookies_of_one_name_neither_lets_a_stranger_in(self, labelling, anna):
        secret = anna.cookies["medgraft-8765"]
        for pair in (f"medgraft-8765=x; medgraft-8765={secret}", f"medgraft-9999={secret}"):
            client = labelling.anonymous(cookie=pair)
            said = client.get("/api/campaign")
            assert said.status_code == 401 or said.json()["reader"] == "anna"
        assert labelling.anonymous(cookie=f"medgraft-9999={secret}").get("/").status_code == 401


def test_secrets_are_compared_in_a_time_that_tells_nothing(labelling, monkeypatch):
    """The token by a comparison that always reads all of it; a cookie by its hash alone."""
    compared = []

    def slowly(left, right):
        compared.append((left, right))
        return hmac.compare_digest(left, right)

    monkeypatch.setattr("medgraft.web.sessions.secrets.compare_digest", slowly)
    tokens = Tokens(lambda token: None)
    wrong = "wrong, and of another length"
    assert not tokens.take(wrong)
    assert tokens.take(tokens._token)
    assert compared[0][1].decode() == wrong
    assert len(compared) == 2
    sessions = Sessions()
    secret = sessions.begin("anna")
    assert secret not in repr(vars(sessions))
    assert sessions.reader(secret) == "anna"


class TestHeaders:
    @pytest.mark.parametrize(
        ("path", "status"),
        [
            ("/", 200),
            ("/api/campaign", 200),
            ("/static/label.js", 200),
            ("/nothing", 404),
            ("/api/history?before=x", 400),
            ("/%2e%2e", 400),
        ],
    )
    def test_stand_on_every_answer(self, anna, path, status):
        said = anna.get(path)
        assert said.status_code == status
        assert {name: said.headers[name] for name in HEADERS} == HEADERS

    def test_allow_no_script_or_style_inside_a_page(self, anna):
        policy = anna.get("/").headers["content-security-policy"]
        assert "unsafe" not in policy
        assert "http" not in policy
        assert policy.startswith("default-src 'none'")
        for path in ("/", "/agreement", "/sign-in"):
            text = anna.get(path).text
            assert "<style" not in text
            assert " style=" not in text
            assert "<script>" not in text
            assert " on" not in "".join(part.split(">")[0] for part in text.split("<")[1:])

    def test_name_no_program_and_no_version_to_strangers(self, labelling):
        with serving(labelling.desk) as (origin, _):
            said = raw(origin, "", "GET", "/api/campaign").lower()
        assert b"401" in said.split(b"\r\n")[0]
        assert b"uvicorn" not in said
        assert b"\r\nserver:" not in said


class TestTheLinkOfTheTerminal:
    def test_lets_one_browser_in_and_the_next_link_another(self, labelling):
        with serving(labelling.desk) as (origin, links):
            path = links[0].removeprefix(origin)
            assert b"set-cookie" in raw(origin, "", "GET", path).lower()
            again = raw(origin, "", "GET", path).lower()
            assert again.startswith(b"http/1.1 401")
            assert b"set-cookie" not in again
            assert len(set(links)) == 2
            assert b"set-cookie" in raw(origin, "", "GET", links[1].removeprefix(origin)).lower()

    def test_a_foreign_token_lets_nobody_in(self, labelling):
        with serving(labelling.desk) as (origin, links):
            token = links[0].partition("token=")[2]
            for forged in (
                "",
                "x",
                token[:-1],
                token + "x",
                token.swapcase(),
                "%00",
                token + "%00",
            ):
                said = raw(origin, "", "GET", f"/sign-in?token={forged}").lower()
                assert b"set-cookie" not in said, forged
            assert len(links) == 1

    def test_text_in_the_address_does_not_become_part_of_the_page(self, anna):
        said = anna.get("/sign-in", params={"token": "<script>alert(1)</script>"})
        assert "<script>alert" not in said.text
