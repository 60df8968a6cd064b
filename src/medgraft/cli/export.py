"""The command `medgraft export`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro


@dataclass(frozen=True)
class Export:
    """Write a run as one file that other software can use, checked against the run.

    The file takes prepared images in [0, 1] and gives a probability per class or label. It names its
    labels, threshold, preparation, licence and the hash of its weights. It is compared with the run
    on test images and refused (status 3) if a probability differs by more than --tolerance. A short
    program that uses it without medgraft is written beside it, FILE.example.py, and printed.

    Examples:
        medgraft export runs/films --to onnx
        medgraft export runs/films --to onnx --out films.onnx --tolerance 1e-5 --images 100
    """

    run_folder: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """Folder that `medgraft train` wrote."""
    to: str = "onnx"
    """Format; `medgraft list formats` names them."""
    out: Path | None = None
    """File to write; RUN/model.onnx if not given."""
    tolerance: float = 1e-4
    """Largest difference of a probability from the run's own."""
    images: int = 32
    """Test images to compare on."""
    force: bool = False
    """Write over earlier files."""

    def run(self) -> None:
        """Export, check, and print what was found."""
        from medgraft.export import export_run
        from medgraft.export.formats import formats
        from medgraft.runs import RunFolder

        run = RunFolder.existing(self.run_folder)
        made = export_run(
            run,
            self.out or run.path / f"model{formats.get(self.to).suffix}",
            to=self.to,
            tolerance=self.tolerance,
            images=self.images,
            force=self.force,
        )
        found = made.checked
        print(f"model: {made.file} ({made.file.stat().st_size / 1e6:,.1f} MB)")
        print(
            f"largest difference of a probability: {found.largest_difference:.2g}"
            f" (at most {found.tolerance:g}), on {found.origin}"
        )
        print(f"how to use it: {made.example}\n")
        print(made.example.read_text(encoding="utf-8"), end="")
