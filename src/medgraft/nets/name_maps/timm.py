"""The names of timm, which Cadene's Inception V4 and most of torchvision share."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from medgraft.nets.name_maps import name_map


@name_map(
    "timm",
    source="timm; torchvision's ResNet, DenseNet and Inception V3; Cadene's pretrained-models",
)
def same(names: Collection[str], wanted: Iterable[str]) -> dict[str, str]:
    """The same names.

    Examples:
        >>> same({"conv1.weight", "fc.bias"}, ["conv1.weight", "bn1.weight"])
        {'conv1.weight': 'conv1.weight'}
    """
    return {name: name for name in wanted if name in names}
