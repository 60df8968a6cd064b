"""How long a reader waits on the labelling page: from a key to the next scan, and until it is saved."""

from __future__ import annotations

import hashlib
import socket
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import uvicorn

from bench.timing import Table, milliseconds
from medgraft.index import Index
from medgraft.ledger import Campaign, Class, Queued, open_ledger
from medgraft.phantoms import write_archive
from medgraft.web.access import Access
from medgraft.web.app import create_app
from medgraft.web.archive import Archive
from medgraft.web.desk import Desk
from medgraft.web.heat import Models
from medgraft.web.sessions import Tokens

CHROMIUM = "/usr/bin/chromium"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic"]
POOLS = (1000, 100_000)
KEYS = 40
PAUSE_MS = 400  # a reader who only glances; longer pauses leave more time to fetch ahead
FRAME = """() => new Promise((done) => {
  const began = performance.now();
  requestAnimationFrame(() => {
    const channel = new MessageChannel();
    channel.port1.onmessage = () => done(performance.now() - began);
    channel.port2.postMessage(null);
  });
})"""


@dataclass(frozen=True)
class Waits:
    """Seconds that a reader waited.

    Attributes:
        next: From each key to the next scan on the screen.
        saved: From each answer to its acknowledgement.
        frame: What the browser takes for a frame in which nothing happens.
    """

    next: list[float]
    saved: list[float]
    frame: list[float]


def measure() -> Table:
    """Label scans of a small and of a large pool in Chromium, in turn."""
    with TemporaryDirectory() as folder:
        films = draw_films(Path(folder), side=1024)
        found: dict[int, list[Waits]] = {images: [] for images in POOLS}
        for images in POOLS * 2:
            with campaign(Path(folder), films, images) as desk:
                found[images].append(label(desk, keys=KEYS))
    return Table(
        title="The labelling page",
        text=(
            f"Chromium on the machine of the server, 1,200 x 800 pixels without a graphics card; {KEYS} scans"
            f" twice, a key every {PAUSE_MS} ms, phantom films of 1,024 x 1,024 x 16 bits. A queue of all"
            " images of the pool, in SQLite. *Next scan*: from the key to the frame that shows it. *Saved*:"
            " from the request to the acknowledgement that the answer is on the disk. *A frame*: what the"
            " browser takes to show a frame in which nothing happens, below which neither can be."
        ),
        header=(
            "images in the pool",
            "next scan",
            "19 of 20 within",
            "saved",
            "19 of 20 within",
            "a frame",
        ),
        rows=tuple(_row(images, runs) for images, runs in found.items()),
        packages=("fastapi", "uvicorn", "sqlalchemy", "playwright"),
    )


def _row(images: int, runs: list[Waits]) -> tuple[str, ...]:
    cells = [f"{images:,}"]
    for name in ("next", "saved"):
        seconds = [value for run in runs for value in getattr(run, name)]
        cells += [milliseconds(statistics.median(seconds)), milliseconds(late(seconds))]
    frames = [value for run in runs for value in run.frame]
    return (*cells, milliseconds(statistics.median(frames)))


def late(seconds: list[float]) -> float:
    """What 19 of 20 do not exceed."""
    return statistics.quantiles(seconds, n=20)[-1]


def draw_films(folder: Path, *, side: int) -> list[Path]:
    """Eight phantom films of 16 bits."""
    write_archive(folder / "films", patients=4, side=side, bits=16)
    return sorted((folder / "films" / "images").iterdir())


@contextmanager
def campaign(folder: Path, films: list[Path], images: int) -> Iterator[Desk]:
    """A campaign whose pool has many images, each of them one of a few files."""
    ids = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(images)]
    paths = [films[number % len(films)].name for number in range(images)]
    index = Index(pl.DataFrame({"image_id": ids, "path": paths}), films[0].parent)
    asked = Campaign("films", (Class("normal", "Nothing to see."), Class("lesion", "A spot.")))
    said = {"normal": 0.4, "lesion": 0.6}
    with TemporaryDirectory(dir=folder) as own:
        ledger = open_ledger(Path(own) / "ledger.sqlite", create=asked)
        with closing(ledger):
            ledger.admit("reader")
            ledger.queue(
                1, [Queued(one, n, {"score": 0.5}, said, "1") for n, one in enumerate(ids)]
            )
            yield Desk(ledger, Archive.of(index), Models(lambda _: None, asked.names))


@contextmanager
def serving(desk: Desk) -> Iterator[str]:
    """Serve in a thread of this process; gives the link that lets a browser in."""
    links: list[str] = []
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        origin = f"http://127.0.0.1:{listener.getsockname()[1]}"
        tokens = Tokens(lambda token: links.append(f"{origin}/sign-in?token={token}"))
        app = create_app(desk, Access(origin, reader="reader", tokens=tokens))
        config = uvicorn.Config(app, http="h11", log_level="error", access_log=False)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            while not server.started:
                time.sleep(0.01)
            yield links[0]
        finally:
            server.should_exit = True
            thread.join()


def label(desk: Desk, *, keys: int, pause_ms: int = PAUSE_MS) -> Waits:
    """Answer so many scans by keyboard, and how long each took."""
    from playwright.sync_api import sync_playwright

    with serving(desk) as link, sync_playwright() as player:
        browser = player.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 1200, "height": 800})
        page.goto(link)
        page.wait_for_selector("#canvas[data-scan]", timeout=120_000)  # decoders are imported
        frames = []
        for number in range(keys + 5):  # the first ones warm up the browser's compiler
            page.wait_for_timeout(pause_ms)
            if number == 5:
                page.evaluate("performance.clearMeasures(); performance.clearResourceTimings()")
            frames.append(page.evaluate(FRAME) / 1e3)
            before = page.get_attribute("#canvas[data-scan]", "data-scan")
            page.keyboard.press("12"[number % 2])
            page.wait_for_selector(f"#canvas[data-scan]:not([data-scan='{before}'])")
        page.wait_for_selector("#saved[data-state=good]")
        told = page.evaluate(
            """() => ({
              next: performance.getEntriesByName("key to next scan").map((one) => one.duration / 1e3),
              saved: performance.getEntriesByType("resource")
                .filter((one) => one.name.endsWith("/api/answers")).map((one) => one.duration / 1e3),
            })"""
        )
        browser.close()
    return Waits(told["next"], told["saved"], frames)
