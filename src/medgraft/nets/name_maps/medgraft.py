"""Our own names, for a network of ours whose tensors somebody saved in another way."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from medgraft.nets.name_maps import name_map


@name_map("medgraft", source="medgraft.nets: the state of a Network")
def own(names: Collection[str], wanted: Mapping[str, str]) -> dict[str, str]:
    """Stage by stage.

    Examples:
        >>> own({"backbone.stages.stem.conv1.weight"}, {"conv1.weight": "stem.conv1.weight"})
        {'conv1.weight': 'backbone.stages.stem.conv1.weight'}
    """
    full = {name: f"backbone.stages.{ours}" for name, ours in wanted.items()}
    return {name: ours for name, ours in full.items() if ours in names}
