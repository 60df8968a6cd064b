"""The command `medgraft describe`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

if TYPE_CHECKING:
    from medgraft.nets import EncoderDecoder, Network


@dataclass(frozen=True)
class Describe:
    """Show the stages of a backbone, their channels, strides and parameters.

    Parameters are counted with a linear head of --classes outputs, or with a U-Net decoder of --dense
    outputs per pixel; buffers (running statistics) are not parameters. Trainable ones are those beyond
    --freeze-through.

    Examples:
        medgraft describe inception_v4 --classes 2 --freeze-through inception_c2 --json
        medgraft describe resnet18 --classes 14 --after layer3
        medgraft describe unet3d --channels 1 --dense 1
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
    dense: int | None = None
    """Outputs per pixel: a decoder in place of the head."""
    upsampling: Literal["nearest", "transposed"] = "nearest"
    """How the decoder of --dense doubles the sides."""
    json: bool = False
    """Print JSON."""

    def run(self) -> None:
        """Print the description."""
        import torch

        from medgraft.nets.weights import parameters

        with torch.device("meta"):  # nothing is computed, so no memory is needed
            network = self._network()
        network.freeze_through(self.freeze_through)
        channels, strides = _maps(network, self.classes)
        total, learns = parameters(network)
        stages: list[dict[str, Any]] = [
            {
                "name": name,
                "channels": channels[name],
                "stride": strides.get(name),
                "parameters": sum(p.numel() for p in group),
                "trainable": sum(p.numel() for p in group if p.requires_grad),
            }
            for name, group in network.parameter_groups()
        ]
        found = {
            "backbone": self.backbone,
            "classes": None if self.dense else self.classes,
            "dense": self.dense,
            "stages": stages,
            "parameters": total,
            "trainable": learns,
        }
        print(json.dumps(found, indent=2) if self.json else _table(found))

    def _network(self) -> Network | EncoderDecoder:
        from medgraft.nets import create, create_dense

        if self.dense is None:
            return create(
                self.backbone, in_channels=self.channels, classes=self.classes, after=self.after
            ).network
        return create_dense(
            self.backbone,
            in_channels=self.channels,
            out_channels=self.dense,
            after=self.after,
            upsampling=self.upsampling,
        ).network


def _maps(
    network: Network | EncoderDecoder, classes: int
) -> tuple[dict[str, int], dict[str, int | None]]:
    """Channels and strides of what leaves each stage and part."""
    from medgraft.nets import Network

    channels, strides = dict(network.backbone.channels), dict(network.backbone.strides)
    if isinstance(network, Network):
        return {**channels, "head": classes}, strides
    answers = {"decoder": network.decoder.out_channels, "output": network.out_channels}
    return {**channels, **answers}, {**strides, "decoder": 1, "output": 1}


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
