"""Pretext tasks: what a network learns from images without labels.

To add one, add a module to this folder with a frozen model of one of the kinds below. Whatever is
random depends on a seed and on the number of the image alone. The contract is checked by
``tests/pretext/test_tasks.py``.

    Task
    ├── Restoring      a distorter; encoder and decoder answer with the image as it was
    ├── Classifying    inputs and class numbers; encoder and head name the class
    └── Contrasting    an augmenter, a projection and a loss of the batch; two views of each image
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from medgraft.errors import ArgumentError
from medgraft.pretext.classifying import Classifying
from medgraft.pretext.contrasting import Contrasting
from medgraft.pretext.restoring import Restoring
from medgraft.pretext.task import Example, Shape, Task
from medgraft.registry import Registry
from medgraft.spec import build

__all__ = [
    "Classifying",
    "Contrasting",
    "Example",
    "Restoring",
    "Shape",
    "Task",
    "find_task",
    "pretext",
    "pretexts",
]

Kind = TypeVar("Kind", bound=type[Task])
pretexts: Registry[type[Task]] = Registry("pretext task", __name__)


def pretext(name: str) -> Callable[[Kind], Kind]:
    """Register a task under `name`."""

    def register(kind: Kind) -> Kind:
        pretexts.add(name, kind)
        return kind

    return register


def find_task(text: str, *, as_published: bool = False) -> Task:
    """The task that a spec such as "models_genesis" or "jigsaw:tiles=2" describes.

    Raises:
        UnknownNameError: If there is no such task.
        ArgumentError: If it has no such option, options do not go together, or as_published would
            change nothing.
        MissingExtraError: If a package that it needs is not installed.
    """
    task = build(pretexts, text)
    if as_published and not task.published:
        others = [name for name in pretexts.names() if pretexts.get(name).published]
        raise ArgumentError(
            f"as_published needs a task whose authors' code and paper differ, got {text!r}."
            f" Leave it out, or take {' or '.join(others)}."
        )
    task.check(as_published=as_published)
    return task
