"""What parts say of themselves, against what stands in their files."""

import importlib

import pytest
from pydantic import Field

from medgraft.cli.list import FAMILIES
from medgraft.meaning import first_line, meaning, options
from medgraft.spec import Options


class Parent(Options):
    """What it is.

    More of it.

    Attributes:
        rate: For those who call it.
    """

    rate: float = Field(0.5, ge=0, lt=1)
    """Said by the parent,
    on two lines."""
    places: tuple[int, ...] = ()


class Child(Parent):
    """Another."""

    rate: float = Field(0.25, gt=0)
    """Said again."""
    mean: bool = Field(True, description="Said elsewhere.")
    side: int


def test_options_of_a_parent_are_told_and_those_told_again_are_told_by_the_child():
    found = {one.name: (one.type, one.default, one.meaning) for one in options(Child)}
    assert found == {
        "rate": ("number, > 0", "0.25", "Said again."),
        "places": ("list of whole number", "none", ""),
        "mean": ("yes or no", "true", "Said elsewhere."),
        "side": ("whole number", "required", ""),
    }
    assert options(Parent)[0].type == "number, ≥ 0, < 1"
    assert options(Parent)[0].meaning == "Said by the parent, on two lines."


def test_what_is_for_those_who_call_it_is_left_out():
    assert meaning(Parent) == "What it is.\n\nMore of it."
    assert first_line(meaning(Parent)) == "What it is."


def test_what_has_no_options_has_none():
    assert options(len) == options(3) == []


@pytest.mark.parametrize("family", FAMILIES)
def test_every_part_says_what_it_is_and_what_each_option_means(family):
    module, registry = FAMILIES[family]
    parts = getattr(importlib.import_module(module), registry)
    for name in parts.names():
        assert first_line(meaning(parts.get(name))), name
        assert all(one.meaning for one in options(parts.get(name))), name
