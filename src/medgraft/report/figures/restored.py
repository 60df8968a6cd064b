"""A contact sheet of a pretraining: images as they were, as the network saw and restored them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from medgraft.report.figures.canvas import LIGHT, dark_rules

ACROSS, SIDE, GAP, LINE = 2, 120, 12, 22  # pixels


@dataclass(frozen=True)
class Shown:
    """One image of the sheet.

    Attributes:
        pictures: Name of each stage ("image", "input", "restored") to its data URL.
        caption: What came of it.
    """

    pictures: dict[str, str]
    caption: str


def alone(sheet: Sequence[Shown]) -> str:
    """An SVG file that holds the pictures themselves, two images side by side."""
    names = list(sheet[0].pictures)
    block = len(names) * (SIDE + 4) + GAP
    rows = -(-len(sheet) // ACROSS)
    width, height = GAP + ACROSS * block, GAP + LINE + rows * (SIDE + LINE + GAP)
    cells = "".join(_cell(one, i, block) for i, one in enumerate(sheet))
    heads = "".join(
        _text(GAP + column * block + place * (SIDE + 4), LINE, name)
        for column in range(min(ACROSS, len(sheet)))
        for place, name in enumerate(names)
    )
    title = f"{len(sheet)} images: {', '.join(names)}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}"'
        f' viewBox="0 0 {width} {height}" role="img" aria-labelledby="restored-title">'
        f'<title id="restored-title">{escape(title)}</title><style>{dark_rules()}</style>'
        f'<rect width="100%" height="100%" style="fill: {LIGHT["ground"]}"/>{heads}{cells}</svg>\n'
    )


def _cell(one: Shown, i: int, block: int) -> str:
    x = GAP + i % ACROSS * block
    y = GAP + LINE + i // ACROSS * (SIDE + LINE + GAP)
    images = "".join(
        f'<image x="{x + place * (SIDE + 4)}" y="{y}" width="{SIDE}" height="{SIDE}"'
        f' href="{source}"><title>{escape(name)}</title></image>'
        for place, (name, source) in enumerate(one.pictures.items())
    )
    return images + _text(x, y + SIDE + 14, one.caption)


def _text(x: int, y: int, text: str) -> str:
    return (
        f'<text x="{x}" y="{y}" font-family="sans-serif" font-size="11"'
        f' style="fill: {LIGHT["soft"]}">{escape(text)}</text>'
    )
