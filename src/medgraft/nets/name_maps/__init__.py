"""Name maps: how the tensors of a network are called in files of other libraries.

To add one, add a module to this folder that registers a function with `name_map`. It is given
the names in a file and the names that timm and we have for the tensors of a backbone, in the
order in which data pass through them, and says which belong together. Its contract is checked by
``tests/nets/test_convert.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from medgraft.registry import Registry

Match = Callable[[Collection[str], Mapping[str, str]], dict[str, str]]
"""Names in a file, and ours by those at timm, to the pairs found: name at timm, name in the file."""


@dataclass(frozen=True)
class NameMap:
    """A way in which files call tensors.

    Attributes:
        name: As it is shown.
        match: Finds the pairs; none where the file is not of this kind.
        options: Options of the architecture that such weights need, by the name of the backbone.
        source: Where the names come from.
    """

    name: str
    match: Match
    options: Callable[[str], dict[str, Any]]
    source: str


name_maps: Registry[NameMap] = Registry("name map", __name__)


def name_map(
    name: str, *, source: str, options: Callable[[str], dict[str, Any]] = lambda _: {}
) -> Callable[[Match], Match]:
    """Register a function ``(names in the file, ours by those at timm) -> pairs`` under `name`."""

    def register(match: Match) -> Match:
        name_maps.add(name, NameMap(name, match, options, source))
        return match

    return register
