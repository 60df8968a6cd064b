"""A campaign on phantom films, with readers who sign in as in life."""

import os
import secrets
import socket
import threading
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest
import uvicorn
from bench.labelling import CHROMIUM, FLAGS
from fastapi import FastAPI
from fastapi.testclient import TestClient

from medgraft.active.folder import CampaignFolder
from medgraft.files import sha256
from medgraft.index import Index
from medgraft.ledger import Campaign, Class, Queued, open_ledger
from medgraft.ledger.ledger import Ledger
from medgraft.phantoms import write_archive
from medgraft.web import accounts
from medgraft.web.access import Access
from medgraft.web.accounts import Doorkeeper, Hash
from medgraft.web.app import create_app
from medgraft.web.archive import Archive
from medgraft.web.desk import Desk
from medgraft.web.heat import Models
from medgraft.web.sessions import Tokens

ORIGIN = "http://127.0.0.1:8765"
PASSWORDS = {
    "anna": "correct horse battery",
    "ben": "staple shadow purple",
    "judith": "gavel window lantern",  # settles disputes, and reads nothing
    "karl": "bench wooden hammer",  # as she does
}
PICTURES = os.environ.get("MEDGRAFT_PICTURES")  # a folder: the pages are then kept, to look at
CLASSES = (Class("normal", "Nothing to see."), Class("lesion", "A bright, round spot."))


def quick_hash(password):
    """A hash that costs little, of the same kind as the real ones."""
    salt, cost = secrets.token_bytes(16), {"n": 16, "r": 1, "p": 1}
    return Hash(salt.hex(), accounts._key(password, salt, **cost).hex(), **cost)


@pytest.fixture(scope="session")
def films(tmp_path_factory):
    """Twenty phantom films of 16 bits."""
    folder = tmp_path_factory.mktemp("films")
    write_archive(folder / "films", patients=10, side=96, bits=16, format="dicom")
    return sorted((folder / "films" / "images").iterdir())


def index_of(films, folder):
    """An index of films, in a folder of its own."""
    rows = [
        {"image_id": sha256(film), "path": film.name, "patient_id": film.stem.split("_")[0]}
        for film in films
    ]
    index = Index(pl.DataFrame(rows), films[0].parent)
    index.save(folder / "index.parquet")
    return index


@dataclass(frozen=True)
class Labelling:
    """The application, what lies behind it, and how to come in."""

    app: FastAPI
    ledger: Ledger
    desk: Desk
    ids: list[str]

    def anonymous(self, **more):
        """A client that nobody has signed in with; what it sends comes from the page."""
        headers = {"origin": ORIGIN, **more}
        return TestClient(self.app, base_url=ORIGIN, headers=headers, follow_redirects=False)

    def client(self, name):
        """A client in which a reader is signed in."""
        client = self.anonymous()
        said = client.post("/sign-in", data={"name": name, "password": PASSWORDS[name]})
        assert said.status_code == 303, said.text
        return client


@pytest.fixture
def place(quick_folder):
    """A folder for a campaign: the ledger's own tests try the disk."""
    return quick_folder


@pytest.fixture
def begin(films, place):
    """Begin a campaign of the films; its ledger is closed afterwards."""
    made = []

    def make(
        *,
        classes=CLASSES,
        kind="exclusive",
        per_image=1,
        images=12,
        files=None,
        find=None,
        **desk,
    ):
        folder = CampaignFolder(place)
        index = index_of(files or films[:images], place)
        campaign = Campaign("films", classes, kind, per_image, sha256(folder.index))
        ledger = open_ledger(folder.ledger, create=campaign)
        made.append(ledger)
        ids = index.frame["image_id"].to_list()
        said = dict(zip(campaign.names, (0.25, 0.75, 0.5), strict=False))
        queue = [Queued(one, n, {"score": 0.5}, said, "round-1") for n, one in enumerate(ids)]
        for name in ("anna", "ben"):
            ledger.admit(name)
        for name in ("judith", "karl"):
            ledger.admit(name, "adjudicator")
        ledger.queue(1, queue)
        models = Models(find or folder.run, campaign.names)
        desk = Desk(ledger, Archive.of(index), models, **desk)
        keeper = Doorkeeper({name: quick_hash(word) for name, word in PASSWORDS.items()})
        app = create_app(desk, Access(ORIGIN, doorkeeper=keeper))
        return Labelling(app, ledger, desk, ids)

    yield make
    for ledger in made:
        ledger.close()


@pytest.fixture
def labelling(begin):
    """A campaign that nobody has answered yet."""
    return begin()


@contextmanager
def serving(desk, reader="anna"):
    """A real server on a free port; gives its origin and the links that it shows."""
    links = []
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        origin = f"http://127.0.0.1:{listener.getsockname()[1]}"
        tokens = Tokens(lambda token: links.append(f"{origin}/sign-in?token={token}"))
        app = create_app(desk, Access(origin, reader=reader, tokens=tokens))
        server = uvicorn.Server(
            uvicorn.Config(app, http="h11", log_level="error", server_header=False)
        )
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            while not server.started:
                time.sleep(0.01)
            yield origin, links
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture(scope="module")
def chromium():
    """One browser for a file of tests; each of them has cookies and storage of its own."""
    if not os.access(CHROMIUM, os.X_OK):
        pytest.skip(f"Chromium is not at {CHROMIUM}")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as player:
        browser = player.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def browsing(chromium):
    """Open the page for a reader; whatever goes wrong in it fails the test."""

    @contextmanager
    def browse(desk, width=1200, height=800, reader="anna", ready="#canvas[data-scan]", script=""):
        with ExitStack() as stack:
            origin, links = stack.enter_context(serving(desk, reader))
            context = chromium.new_context(viewport={"width": width, "height": height})
            stack.callback(context.close)
            page = context.new_page()
            page.set_default_timeout(60000)  # for busy machines
            page.add_init_script(script)
            wrong = []
            page.on("pageerror", lambda error: wrong.append(str(error)))
            page.on(
                "console",
                lambda said: wrong.append(said.text) if "Content Security" in said.text else None,
            )
            page.on(
                "request",
                lambda asked: asked.url.startswith((origin, "blob:")) or wrong.append(asked.url),
            )
            page.goto(links[0])
            try:
                page.wait_for_selector(ready)
                yield page
            except Exception:
                keep(page, "failed")
                raise
            assert not wrong, wrong

    return browse


def keep(page, name):
    """Keep a picture of the page, if somebody wants to look at it."""
    if PICTURES:
        page.wait_for_timeout(400)
        page.screenshot(
            path=Path(PICTURES) / f"{name}.png", full_page=page.viewport_size["width"] < 600
        )
