"""The command `medgraft augment`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from torch import Tensor

FORMATS = (".png", ".jpg", ".jpeg", ".pdf", ".svg")


@dataclass(frozen=True)
class Augment:
    """Show what augmentations make of your images, as a contact sheet.

    A row per image, the original first, then one column per draw with what was drawn above
    it; of a volume, its three middle slices. `medgraft list augmentations` names what exists, and
    the presets films, patches, strong and none are understood too.

    Example:
        medgraft augment --preview film.png --specs rotate:degrees=15 flip --out sheet.png
        medgraft augment --preview index.parquet --specs films --size 128 --out sheet.png
    """

    preview: Path
    """An image, a volume, or an index."""
    specs: tuple[str, ...] = ("films",)
    """Augmentations, such as rotate:degrees=15,p=0.5."""
    out: Path = Path("sheet.png")
    """Where to write the sheet: png, jpg, pdf or svg."""
    images: int = 4
    """Images of an index to show, spread evenly over its rows."""
    draws: int = 6
    """Columns beside the original."""
    size: int | None = None
    """Pad to a square and resize to this side first, as for training."""
    padding: Literal["reflection", "border", "zeros"] = "reflection"
    """What lies beyond the border."""
    seed: int = 0
    """Of the draws."""

    def run(self) -> None:
        """Read, augment, draw."""
        from medgraft.augment.augmenter import Augmenter
        from medgraft.augment.preview import contact_sheet, save_sheet

        self._check()
        names, images = self._load()
        augmenter = Augmenter(self.specs, images[0].ndim - 1, padding=self.padding)
        sheet = contact_sheet(images, names, augmenter, draws=self.draws, seed=self.seed)
        save_sheet(sheet, self.out)
        print(f"{self.out}: {len(images)} x {self.draws} draws of {', '.join(augmenter.specs)}")

    def _check(self) -> None:
        from medgraft.errors import ArgumentError

        for flag, value, most in (("images", self.images, 50), ("draws", self.draws, 50)):
            if not 1 <= value <= most:
                raise ArgumentError(f"--{flag} must be in [1, {most}], got {value}")
        if self.out.suffix.lower() not in FORMATS:
            raise ArgumentError(f"--out must end in one of {', '.join(FORMATS)}, got '{self.out}'")

    def _load(self) -> tuple[list[str], list[Tensor]]:
        import torch

        from medgraft.errors import ArgumentError
        from medgraft.prepare import load, pipeline

        shape = [] if self.size is None else ["pad_square", f"resize:side={self.size}"]
        chain = pipeline(["intensity", *shape])
        paths = self._paths()
        images = [torch.from_numpy(load(path, chain)) for path in paths]
        if len({image.ndim for image in images}) > 1:
            raise ArgumentError(
                f"a sheet must show pictures or volumes, but '{self.preview}' holds both."
                " Give an index of one kind."
            )
        return [path.rpartition("/")[2] for path in paths], images

    def _paths(self) -> list[str]:
        from medgraft.errors import TableError

        if self.preview.suffix.lower() != ".parquet":
            return [str(self.preview)]
        from medgraft.index import Index

        index = Index.load(self.preview)
        if not len(index):
            raise TableError(f"the index '{self.preview}' must have rows to show, and has none.")
        step = max(1, len(index) // self.images)
        return [index.file(path) for path in index.frame["path"][::step][: self.images]]
