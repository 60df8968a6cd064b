"""Mammograms: what the preparation removes, and what of the skin it leaves out; writes docs/results.md.

    .venv/bin/python studies/mammography.py --data ../shared/data --out runs/mammography

Prepares the films of MIAS with `medgraft prepare` and counts what every step took, and measures how
much of the breast lies outside the outline. A few minutes on one core; films that are prepared
already are not prepared again. What the eye says of the films stands on the page between marks
of its own, written by hand.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from results_page import called, run_study
from scipy import ndimage

from medgraft.files import write_text
from medgraft.prepare import pipeline
from medgraft.prepare.job import TABLE
from medgraft.prepare.presets import preset_steps
from medgraft.prepare.tracing import prepare_traced
from medgraft.progress import track
from medgraft.read import read

MARK = "mammography"
SET = "mammo-mias"
SIDE_MM = 204.8  # of all films: 1024 pixels of 0.2 mm, whatever they were reduced to
OUTSIDE = "outside.csv"

# The ruler: what is brighter than air counts as skin, scattered light and dust too.
NEAR_MM = 3.0  # as far beyond the outline it looks
AIR_MM = (5.0, 10.0)  # from here to there beyond the outline, air is measured
AROUND_MM = 6.0  # standard deviation of the weights by which air near a place counts for it
BLUR_MM = 1.0  # side of the square over which the film is averaged first, against noise
LETTERS = 10  # levels over the median of air: what is brighter is a letter, a marker or a film edge
LEVELS = 2  # of 255 that skin is brighter than air at least


def outside(film: np.ndarray, kept: np.ndarray, frame: np.ndarray, pixel_mm: float) -> float:
    """The share of the breast, as a strict ruler sees it, that is not kept.

    Args:
        film: Grey levels of 8 bits, (rows, columns).
        kept: What was kept of it, bool.
        frame: White edges and tape, which do not count as breast or air.
        pixel_mm: Side of a pixel.
    """
    away = ndimage.distance_transform_edt(~kept) * pixel_mm
    lit = film > 0
    frame = frame | ~lit.any(axis=1)[:, None] | ~lit.any(axis=0)[None, :]  # padding as well
    width = max(1, round(BLUR_MM / pixel_mm))
    smooth = ndimage.uniform_filter(film.astype(np.float32), width, mode="nearest")
    air = (away > AIR_MM[0]) & (away <= AIR_MM[1]) & ~frame
    usual = np.median(smooth[air]) if air.any() else 0.0
    air &= smooth <= usual + LETTERS
    sigma = AROUND_MM / pixel_mm
    weight = ndimage.gaussian_filter(air.astype(np.float32), sigma)
    level = ndimage.gaussian_filter(np.where(air, smooth, 0), sigma) / np.maximum(weight, 1e-6)
    level = np.where(weight > 1e-3, level, usual)
    skin = (away > 0) & (away <= NEAR_MM) & ~frame & (smooth > level + LEVELS)
    return float(skin.sum() / (kept.sum() + skin.sum()))


@dataclass(frozen=True)
class Films:
    """Films of one size, prepared.

    Attributes:
        folder: Name of its folder, and of that of the films.
    """

    folder: str

    def run(self, data: Path, out: Path) -> None:
        """Prepare what is missing."""
        files = sorted(str(file) for file in (data / SET / self.folder).glob("*.png"))
        target = out / self.folder
        flags = f"--preset mammography --out {target} --masks {target}-masks --preview 24"
        called(["prepare", *files, *flags.split()])
        write_text(target / OUTSIDE, self.measured(files).write_csv())

    def measured(self, files: list[str]) -> pl.DataFrame:
        """How much of each breast is not kept."""
        chain = pipeline(preset_steps("mammography", 512, 1))
        rows = []
        for file in track(files, what=f"{self.folder}: outlines"):
            scan = read(file)
            traced = prepare_traced(scan, chain)
            grey, frame = scan.array[0], traced.removed["erase_frame"]
            pixel_mm = SIDE_MM / max(grey.shape)
            rows.append((Path(file).stem, outside(grey, traced.kept, frame, pixel_mm)))
        return pl.DataFrame(rows, schema={"film": pl.String, "outside": pl.Float64}, orient="row")

    def section(self, folder: Path) -> str:
        """Shares of the film, as quantiles over films; with few films one row each."""
        table = pl.read_csv(folder / TABLE).with_columns(
            film=pl.col("path").str.extract(r"([^/]+)\.png$")
        )
        table = table.join(pl.read_csv(folder / OUTSIDE), on="film", how="left")
        steps = ["erase_frame", "keep_breast", "mended", "kept", "outside"]
        rejects = folder / "rejects.csv"
        refused = len(pl.read_csv(rejects)) if rejects.is_file() else 0
        lines = [
            f"### {SET}/{self.folder}",
            "",
            "```",
            f"medgraft prepare {SET}/{self.folder}/*.png --preset mammography --out prepared --masks kept",
            "```",
            "",
            f"{len(table)} films prepared, {refused} refused; {table['mirrored'].sum()} mirrored;"
            f" white edges or tape removed on {(table['erase_frame'] > 0).sum()}, dust or scratches"
            f" filled on {(table['mended'] > 0).sum()}. Shares of the film; `outside` is the share of the"
            f" breast that lies outside the outline: above 1 % on {(table['outside'] > 0.01).sum()}.",
            "",
        ]
        if len(table) > 50:
            lines += ["| share | least | 5 % | median | 95 % | most |", "|" + " --- |" * 6]
            for step in steps:
                ends = [table[step].quantile(q, "linear") for q in (0, 0.05, 0.5, 0.95, 1)]
                lines.append(f"| {step} | " + " | ".join(percent(x) for x in ends) + " |")
        else:
            lines += ["| film | " + " | ".join(steps) + " | mirrored |", "|" + " --- |" * 7]
            for row in table.iter_rows(named=True):
                cells = [percent(row[step]) for step in steps]
                lines.append(f"| {row['film']} | {' | '.join(cells)} | {'yes' * row['mirrored']} |")
        return "\n".join([*lines, ""])


def percent(share: float) -> str:
    """A share of a film."""
    return f"{100 * share:.2f} %"


def main() -> None:
    """Prepare, measure, write."""
    run_study(
        __doc__,
        [Films("full1024"), Films("png256")],
        run=lambda part, data, out: part.run(data, out),
        section=lambda part, folder: part.section(folder),
        result=OUTSIDE,
        mark=MARK,
    )


if __name__ == "__main__":
    main()
