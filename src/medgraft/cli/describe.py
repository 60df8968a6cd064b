"""The command `medgraft describe`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Annotated, Any

import tyro


@dataclass(frozen=True)
class Describe:
    """Show the stages of a backbone, their channels, strides and parameters.

    Parameters are counted with a linear head of --classes outputs; buffers (running statistics) are not
    parameters. Trainable ones are those beyond --freeze-through.

    Examples:
        medgraft describe inception_v4 --classes 2 --freeze-through inception_c2 --json
        medgraft describe resnet18 --classes 14 --after layer3
    """

    backbone: Annotated[str, tyro.conf.Positional]
    """Name from `medgraft list backbones`, or timm:<any>."""
    classes: int = 1000
    """Outputs of the head."""
    channels: int = 3
    """Channels of the images."""
    after: str | None = None
    """Last stage to keep."""
    freeze_through: str | None = None
    """Last stage to freeze."""
    json: bool = False
    """Print JSON."""

    def run(self) -> None:
        """Print the description."""
        import torch

        from medgraft.nets import create
        from medgraft.nets.weights import parameters

        with torch.device("meta"):  # nothing is computed, so no memory is needed
            made = create(
                self.backbone, in_channels=self.channels, classes=self.classes, after=self.after
            )
        network = made.network
        network.freeze_through(self.freeze_through)
        backbone = network.backbone
        total, learns = parameters(network)
        stages: list[dict[str, Any]] = [
            {
                "name": name,
                "channels": backbone.channels.get(name, self.classes),
                "stride": backbone.strides.get(name),
                "parameters": sum(p.numel() for p in group),
                "trainable": sum(p.numel() for p in group if p.requires_grad),
            }
            for name, group in network.parameter_groups()
        ]
        found = {
            "backbone": self.backbone,
            "classes": self.classes,
            "stages": stages,
            "parameters": total,
            "trainable": learns,
        }
        print(json.dumps(found, indent=2) if self.json else _table(found))


def _table(found: dict[str, Any]) -> str:
    width = max(len(stage["name"]) for stage in found["stages"])
    lines = [f"{'stage':<{width}}  channels  stride  {'parameters':>12}  {'trainable':>12}"]
    lines += [
        f"{s['name']:<{width}}  {s['channels']:>8}  {s['stride'] or '-':>6}"
        f"  {s['parameters']:>12,}  {s['trainable']:>12,}"
        for s in found["stages"]
    ]
    total = (
        f"{'':<{width}}  {'':>8}  {'':>6}  {found['parameters']:>12,}  {found['trainable']:>12,}"
    )
    return "\n".join([*lines, total])
