"""What must not get past the guard: other sites, other names, other paths, too much."""

import json
import socket
from contextlib import suppress

import pytest

from medgraft.web.guard import HEADERS, MOST_BYTES
from tests.web.conftest import serving

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
