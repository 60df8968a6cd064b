"""How much burned-in text an audit finds, and how often it sees text where there is none.

    .venv/bin/python studies/lettering.py --data ../shared/data

Prints a made-up name and date on images of four real sets, at three sizes and three contrasts, and
searches them with and without it. A few minutes on one core; rewrites its part of docs/results.md.
"""

from __future__ import annotations

import argparse
import platform
from datetime import date
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from results_page import ROOT, put

from medgraft.index.lettering import Box, find_lines
from medgraft.progress import track
from medgraft.read import read

TEXT = "DOE JOHN 19610203"
SETS = {
    "cxr-kermany": "**/*.jpeg",
    "histo-idc": "**/*.png",
    "mammo-mias": "full1024/*.png",
    "seg-wbc": "images/*.png",
}
SIZES, CONTRASTS = (12, 20, 32), (0.15, 0.4, 1.0)
SEARCHED, PRINTED = 150, 24
SIDE = 512  # smaller images are enlarged, so that a line has room


def grey(path: Path) -> np.ndarray:
    """A picture without its colours."""
    return read(path).array.astype(np.float32).mean(axis=0)


def stamp(
    image: np.ndarray, size: int, contrast: float, rng: np.random.Generator
) -> tuple[np.ndarray, Box]:
    """The text on an image, brighter than its ground by a share of the range, or darker."""
    height, width = image.shape
    mark = Image.new("L", (width, height), 0)
    at = 10 + rng.integers(0, max(1, width // 3)), 5 + rng.integers(0, height - size - 10)
    ImageDraw.Draw(mark).text(at, TEXT, fill=255, font=ImageFont.load_default(size))
    share = np.asarray(mark, dtype=np.float32) / 255
    rows, columns = np.nonzero(share > 0.5)
    low, high = np.percentile(image, [0.5, 99.5])
    under = float(image[share > 0.5].mean())
    end = high if high - under >= under - low else low  # the text differs as far as there is room
    value = under + np.sign(end - under) * min(contrast * (high - low), abs(end - under))
    box = int(rows.min()), int(columns.min()), int(rows.max()) + 1, int(columns.max()) + 1
    return image * (1 - share) + value * share, box


def met(lines: list[Box], box: Box) -> bool:
    """Whether a line covers at least three tenths of a box's width, at its height."""
    top, left, bottom, right = box
    return any(
        min(one[3], right) - max(one[1], left) > 0.3 * (right - left)
        and min(one[2], bottom) > max(one[0], top)
        for one in lines
    )


def measure(folder: Path, pattern: str) -> str:
    """A row of the table: what is seen without text, and found with it."""
    rng = np.random.default_rng(0)
    files = sorted(folder.glob(pattern))
    some = [files[place] for place in rng.permutation(len(files))[:SEARCHED]]
    seen, found = 0, {(size, contrast): 0 for contrast in CONTRASTS for size in SIZES}
    for number, file in enumerate(track(some, what=folder.name, unit="image")):
        image = grey(file)
        seen += bool(find_lines(image))
        if number >= PRINTED:
            continue
        if max(image.shape) < SIDE:
            image = np.asarray(Image.fromarray(image).resize((SIDE, SIDE)))
        for size, contrast in found:
            printed, box = stamp(image, size, contrast, rng)
            found[size, contrast] += met(find_lines(printed), box)
    of = min(PRINTED, len(some))
    cells = [f"{count}/{of}" for count in found.values()]
    return f"| {folder.name} | {seen}/{len(some)} | {' | '.join(cells)} |"


def main() -> None:
    """Measure all sets and write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    data = parser.parse_args().data
    heads = [f"{size} px, {contrast:.0%}" for contrast in CONTRASTS for size in SIZES]
    rows = [measure(data / name, pattern) for name, pattern in SETS.items()]
    versions = f"numpy {np.__version__}, Python {platform.python_version()}, {date.today()}"
    lines = [
        f"| set | seen without | {' | '.join(heads)} |",
        "|" + " --- |" * (2 + len(heads)),
        *rows,
        "",
        versions + ".",
    ]
    put("\n".join(lines), "lettering")


if __name__ == "__main__":
    main()
