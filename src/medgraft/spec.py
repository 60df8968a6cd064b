"""One short notation for a part and its options: ``rotate:degrees=15,p=0.5``.

A recipe names its preparation steps and augmentations in this notation, on the command line
and in its file alike. It is read into a registered pydantic model, so that a wrong option is
an error with the options that exist, and it is written back with every default spelled out.
"""

from __future__ import annotations

import json
import re
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from medgraft.errors import ArgumentError
from medgraft.registry import Registry


class Options(BaseModel):
    """Base of every part that has options: frozen, and unknown options are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


Model = TypeVar("Model", bound=Options)


def parse(text: str) -> tuple[str, dict[str, Any]]:
    """Split a spec into the name of the part and its options.

    Values are read as JSON where they are JSON (numbers, true, false, null) and as text
    otherwise; a list is written with semicolons.

    Raises:
        ArgumentError: If an option has no ``=``, or stands twice.

    Examples:
        >>> parse("resize:side=64")
        ('resize', {'side': 64})
        >>> parse("window:low=-1000,high=400,kind=hu")
        ('window', {'low': -1000, 'high': 400, 'kind': 'hu'})
        >>> parse("normalise:mean=0.5;0.4")
        ('normalise', {'mean': [0.5, 0.4]})
        >>> parse("flip")
        ('flip', {})

        The first option may be given by its value alone; it then stands under "".

        >>> parse("from:layer4")
        ('from', {'': 'layer4'})
    """
    name, _, tail = text.partition(":")
    options: dict[str, Any] = {}
    for place, item in enumerate(filter(None, tail.split(","))):
        key, equals, value = item.partition("=")
        if place == 0 and not equals:
            key, equals, value = "", "=", item
        if not equals or key in options:
            wrong = "stands twice" if equals else "has no value"
            raise ArgumentError(
                f"options must be written name:key=value,key=value; {key!r} {wrong} in {text!r}"
            )
        options[key.strip()] = _value(value)
    return name.strip(), options


def split(text: str) -> list[str]:
    """Cut a line of specs at the commas between them, and not at those inside one.

    A part between commas that begins with ``key=`` belongs to the spec before it.

    Examples:
        >>> split("two-phase:head_epochs=2,low=1e-5,full@rate=1e-4,epochs=5,head")
        ['two-phase:head_epochs=2,low=1e-5', 'full@rate=1e-4,epochs=5', 'head']
    """
    specs: list[str] = []
    for part in map(str.strip, text.split(",")):
        if specs and re.match(r"\w+=", part):
            specs[-1] += f",{part}"
        else:
            specs.append(part)
    return specs


def _value(text: str) -> Any:
    if ";" in text:
        return [_value(part) for part in text.split(";") if part]
    try:
        return json.loads(text)
    except ValueError:
        return text


def build(registry: Registry[type[Model]], text: str) -> Model:
    """The part that a spec describes, its options checked.

    Raises:
        UnknownNameError: If the family has no such part.
        ArgumentError: If the part has no such option, or its value is out of range.
    """
    name, options = parse(text)
    kind = registry.get(name)
    if "" in options and kind.model_fields:
        options = {next(iter(kind.model_fields)): options.pop(""), **options}
    try:
        return kind(**options)
    except ValidationError as error:
        raise ArgumentError(f"{first_problem(error, kind)}, in {registry.kind} {text!r}") from error


def write(name: str, part: Options) -> str:
    """The spec of a part with all its options spelled out; `build` reads it back.

    Examples:
        >>> class Turn(Options):
        ...     degrees: float = 10.0
        ...     axes: tuple[int, ...] = (0, 1)
        >>> write("turn", Turn())
        'turn:degrees=10.0,axes=0;1'
    """
    items = [f"{key}={_text(value)}" for key, value in part.model_dump(mode="json").items()]
    return f"{name}:{','.join(items)}" if items else name


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ";".join(_text(v) for v in value) + (";" if len(value) < 2 else "")
    return value if isinstance(value, str) else json.dumps(value)


def first_problem(error: ValidationError, model: type[BaseModel]) -> str:
    """What must hold and what came, from the first problem that pydantic found."""
    problem = error.errors()[0]
    key = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        known = ", ".join(model.model_fields) or "none"
        return f"no option is called {key!r}. Known: {known}"
    if problem["type"] == "value_error":  # of our own, which says what came
        return f"{key}: {problem['ctx']['error']}" if key else str(problem["ctx"]["error"])
    what = problem["msg"][0].lower() + problem["msg"][1:]
    return f"{key}: {what}, got {problem['input']!r}" if key else what
