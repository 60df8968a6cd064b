"""The page in a real browser: nothing sticks out at 400 pixels, and dark is dark."""

import html
import json
import re
import shutil
import subprocess

import pytest
from report_folders import make_run

from medgraft.report import write_comparison

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
QUIET = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-sync"
    " --disable-background-networking --disable-component-update --virtual-time-budget=4000"
)
MEASURE = """
addEventListener("load", () => {
  const found = [...document.querySelectorAll("iframe")].map((frame) => {
    const page = frame.contentDocument, view = frame.contentWindow;
    const figure = page.querySelector(".figures svg text, #differences svg text");
    return {
      width: page.documentElement.scrollWidth, client: page.documentElement.clientWidth,
      ground: view.getComputedStyle(page.body).backgroundColor,
      ink: view.getComputedStyle(figure).fill,
      broken: [...page.images].filter((image) => !image.naturalWidth).length,
      images: page.images.length,
      small: Math.min(...[...page.querySelectorAll(".figures > figure:not(.wide) svg text")]
        .map((text) => text.getBoundingClientRect().height)),
    };
  });
  document.body.innerHTML = "";
  document.body.dataset.found = JSON.stringify(found);
});
"""


def seen(pages, width, tmp_path, *, dark):
    """What the browser makes of pages in frames of this width; the page's own policy holds."""
    frames = "".join(
        f'<iframe style="border:0;width:{width}px;height:900px" srcdoc="{html.escape(page)}"></iframe>'
        for page in pages
    )
    outer = tmp_path / "outer.html"
    outer.write_text(
        "<!DOCTYPE html><meta charset=utf-8><meta name=color-scheme content='light dark'>"
        f"<script>{MEASURE}</script><body>{frames}"
    )
    scheme = f"--blink-settings=preferredColorScheme={0 if dark else 1}"
    told = subprocess.run(
        [CHROMIUM, *QUIET.split(), scheme, f"--user-data-dir={tmp_path / 'profile'}",
         "--enable-logging=stderr", "--dump-dom", outer.as_uri()],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert "Content Security Policy" not in told.stderr
    return json.loads(html.unescape(re.search(r'data-found="([^"]*)"', told.stdout)[1]))


def test_narrow_and_light(binary, labels, phantoms, tmp_path):
    runs = (binary, labels, phantoms)
    for page in seen([run.html for run in runs], 400, tmp_path, dark=False):
        assert page["width"] <= page["client"] <= 400
        assert page["broken"] == 0
        assert page["images"] > 0
        assert page["ground"] == "rgb(255, 255, 255)"
        assert page["ink"] == "rgb(28, 33, 39)"
        assert page["small"] >= 9  # pixels of the line, of the smallest text in a figure


def test_wide_and_dark(binary, labels, tmp_path):
    for page in seen([binary.html, labels.html], 1280, tmp_path, dark=True):
        assert page["width"] <= page["client"]
        assert page["ground"] == "rgb(20, 24, 29)"
        assert page["ink"] == "rgb(232, 234, 237)"


def test_of_several_runs_too(binary, tmp_path):
    small = {"patients": 120, "images": 260, "replicates": 20, "pictures": 0}
    runs = [
        make_run(tmp_path / f"a run of skill {skill}", **small, skill=skill) for skill in (1, 2)
    ]
    pages = [
        write_comparison(
            [binary.folder, *runs][:many], tmp_path / f"{many}", replicates=40
        ).read_text()
        for many in (2, 3)
    ]
    for page in seen(pages, 400, tmp_path, dark=False):
        assert page["width"] <= page["client"] <= 400
    for page in seen(pages, 1280, tmp_path, dark=True):
        assert page["width"] <= page["client"]
        assert page["ink"] == "rgb(232, 234, 237)"
