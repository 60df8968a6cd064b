"""A family of interchangeable parts, found by looking in its folder."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from collections.abc import Iterable
from typing import Generic, TypeVar

from medgraft.errors import NameTakenError, UnknownNameError

Part = TypeVar("Part")


class Registry(Generic[Part]):
    """Names and parts of one family, such as all augmentations.

    A family is a package. Each of its modules registers what it defines; all of them are
    imported the first time anybody asks for a name. Other distributions join a family with
    an entry point whose group is the name of the package. Nobody keeps a list by hand.
    """

    def __init__(self, kind: str, package: str) -> None:
        self.kind = kind
        self.package = package
        self._parts: dict[str, Part] = {}
        self._complete = False

    def add(self, name: str, part: Part) -> Part:
        """Register `part` under `name`; a name that exists twice is a `NameTakenError`."""
        if name in self._parts:
            raise NameTakenError(
                f"two {self.kind}s are called {name!r}: {self._parts[name]!r} and {part!r}"
            )
        self._parts[name] = part
        return part

    def get(self, name: str) -> Part:
        """The part of that name; an unknown one is an error that offers the nearest."""
        self._look()
        if name in self._parts:
            return self._parts[name]
        raise unknown_name(self.kind, name, self._parts)

    def names(self) -> list[str]:
        """All names of the family, sorted."""
        self._look()
        return sorted(self._parts)

    def _look(self) -> None:
        if self._complete:
            return
        folder = importlib.import_module(self.package)
        for module in pkgutil.iter_modules(folder.__path__):
            if not module.name.startswith("_"):
                importlib.import_module(f"{self.package}.{module.name}")
        from importlib.metadata import entry_points  # slow, and --help needs no family

        for plugin in entry_points(group=self.package):
            plugin.load()
        self._complete = True  # last, so that a module that fails to import fails every time


def unknown_name(kind: str, name: str, known: Iterable[str]) -> UnknownNameError:
    """The error for a name that does not exist: the nearest one, then all that are known.

    Examples:
        >>> print(unknown_name("stage", "layer5", ["stem", "layer1", "layer4"]))
        no stage is called 'layer5'. Did you mean 'layer4'? Known: stem, layer1, layer4.
    """
    known = list(known)
    near = difflib.get_close_matches(name, known, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return UnknownNameError(
        f"no {kind} is called {name!r}.{hint} Known: {', '.join(known) or 'none'}."
    )
