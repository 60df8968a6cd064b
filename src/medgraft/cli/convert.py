"""The command `medgraft convert`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

if TYPE_CHECKING:
    from medgraft.nets.convert import Converted


@dataclass(frozen=True)
class Convert:
    """Turn a foreign weight file (.pth, .pt, .bin, .ckpt) into safetensors that load here.

    The file is read in a process of its own that takes tensors and nothing else, with a limit on
    memory and time. One that would execute code is refused. Names of torchvision, timm and
    Cadene are understood, under any prefix (module., model., backbone., state_dict); the result
    is loaded into the backbone, and what did not fit is listed by name and shape.

    Examples:
        medgraft convert resnet18-f37072fd.pth --out resnet18.safetensors --mean 0.485 0.456 0.406 --std 0.229 0.224 0.225
        medgraft convert moco.pth.tar --backbone resnet50 --key state_dict.module.encoder_q --out moco.safetensors
    """

    file: Annotated[Path, tyro.conf.Positional]
    """Written by torch.save in any version; or safetensors under foreign names."""
    out: Path
    """New .safetensors file."""
    backbone: str | None = None
    """Architecture; if not given, the one of `medgraft list backbones` that fits wholly."""
    key: str | None = None
    """Where in the file the network lies, if it holds several: state_dict_ema."""
    mean: tuple[float, ...] | None = None
    """Per channel, of the images in [0, 1] that it was trained on; runs that start from it are normalised so."""
    std: tuple[float, ...] | None = None
    """Standard deviation, likewise."""
    licence: str = "not stated"
    """Of the weights."""
    classes: int | None = None
    """Outputs the head must have; of one more, the first (the background) is dropped."""
    kwargs: str | None = None
    """Options of the architecture that it was trained with: pad_type=same,bn_eps=0.001."""

    def run(self) -> None:
        """Convert, and say what was taken."""
        from medgraft.nets.convert import convert

        found = convert(
            self.file,
            self.out,
            backbone=self.backbone,
            key=self.key,
            mean=self.mean or (),
            std=self.std or (),
            licence=self.licence,
            classes=self.classes,
            kwargs=self.kwargs or "",
        )
        _tell(found, self.out)


def _tell(found: Converted, out: Path) -> None:
    where = f" under {found.key}" if found.key else ""
    print(f"{found.backbone}, names of {found.names}{where}: {found.loaded} tensors fit")
    if found.after:
        print(f"the file ends at {found.after}: use it with --after {found.after}")
    head = "no head of one linear layer: a new one will be made"
    print(f"head: {found.classes} outputs" if found.classes else head)
    for name, shape in found.unused.items():
        print(f"not used: {name} {shape}")
    if found.elsewhere:
        print(f"not used: {found.elsewhere} tensors elsewhere in the file")
    if found.notes["kwargs"]:
        print(f"options: {found.notes['kwargs']}")
    if "mean" not in found.notes:
        print("no --mean and --std: a run will take the statistics of its own images")
    print(f"written: {out}")
