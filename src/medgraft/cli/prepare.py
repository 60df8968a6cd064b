"""The command `medgraft prepare`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro


@dataclass(frozen=True)
class Prepare:
    """Prepare images as training would, and show what was kept and what was removed.

    Writes a PNG per image into --out (8 bits where the file has no more, else 16), prepared.csv with
    the share of each that every step took, rejects.csv with what could not be prepared and why, and
    preview.html with pictures of before, kept, removed and after. The files themselves are only
    read. The same command goes on where it was stopped, and prepares only what is new or changed.

    Examples:
        medgraft prepare films/*.png --preset mammography --out clean --masks kept --preview 24
        medgraft prepare a.dcm b.dcm --preset mammography:pectoral=erase,contrast=clahe --size 1024 --out clean
        medgraft prepare a.png --steps channels:count=1 intensity crop_to_content --out cropped
    """

    files: Annotated[
        tuple[Path, ...],
        tyro.conf.Positional,
        tyro.conf.arg(metavar="FILES", help_behavior_hint="(at least one)"),
    ]
    """Images."""
    out: Path
    """Folder to write; new, empty, or one to go on with."""
    preset: str | None = None
    """Preparation for a kind of image, with choices if wanted, see `medgraft list presets`."""
    steps: tuple[str, ...] | None = None
    """Preparation steps in full, see `medgraft list steps`; the usual ones if neither is given."""
    size: int = 512
    """Side of the prepared image, in pixels; of presets and the usual steps."""
    channels: Literal[1, 3] = 1
    """Grey (1) or colour (3); likewise."""
    masks: Path | None = None
    """Folder for what was kept of each file: PNG of its rows and columns, 255 or 0."""
    preview: int = 24
    """How many files the page shows, spread evenly."""
    workers: int | None = None
    """Processes; one per core if not given."""

    def run(self) -> None:
        """Prepare, write the page, say what came of it."""
        from medgraft.errors import ArgumentError, TableError
        from medgraft.prepare.job import REJECTS, prepare_files
        from medgraft.report import write_prepared

        if not self.files:
            raise ArgumentError("prepare needs at least one file.")
        if not 0 <= self.preview <= 1000:
            raise ArgumentError(f"--preview must be in [0, 1000], got {self.preview}")
        if not 8 <= self.size <= 8192:
            raise ArgumentError(f"--size must be in [8, 8192], got {self.size}")
        found = prepare_files(
            self.files,
            self.out,
            self._specs(),
            masks=self.masks,
            previews=self.preview,
            workers=self.workers,
        )
        page = write_prepared(self.out)
        for reject in found.rejects[:5]:
            print(f"not prepared: {reject['path']}: {reject['reason']}")
        if found.rejects:
            print(f"{len(found.rejects)} files could not be prepared: {self.out / REJECTS}")
        earlier = f", {found.earlier} of them earlier" if found.earlier else ""
        print(f"{len(found.done)} images prepared{earlier}: {self.out}\npreview: {page}")
        if not found.done:
            raise TableError("at least one file must be prepared, and none was; see above.")

    def _specs(self) -> list[str]:
        from medgraft.errors import ArgumentError
        from medgraft.prepare import default_steps
        from medgraft.prepare.presets import preset_steps

        if self.steps is not None and self.preset is not None:
            raise ArgumentError(
                "--preset makes the steps that --steps names in full; got both. Leave one out."
            )
        if self.steps is not None:
            return list(self.steps)
        if self.preset is not None:
            return preset_steps(self.preset, self.size, self.channels)
        return default_steps(self.size, self.channels)
