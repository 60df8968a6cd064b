"""The command `medgraft active adjudicate`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

if TYPE_CHECKING:
    from medgraft.ledger.records import Dispute


@dataclass(frozen=True)
class Adjudicate:
    """Settle images on which readers differ, or show them.

    Without --image it lists what waits for an adjudicator: what each reader
    said, and where the image lies. With --image and --label it writes down how
    the image is settled, as the page of `medgraft label` does; that is its label
    from then on. The answers of the readers stay as they are.

    Examples:
        medgraft active adjudicate campaign
        medgraft active adjudicate campaign --by professor --image 3f9a... --label lesion
        medgraft active adjudicate campaign --by professor --undo
    """

    campaign: Annotated[Path, tyro.conf.Positional]
    """Folder that `medgraft active start` wrote."""
    by: str | None = None
    """Who settles; somebody admitted with --adjudicator."""
    image: str | None = None
    """Id of the image, or its beginning if no other disputed image begins so."""
    label: tuple[str, ...] | None = None
    """Its class; of independent classes all that hold, nothing after --label if none does."""
    overrule: bool = False
    """Replace what another adjudicator said; give the whole id."""
    undo: bool = False
    """Take back the last ruling of --by that still holds."""
    json: bool = False
    """Print JSON."""

    def run(self) -> None:
        """List, settle or take back."""
        from medgraft.active.campaign.settings import opened

        self._check()
        with opened(self.campaign) as campaign:
            ledger = campaign.ledger
            if self.image is None and not self.undo:
                paths = _paths(campaign.folder.index)
                self._list([_told(one, paths) for one in ledger.disputes()])
                return
            assert self.by is not None, "checked above"
            if self.undo:
                done = ledger.undo(self.by, role="adjudicator")
            else:
                found = _whole(self.image or "", [one.image_id for one in ledger.disputes()])
                exclusive = ledger.campaign.kind == "exclusive" and len(self.label or ()) == 1
                said = (self.label or ())[0] if exclusive else self.label or ()
                done = ledger.adjudicate(self.by, found, said, model="", overrule=self.overrule)
            standing = "nothing to take back" if done is None else _standing(ledger, done.image_id)
            left = ledger.progress().disputes
        print(f"{standing}\n{left} {'image waits' if left == 1 else 'images wait'} to be settled")

    def _check(self) -> None:
        from medgraft.errors import ArgumentError

        if self.undo and (self.image is not None or self.label is not None):
            raise ArgumentError("--undo takes back the last act, whatever it was about; leave out"
                                " --image and --label.")  # fmt: skip
        if (self.image is None) != (self.label is None):
            raise ArgumentError("--image and --label go together; give both, or none for a list.")
        if (self.undo or self.image is not None) and self.by is None:
            raise ArgumentError("--by must say who settles, and was not given.")

    def _list(self, found: list[dict[str, Any]]) -> None:
        if self.json:
            print(json.dumps(found, indent=2))
            return
        for one in found:
            said = "; ".join(f"{reader}: {words}" for reader, words in one["said"].items())
            print(f"{one['image_id']}  {one['status']}  {one['path'] or ''}\n    {said}")
        print(f"{len(found)} {'image waits' if len(found) == 1 else 'images wait'} to be settled")


def _paths(index: Path) -> dict[str, str]:
    from medgraft.index import Index

    return dict(Index.load(index).frame.select("image_id", "path").iter_rows())


def _told(one: Dispute, paths: dict[str, str]) -> dict[str, Any]:
    said = {reading.reader: _words(reading.act, reading.labels) for reading in one.readings}
    return {
        "image_id": one.image_id,
        "batch": one.batch,
        "status": one.status,
        "path": paths.get(one.image_id),
        "said": said,
    }


def _words(act: str, labels: tuple[str, ...] | None) -> str:
    return act if labels is None else ", ".join(labels) or "none of the classes"


def _whole(given: str, waiting: list[str]) -> str:
    """The one disputed image that begins so; what was given where none does."""
    from medgraft.errors import ArgumentError

    found = [one for one in waiting if one.startswith(given)]
    if len(found) > 1 and given not in found:
        raise ArgumentError(
            f"--image must name one image, but {given!r} begins the ids of {len(found)} disputed"
            " ones. Give more of it."
        )
    return given if given in found or not found else found[0]


def _standing(ledger: Any, image_id: str) -> str:
    row = ledger.labels().row(by_predicate=_is(image_id), named=True)
    names = [row["label"]] if "label" in row else [n for n in ledger.campaign.names if row[n] == 1]
    label = ", ".join(name for name in names if name is not None)
    return f"{image_id}: {row['status']}{', ' + label if label else ''}"


def _is(image_id: str) -> Any:
    import polars as pl

    return pl.col("image_id") == image_id
