"""A contact sheet of example images, right and wrong, with what they are and were taken for."""

from __future__ import annotations

from collections.abc import Sequence
from xml.sax.saxutils import escape

from medgraft.report.figures.canvas import LIGHT, dark_rules
from medgraft.report.pictures import Picture
from medgraft.report.words import shorten

ACROSS, SIDE, GAP, LINES = 6, 120, 12, 60  # pixels


def alone(pictures: Sequence[Picture]) -> str:
    """An SVG file that holds the pictures themselves."""
    rows = -(-len(pictures) // ACROSS)
    width = GAP + ACROSS * (SIDE + GAP)
    height = GAP + rows * (SIDE + LINES + GAP)
    cells = "".join(_cell(picture, i) for i, picture in enumerate(pictures))
    wrong = sum(not picture.correct for picture in pictures)
    title = f"Example images: {wrong} wrong, {len(pictures) - wrong} right"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}"'
        f' viewBox="0 0 {width} {height}" role="img" aria-labelledby="examples-title">'
        f'<title id="examples-title">{title}</title><style>{dark_rules()}</style>'
        f'<rect width="100%" height="100%" style="fill: {LIGHT["ground"]}"/>{cells}</svg>\n'
    )


def _cell(picture: Picture, i: int) -> str:
    x = GAP + i % ACROSS * (SIDE + GAP)
    y = GAP + i // ACROSS * (SIDE + LINES + GAP)
    colour = LIGHT["good"] if picture.correct else LIGHT["bad"]
    verdict = "rightly" if picture.correct else "wrongly"
    texts = (
        (f"is {picture.actual}", LIGHT["ink"]),
        (f"{verdict} called", colour),
        (picture.predicted, colour),
        (picture.probability, LIGHT["soft"]),
    )
    written = "".join(
        _text(x, y + SIDE + 14 * (line + 1), text, ink) for line, (text, ink) in enumerate(texts)
    )
    return (
        f"{_image(picture, x, y)}"
        f'<rect x="{x}" y="{y}" width="{SIDE}" height="{SIDE}" style="fill: none; stroke: {colour}"'
        f' stroke-width="2" rx="2"/>{written}'
    )


def _image(picture: Picture, x: int, y: int) -> str:
    """The picture; of a volume the slice that is shown first."""
    title, strip = f"<title>{escape(picture.alt)}</title>", picture.strip
    (width, height), count = strip.shape, max(len(strip.slices), 1)
    shown = f"0 {strip.middle * height} {width} {height}"
    return (
        f'<svg x="{x}" y="{y}" width="{SIDE}" height="{SIDE}" viewBox="{shown}">'
        f'<image width="{width}" height="{count * height}" href="{picture.source}">{title}</image></svg>'
        if strip.slices
        else f'<image x="{x}" y="{y}" width="{SIDE}" height="{SIDE}" href="{picture.source}">{title}</image>'
    )


def _text(x: int, y: int, text: str, colour: str) -> str:
    return (
        f'<text x="{x}" y="{y}" font-family="sans-serif" font-size="11" style="fill: {colour}">'
        f"{escape(shorten(text, 19))}</text>"
    )
