"""From the id of an image to its file, for an index of any size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from medgraft.errors import UnknownNameError
from medgraft.index import Index

TOLD = ("view", "laterality", "modality")  # what a reader may know of an image; never whose it is


@dataclass(frozen=True)
class Archive:
    """The images of an index, found by their ids and in no other way. Use `Archive.of`.

    Attributes:
        index: Where they lie.
        ids: All ids, sorted, as bytes: a dictionary would take ten times the memory.
        rows: Row of the index of each.
    """

    index: Index
    ids: np.ndarray
    rows: np.ndarray

    @classmethod
    def of(cls, index: Index) -> Archive:
        """The images of an index."""
        ids = np.array(index.frame["image_id"].to_list(), dtype=np.bytes_)
        rows = ids.argsort(kind="stable")
        return cls(index, ids[rows], rows)

    def file(self, image_id: str) -> str:
        """Where an image lies on this machine.

        Raises:
            UnknownNameError: If the index has no such image.
        """
        return self.index.file(self._told(image_id, ("path",))["path"])

    def facts(self, image_id: str) -> dict[str, str]:
        """View, laterality and modality, as far as they are known.

        Raises:
            UnknownNameError: If the index has no such image.
        """
        found = self._told(image_id, TOLD)
        return {name: value for name, value in found.items() if value is not None}

    def patients(self) -> Mapping[str, str] | None:
        """Whose each image is; None where that is not known of all."""
        whose = self.index.frame["patient_id"]
        if not self.index.patients_known or whose.null_count():
            return None
        return dict(zip(self.index.frame["image_id"], whose, strict=True))

    def _told(self, image_id: str, columns: tuple[str, ...]) -> dict[str, str]:
        wanted = image_id.encode("utf-8", "replace")
        place = int(np.searchsorted(self.ids, wanted))
        if place == len(self.ids) or self.ids[place] != wanted:
            raise UnknownNameError(f"the index of the campaign has no image {image_id!r:.80}.")
        row = int(self.rows[place])
        frame: pl.DataFrame = self.index.frame
        return {name: frame[name][row] for name in columns}
