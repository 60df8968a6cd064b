"""The command `medgraft explain`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

if TYPE_CHECKING:
    from medgraft.explain import Explained


@dataclass(frozen=True)
class Explain:
    """Show where an answer came from: heat maps (Grad-CAM) over the images.

    Without FILES it draws the test images whose answers cost the run most, with the heat of
    their actual class, into RUN/explain, and writes the report again with them. With FILES it
    draws new files, prepared exactly as in training, with the heat of the predicted class.

    Examples:
        medgraft explain runs/films
        medgraft explain runs/films new/a.dcm --stage layer2 --label normal --out heat
    """

    run_folder: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """Folder that `medgraft train` wrote."""
    files: Annotated[
        tuple[Path, ...],
        tyro.conf.Positional,
        tyro.conf.arg(metavar="[FILES]", help_behavior_hint="(top losses if not given)"),
    ] = ()
    """Images; a folder stands for a DICOM series."""
    split: str = "test"
    """Part of the split whose top losses to draw."""
    most: int = 24
    """How many top losses to draw."""
    stage: str | None = None
    """Stage whose maps are weighted; the last with at least 16 cells if not given."""
    label: str | None = None
    """Class or label to explain; of top losses only those of this class or label."""
    out: Path | None = None
    """New folder for the pictures; RUN/explain if not given, FILES need one."""
    device: str = "auto"
    """Where to compute."""

    def run(self) -> None:
        """Draw, print what was drawn, and write the report again."""
        from medgraft.errors import ArgumentError
        from medgraft.explain import explain_files, explain_losses
        from medgraft.files import check_free
        from medgraft.runs import RunFolder

        run = RunFolder.existing(self.run_folder)
        if self.files and self.out is None:
            raise ArgumentError("new files need --out, a new folder for their pictures.")
        if self.out is not None:
            check_free(self.out)
        folder = self.out or run.explain
        if self.files:
            found = explain_files(
                run, self.files, folder, stage=self.stage, label=self.label, device=self.device
            )
        else:
            found = explain_losses(
                run,
                folder,
                split=self.split,
                most=self.most,
                stage=self.stage,
                label=self.label,
                device=self.device,
            )
        _tell(found)
        if self.out is None:
            from medgraft.report import write_report

            print(f"report: {write_report(run.path)}")


def _tell(found: Explained) -> None:
    cells = " x ".join(map(str, found.cells))
    print(f"heat of the stage {found.stage}, {cells} cells, of {len(found.items)} images:")
    if found.networks > 1:
        print(f"{found.networks} networks answered together; the heat is that of the best of them")
    for item in found.items:
        truth = f", is {item['actual']} (loss {item['loss']:.2f})" if "actual" in item else ""
        print(f"{item['heat']}  {item['path']}: called {item['predicted']}{truth}")
    for reject in found.rejects:
        print(f"not read: {reject['path']}: {reject['reason']}")
    print(f"pictures: {found.folder}")
