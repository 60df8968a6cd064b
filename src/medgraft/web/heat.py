"""The model of a campaign: what it says of an image when asked, and where it looked."""

from __future__ import annotations

import io
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from medgraft.errors import ArgumentError
from medgraft.runs import RunFolder
from medgraft.web.planes import Plane

if TYPE_CHECKING:
    from medgraft.explain.on_file import Look
    from medgraft.train.ensemble import Ensemble

Find = Callable[[str], "RunFolder | None"]
KEPT = 64  # answers: a map has at most 128 cells along each axis
STRONGEST = 0.7  # opacity of the hottest cell


class Model:
    """A finished run, loaded when it is first asked. Safe to use from several threads."""

    def __init__(self, run: RunFolder, classes: tuple[str, ...]) -> None:
        self.run = run
        self.classes = classes
        self._loaded: tuple[Ensemble, dict[str, Any]] | None = None
        self._looks: OrderedDict[tuple[str, str | None], Look] = OrderedDict()
        self._lock = threading.Lock()  # one image at a time: each takes all threads of torch

    def load(self) -> None:
        """Load the networks, so that the first answer does not wait for them.

        Raises:
            TableError: If the run is not finished.
            WeightsError: If its weights are damaged.
            ArgumentError: If it learnt other classes than the campaign asks for.
        """
        with self._lock:
            self._open()

    def look(self, file: str, label: str | None = None) -> Look:
        """What the model says of a file, and what spoke for a class (None: the likeliest).

        Raises:
            ReadError: If the file cannot be prepared as the model needs it.
            UnknownNameError: If there is no such class.
        """
        with self._lock:
            key = (file, label)
            if key in self._looks:
                self._looks.move_to_end(key)
                return self._looks[key]
            from medgraft.explain.on_file import look

            ensemble, record = self._open()
            found = look(ensemble, record, file, label=label)
            self._looks[key] = found
            while len(self._looks) > KEPT:
                self._looks.popitem(last=False)
            return found

    def _open(self) -> tuple[Ensemble, dict[str, Any]]:
        if self._loaded is None:
            from medgraft.train.predict import load_ensemble

            ensemble, record = load_ensemble(self.run)
            if set(record["labels"]) != set(self.classes):
                raise ArgumentError(
                    f"the model must know the classes of the campaign ({', '.join(self.classes)}),"
                    f" but '{self.run.path}' learnt {', '.join(record['labels'])}."
                )
            self._loaded = ensemble, record
        return self._loaded


class Models:
    """The models that queued images name, the last one in memory.

    Attributes:
        find: The run of a name; None if there is none.
        classes: Of the campaign.
    """

    def __init__(self, find: Find, classes: tuple[str, ...]) -> None:
        self.find = find
        self.classes = classes
        self._held: tuple[str, Model | None] = ("", None)

    def get(self, name: str) -> Model | None:
        """The model of that name; None if there is no such run."""
        held, model = self._held
        if held != name:
            run = self.find(name)
            model = None if run is None else Model(run, self.classes)
            self._held = (name, model)
        return model


def picture(heat: np.ndarray, plane: Plane, number: int) -> bytes:
    """Heat over one slice, as a PNG that is the clearer the hotter.

    Args:
        heat: Of `Look`, from 0 to 1, shape (*cells) over the extent of the scan.
        plane: How the scan lies on the screen.
        number: Of the slice.
    """
    import matplotlib as mpl
    from PIL import Image

    cells = plane.cut(heat, number)
    colours = mpl.colormaps["inferno"](cells, bytes=True)
    colours[..., 3] = np.rint(cells.clip(0, 1) * STRONGEST * 255)
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(colours)).save(file, format="PNG", compress_level=1)
    return file.getvalue()
