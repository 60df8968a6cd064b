"""DenseNet as torchvision's published files call it: ``norm.1`` for what is now ``norm1``."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from medgraft.nets.name_maps import name_map

LAYER = re.compile(r"(denselayer\d+\.(?:norm|conv))(\d)\.")


@name_map("densenet_2017", source="torchvision before 0.2, whose published files keep these names")
def dotted(names: Collection[str], wanted: Iterable[str]) -> dict[str, str]:
    """A dot between layer and number; nothing where no name has one.

    Examples:
        >>> dotted({"f.denselayer1.norm.1.bias", "f.norm0.bias"},
        ...        ["f.norm0.bias", "f.denselayer1.norm1.bias"])
        {'f.norm0.bias': 'f.norm0.bias', 'f.denselayer1.norm1.bias': 'f.denselayer1.norm.1.bias'}
    """
    theirs = {name: LAYER.sub(r"\1.\2.", name) for name in wanted}
    if not any(old in names for name, old in theirs.items() if old != name):
        return {}
    return {name: old for name, old in theirs.items() if old in names}
