"""What a part of a family is, in the words of its own file: its meaning and its options."""

from __future__ import annotations

import ast
import inspect
import json
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

BOUNDS = (("ge", "≥"), ("gt", ">"), ("le", "≤"), ("lt", "<"))
WORDS = {"str": "text", "int": "whole number", "float": "number", "bool": "yes or no"}


@dataclass(frozen=True)
class Option:
    """An option of a part, as a person is told of it.

    Attributes:
        name: As it is written.
        type: What it takes, and within which limits.
        default: What it is if nobody says.
        meaning: In a sentence or two; may be empty.
    """

    name: str
    type: str
    default: str
    meaning: str


def meaning(part: Any) -> str:
    """What a part says of itself: its own docstring, or that of the function that it holds.

    Examples:
        >>> from medgraft.augment.transforms import augmentations
        >>> meaning(augmentations.get("blur")).partition(chr(10))[0]
        'Smooth with a Gaussian whose width is drawn uniformly from [low, high].'
    """
    if inspect.isclass(part) or inspect.isroutine(part):
        return _doc(part)
    held = [value for value in vars(part).values() if callable(value) and _doc(value)]
    named = [value for value in held if getattr(value, "__name__", "") == part.name]
    return _doc((named or held)[-1]) if held else ""


def first_line(text: str) -> str:
    r"""The line with which a docstring begins.

    Examples:
        >>> first_line("Smooth it.\n\nAs in the paper.")
        'Smooth it.'
    """
    return " ".join(text.partition("\n\n")[0].split())


def options(part: Any) -> list[Option]:
    """The options of a part, in the order in which they are declared; none if it takes none.

    Examples:
        >>> from medgraft.augment.transforms import augmentations
        >>> [(one.name, one.default) for one in options(augmentations.get("blur"))][0]
        ('p', '0.5')
    """
    if not (inspect.isclass(part) and issubclass(part, BaseModel)):
        return []
    told = _told(part)
    return [
        Option(name, type_of(field), default_of(field), field.description or told.get(name, ""))
        for name, field in part.model_fields.items()
    ]


def type_of(field: FieldInfo) -> str:
    """What a field takes: its type and its limits."""
    bounds = [
        f"{sign} {getattr(rule, name)}"
        for rule in field.metadata
        for name, sign in BOUNDS
        if getattr(rule, name, None) is not None
    ]
    return ", ".join([_type_name(field.annotation), *bounds])


def default_of(field: FieldInfo) -> str:
    """The default of a field, as it is written."""
    value = field.get_default(call_default_factory=True)
    if field.is_required():
        return "required"
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    return (", ".join(map(str, value)) or "none") if isinstance(value, tuple) else str(value)


def _type_name(kind: object) -> str:
    if kind is type(None):
        return "null"
    if isinstance(kind, str | int):
        return f"`{kind}`"
    if isinstance(kind, type) and not get_args(kind):
        return WORDS.get(kind.__name__, kind.__name__)
    if get_origin(kind) is Annotated:
        return _type_name(get_args(kind)[0])
    inner = [arg for arg in get_args(kind) if arg is not Ellipsis]
    if get_origin(kind) is tuple:
        many = Ellipsis in get_args(kind)
        return f"list of {_type_name(inner[0])}" if many else " and ".join(map(_type_name, inner))
    return " or ".join(map(_type_name, inner))


def _doc(part: Any) -> str:
    """The docstring of a class or function, without what is for those who call it from Python."""
    while isinstance(part, partial):
        part = part.func
    text = inspect.cleandoc(getattr(part, "__doc__", None) or "")
    for heading in ("Args:", "Attributes:", "Returns:", "Raises:", "Examples:"):
        text = text.partition(f"\n\n{heading}")[0]
    return text


def _told(part: type[BaseModel]) -> Mapping[str, str]:
    """What stands in quotes under each option, in the class or in one that it is made from."""
    found: dict[str, str] = {}
    for kind in reversed(part.__mro__):
        if issubclass(kind, BaseModel) and kind is not BaseModel:
            found |= _under(kind)
    return found


def _under(kind: type[Any]) -> dict[str, str]:
    try:
        source = textwrap.dedent(inspect.getsource(kind))
    except (OSError, TypeError):  # made by hand, or its file is not there
        return {}
    (tree,) = ast.parse(source).body
    assert isinstance(tree, ast.ClassDef), "the source of a class is one"
    found = {}
    for line, after in pairwise(tree.body):
        if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name):
            words = after.value if isinstance(after, ast.Expr) else None
            if isinstance(words, ast.Constant) and isinstance(words.value, str):
                found[line.target.id] = " ".join(words.value.split())
    return found
