"""What a campaign asks, of whom, about which images: fixed when its ledger begins."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from medgraft.errors import ArgumentError
from medgraft.registry import unknown_name

Kind = Literal["exclusive", "independent"]


@dataclass(frozen=True)
class Class:
    """One of the answers that a reader can give.

    Attributes:
        name: As it stands in the labels.
        definition: When to choose it, in words that two readers understand alike.
        key: The key that chooses it: one character, different for every class.
    """

    name: str
    definition: str = ""
    key: str = ""

    def __post_init__(self) -> None:
        if not self.name or self.name != self.name.strip() or not self.name.isprintable():
            raise ArgumentError(
                f"the name of a class must be printable, without spaces around it, got {self.name!r}."
            )
        if ";" in self.name:
            raise ArgumentError(
                f"the name of a class must not have a semicolon, got {self.name!r}."
            )
        if len(self.key) > 1:
            raise ArgumentError(f"the key of a class must be one character, got {self.key!r}.")


@dataclass(frozen=True)
class Campaign:
    """The question that is put to the readers.

    Attributes:
        name: For people.
        classes: The answers. Those without a key get the digits 1 to 9, in their order.
        kind: "exclusive": exactly one class holds; "independent": any number of them, also none.
        readers_per_image: How many people look at each image, each without seeing the others'
            answers.
        index_sha256: Hash of the campaign's index, so that a ledger is never used with another.
    """

    name: str
    classes: tuple[Class, ...]
    kind: Kind = "exclusive"
    readers_per_image: int = 1
    index_sha256: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "classes", _with_keys(tuple(self.classes)))
        fewest = 2 if self.kind == "exclusive" else 1
        if len(self.classes) < fewest:
            raise ArgumentError(
                f"a campaign must have at least {fewest} classes, got {len(self.classes)}."
            )
        for what, given in (("name", self.names), ("key", [c.key for c in self.classes if c.key])):
            if len(set(given)) < len(given):
                raise ArgumentError(
                    f"every class must have a {what} of its own, got {', '.join(given)}."
                )
        if self.kind not in ("exclusive", "independent"):
            raise ArgumentError(f"kind must be exclusive or independent, got {self.kind!r}.")
        if taken := {"image_id", "batch", "status"} & set(self.names):
            raise ArgumentError(
                f"no class may be called {', '.join(sorted(taken))}: tables of labels have columns of"
                " that name. Choose another name."
            )
        if self.readers_per_image < 1:
            raise ArgumentError(f"readers_per_image must be >= 1, got {self.readers_per_image}.")

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the classes, in their order."""
        return tuple(one.name for one in self.classes)

    def labels(self, given: str | Sequence[str]) -> tuple[str, ...]:
        """The classes of an answer, in the order of the campaign.

        Args:
            given: The class of an exclusive campaign; the classes that hold, of an independent
                one.

        Raises:
            UnknownNameError: If a class is not one of the campaign.
            ArgumentError: If an exclusive campaign is not answered with one class, or a class
                stands twice.

        Examples:
            >>> Campaign("c", (Class("a"), Class("b")), kind="independent").labels(["b", "a"])
            ('a', 'b')
        """
        names = [given] if isinstance(given, str) else list(given)
        for name in names:
            if name not in self.names:
                raise unknown_name("class", name, self.names)
        if len(set(names)) < len(names):
            raise ArgumentError(f"a class must stand once in an answer, got {', '.join(names)}.")
        if self.kind == "exclusive" and len(names) != 1:
            raise ArgumentError(
                f"an answer must be exactly one class of {', '.join(self.names)},"
                f" got {', '.join(names) or 'none'}. Say that you are unsure if you are."
            )
        return tuple(name for name in self.names if name in names)

    def written(self) -> str:
        """The campaign as one line of JSON, which `parse` reads."""
        return json.dumps(asdict(self), ensure_ascii=False, sort_keys=True)

    @classmethod
    def parse(cls, text: str) -> Campaign:
        """The campaign that `written` wrote.

        Examples:
            >>> one = Campaign("films", (Class("normal"), Class("pneumonia")))
            >>> Campaign.parse(one.written()) == one
            True
        """
        found = json.loads(text)
        return cls(**{**found, "classes": tuple(Class(**one) for one in found["classes"])})


def _with_keys(classes: tuple[Class, ...]) -> tuple[Class, ...]:
    taken = {one.key for one in classes}
    free = iter(digit for digit in "123456789" if digit not in taken)
    return tuple(
        one if one.key else Class(one.name, one.definition, next(free, "")) for one in classes
    )
