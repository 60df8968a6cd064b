"""Mobile networks of torchvision: numbered where timm has words, in the same order."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from medgraft.nets.name_maps import name_map

COUNTER = "num_batches_tracked"  # absent from files written before PyTorch 0.4.1
WIDE_NORMS = ("mobilenetv3_", "efficientnet_b5", "efficientnet_b6", "efficientnet_b7")


def _options(backbone: str) -> dict[str, Any]:
    """Batch norms of these have an epsilon of 1e-3 at torchvision and of 1e-5 at timm."""
    return {"bn_eps": 1e-3} if backbone.removeprefix("timm:").startswith(WIDE_NORMS) else {}


@name_map(
    "torchvision_mobile",
    source="torchvision's MobileNet V2 and V3, MNASNet and EfficientNet",
    options=_options,
)
def in_order(names: Collection[str], wanted: Iterable[str]) -> dict[str, str]:
    """Layer by layer, in the order in which data pass through them.

    Numbers make torchvision's order; both libraries build the same layers. The match ends at
    the first layer that has other tensors, and whoever uses it compares the shapes.

    Examples:
        >>> in_order({"features.0.1.bias", "features.0.0.weight", "features.10.0.weight"},
        ...          ["conv_stem.weight", "bn1.bias"])
        {'conv_stem.weight': 'features.0.0.weight', 'bn1.bias': 'features.0.1.bias'}
    """
    numbered = [name for name in names if name.startswith(("features.", "layers.", "classifier."))]
    theirs = _layers(sorted(numbered, key=_place))
    found: dict[str, str] = {}
    for ours, other in zip(_layers(wanted), theirs, strict=False):
        a, b = (
            {n.rpartition(".")[2]: n for n in layer if not n.endswith(COUNTER)}
            for layer in (ours, other)
        )
        if a.keys() != b.keys():
            break
        found |= {a[leaf]: b[leaf] for leaf in a}
        found |= {n: t for n in ours if n.endswith(COUNTER) for t in other if t.endswith(COUNTER)}
    return found


def _layers(names: Iterable[str]) -> list[list[str]]:
    """Names of tensors by the layer that they belong to, in the order of the layers."""
    layers: dict[str, list[str]] = {}
    for name in names:
        layers.setdefault(name.rpartition(".")[0], []).append(name)
    return list(layers.values())


def _place(name: str) -> tuple[bool, list[tuple[bool, int, str]]]:
    """Order of computation: numbers as numbers, and the classifier last."""
    parts = name.split(".")
    return parts[0] == "classifier", [
        (not part.isdigit(), int(part) if part.isdigit() else 0, part) for part in parts
    ]
