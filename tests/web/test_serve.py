"""Where the page may be served, and `medgraft label` as a process."""

import json
import re
import signal
import socket
import ssl
import struct
import subprocess
import sys
import urllib.error
import urllib.request
import zipfile
from pathlib import Path

import pytest

from medgraft.active.folder import CampaignFolder
from medgraft.cli.__main__ import main
from medgraft.errors import ArgumentError
from medgraft.web.accounts import save_accounts
from medgraft.web.serve import Place, is_here
from tests.web.conftest import PASSWORDS, index_of, quick_hash


@pytest.fixture
def files(tmp_path):
    """Files that lie where a certificate, a key and accounts would."""
    for name in ("cert.pem", "key.pem", "readers.json"):
        (tmp_path / name).write_text("x")
    return {
        "certificate": tmp_path / "cert.pem",
        "key": tmp_path / "key.pem",
        "accounts": tmp_path / "readers.json",
    }


class TestAPlace:
    def test_is_this_machine_alone_unless_told(self):
        assert Place().host == "127.0.0.1"
        assert Place().origin(8765) == "http://127.0.0.1:8765"

    @pytest.mark.parametrize(
        ("host", "here"),
        [
            ("127.0.0.1", True),
            ("127.8.8.8", True),
            ("::1", True),
            ("localhost", True),
            ("0.0.0.0", False),
            ("::", False),
            ("192.168.1.5", False),
            ("localhost.evil.example", False),
            ("127.0.0.1.evil.example", False),
        ],
    )
    def test_knows_which_addresses_others_reach(self, host, here):
        assert is_here(host) is here

    @pytest.mark.parametrize("missing", ["certificate", "accounts", "both"])
    def test_elsewhere_needs_a_certificate_and_accounts(self, files, missing):
        if missing != "accounts":
            del files["certificate"], files["key"]
        if missing != "certificate":
            del files["accounts"]
        with pytest.raises(ArgumentError, match="must be encrypted and know its readers"):
            Place("192.168.1.5", **files)

    def test_elsewhere_with_both_is_served_by_its_name(self, files):
        assert Place("192.168.1.5", **files).origin(443) == "https://192.168.1.5"
        assert (
            Place("::", public_name="Ward.example", **files).origin(8765)
            == "https://ward.example:8765"
        )
        assert Place("fe80::1", **files).origin(9000) == "https://[fe80::1]:9000"

    def test_everywhere_needs_a_name(self, files):
        with pytest.raises(ArgumentError, match="--public-name must say"):
            Place("0.0.0.0", **files)

    @pytest.mark.parametrize(
        "wrong",
        [
            {"port": -1},
            {"port": 70000},
            {"certificate": Path("nowhere")},
            {"key": Path("nowhere")},
            {"key": None},
        ],
    )
    def test_that_makes_no_sense_is_refused(self, files, wrong):
        with pytest.raises(ArgumentError):
            Place("192.168.1.5", **files | wrong)


@pytest.fixture(scope="module")
def campaign(films, tmp_path_factory):
    """A campaign as the commands begin it, and films to label."""
    tmp_path = tmp_path_factory.mktemp("begun")
    index_of(films, tmp_path)
    for words in (
        ["start", tmp_path / "index.parquet", "--out", tmp_path / "campaign", "--classes", "a,b"],
        ["admit", tmp_path / "campaign", "anna", "ben"],
        ["propose", tmp_path / "campaign"],
    ):
        assert main(["active", *map(str, words)]) == 0
    return CampaignFolder(tmp_path / "campaign")


def run(*words):
    return subprocess.Popen(
        [sys.executable, "-m", "medgraft.cli", "label", *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
def test_the_command_lets_one_browser_in_saves_and_ends_cleanly(campaign):
    process = run(campaign.path, "--reader", "anna", "--port", "0")
    try:
        link = re.match(r"open: (http://127\.0\.0\.1:\d+)(/\S+)", process.stdout.readline())
        assert "saved" in process.stdout.readline()
        origin, path = link.groups()
        opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
        assert b"signed in" in opener.open(origin + path).read()
        told = json.load(opener.open(f"{origin}/api/campaign"))
        assert (told["reader"], told["waiting"] > 0) == ("anna", True)
        again = re.match(r"open: (\S+)", process.stdout.readline())
        assert again[1] not in (origin + path, "")
        for _ in range(5):  # whoever goes away in the middle does not take the server along
            with socket.create_connection(origin.removeprefix("http://").split(":")) as gone:
                gone.sendall(b"GET /static/label.js HTTP/1.1\r\nHost: x\r\n\r\n" * 50)
                gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        assert json.load(opener.open(f"{origin}/api/campaign"))["reader"] == "anna"
    finally:
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "Traceback" not in said


@pytest.mark.slow
def test_with_a_certificate_and_accounts_readers_sign_in_over_tls(campaign, tmp_path):
    certify = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1"
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    files = {"-keyout": tmp_path / "key.pem", "-out": tmp_path / "cert.pem"}
    try:
        words = [*certify.split(), *names, *(str(w) for pair in files.items() for w in pair)]
        subprocess.run(words, check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("openssl is not installed")
    accounts = tmp_path / "readers.json"
    save_accounts(accounts, {"anna": quick_hash(PASSWORDS["anna"])})
    words = ["--certificate", files["-out"], "--key", files["-keyout"], "--accounts", accounts]
    process = run(campaign.path, "--port", "0", "--host", "localhost", *words)
    try:
        origin = re.match(r"open: (https://localhost:\d+)/", process.stdout.readline())[1]
        context = ssl.create_default_context(cafile=str(files["-out"]))
        opener = urllib.request.build_opener(
            urllib.request.HTTPCookieProcessor(), urllib.request.HTTPSHandler(context=context)
        )
        with pytest.raises(urllib.error.HTTPError, match="401"):
            opener.open(f"{origin}/api/campaign")
        words = f"name=anna&password={PASSWORDS['anna'].replace(' ', '+')}".encode()
        asked = urllib.request.Request(f"{origin}/sign-in", words, {"Origin": origin})
        answer = opener.open(asked)
        assert answer.headers["strict-transport-security"]
        assert json.load(opener.open(f"{origin}/api/campaign"))["reader"] == "anna"
    finally:
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nothing-here"], "must be a campaign"),
        (["{campaign}", "--host", "0.0.0.0"], "must be encrypted and know its readers"),
        (
            ["{campaign}", "--reader", "anna", "--accounts", "{campaign}/index.parquet"],
            "exclude each other",
        ),
        (["{campaign}", "--reader", "eve"], "Admitted: anna, ben"),
        (["{campaign}"], "it was not given. Admitted: anna, ben"),
        (["{campaign}", "--accounts", "{campaign}/index.parquet"], "must be JSON"),
        (["{campaign}", "--accounts", "{campaign}/../eve.json"], "holds eve, admitted: anna, ben"),
    ],
)
def test_a_wrong_call_is_refused_in_one_line(campaign, capsys, words, said):
    save_accounts(campaign.path.parent / "eve.json", {"eve": quick_hash("a password")})
    words = [word.replace("{campaign}", str(campaign.path)) for word in words] + ["--port", "0"]
    assert main(["label", *words]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert len(error.strip().splitlines()) == 1


def test_the_pages_and_scripts_are_part_of_the_wheel(tmp_path, monkeypatch):
    from hatchling.builders.wheel import WheelBuilder

    import medgraft.web
    from tests.test_layers import ROOT

    source = ROOT.parents[1]
    monkeypatch.chdir(source)
    (built,) = WheelBuilder(str(source)).build(directory=str(tmp_path), versions=["standard"])
    with zipfile.ZipFile(built) as wheel:
        names = set(wheel.namelist())
    folder = ROOT / "web"
    wanted = [one for kind in ("static", "templates") for one in (folder / kind).iterdir()]
    assert len(wanted) >= 12
    assert {one.relative_to(ROOT.parent).as_posix() for one in wanted} <= names
    assert medgraft.web.__file__
