"""Getting scans, answering them, taking answers back."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field

from medgraft.ledger import Event, Leased, Reading
from medgraft.web.access import Reader
from medgraft.web.desk import Desk

LONGEST_SECONDS = 86400.0  # a scan that was open overnight
HISTORY = 50

RequestName = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{8,64}$")]
ImageId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,128}$")]
Labels = Annotated[list[Annotated[str, Field(max_length=256)]], Field(max_length=256)]


def _desk(request: Request) -> Desk:
    desk: Desk = request.app.state.desk
    return desk


AtDesk = Annotated[Desk, Depends(_desk)]
routes = APIRouter(prefix="/api", tags=["labelling"])


class Strict(BaseModel):
    """A body without unknown keys."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class Saying(Strict):
    """What a reader says of a scan."""

    request: RequestName
    """The page's name for this act; sending it again does not repeat it."""
    image_id: ImageId
    act: Literal["answer", "unsure", "skip"]
    labels: Labels = []
    seconds: Annotated[float, Field(ge=0, le=LONGEST_SECONDS)] | None = None


class TakingBack(Strict):
    """The wish to take back one's last act."""

    request: RequestName


@routes.get("/campaign")
def campaign(desk: AtDesk, reader: Reader) -> dict[str, Any]:
    """What is asked, of whom, and how far this reader has come."""
    asked = desk.ledger.campaign
    return {
        "identity": desk.ledger.identity,
        "name": asked.name,
        "kind": asked.kind,
        "classes": [vars(one) for one in asked.classes],
        "readers_per_image": asked.readers_per_image,
        "reader": reader,
        "roles": desk.roles(reader),
        "model_first": desk.model_first,
        **_progress(desk, reader),
    }


def _progress(desk: Desk, reader: str) -> dict[str, int]:
    """The reader's own progress; that of others is not theirs to see."""
    far = desk.ledger.progress()
    return {
        "read": far.read.get(reader, 0),
        "passed": far.passed.get(reader, 0),
        "waiting": far.waiting.get(reader, 0),
    }


@routes.post("/next")
def take_next(desk: AtDesk, reader: Reader) -> dict[str, Any]:
    """The scans in this reader's hands, the current one first, and their progress."""
    return {"scans": _scans(desk, reader), **_progress(desk, reader)}


@routes.post("/answers")
def answer(said: Saying, desk: AtDesk, reader: Reader) -> dict[str, Any]:
    """Write an answer down. It is on the disk when this returns.

    With it come the model's view, which may be seen from now on, and the next scans.
    """
    done = desk.say(
        reader, said.act, said.image_id, said.labels, seconds=said.seconds, request=said.request
    )
    shown = desk.model_first or desk.has_answered(reader, said.image_id)
    view = desk.view(reader, said.image_id) if shown else None
    return {"saved": told(done), "view": view, "scans": _scans(desk, reader)}


@routes.post("/undo")
def undo(wish: TakingBack, desk: AtDesk, reader: Reader) -> dict[str, Any]:
    """Take back the last act of this reader that still holds; `undone` is null if there is none."""
    done = desk.ledger.undo(reader, role="reader", request=wish.request)
    if done is None:
        return {"undone": None, "reading": None, "scans": _scans(desk, reader)}
    mine = [one for one in desk.ledger.readings(done.image_id) if one.reader == reader]
    return {
        "undone": told(done),
        "reading": _reading(mine[0]) if mine else None,
        "scans": _scans(desk, reader),
    }


@routes.get("/history")
def history(
    desk: AtDesk,
    reader: Reader,
    before: Annotated[int, Field(ge=0)] | None = None,
) -> dict[str, Any]:
    """What this reader said of each scan as of now, the latest first, fifty at a time."""
    found = desk.ledger.history(reader, count=HISTORY, before=before)
    return {"readings": [_reading(one) for one in found]}


@routes.post("/release")
def release(desk: AtDesk, reader: Reader) -> dict[str, bool]:
    """Give back the scans in this reader's hands, so that others need not wait for them."""
    desk.ledger.release(reader)
    return {"released": True}


def _scans(desk: Desk, reader: str) -> list[dict[str, Any]]:
    return [_leased(desk, reader, one) for one in desk.next(reader)]


def _leased(desk: Desk, reader: str, one: Leased) -> dict[str, Any]:
    """A scan without what might sway the reader, unless they asked for that."""
    told: dict[str, Any] = {"image_id": one.image_id, "batch": one.batch}
    if desk.model_first:
        told["view"] = desk.view(reader, one.image_id)
    return told


def told(done: Event) -> dict[str, Any]:
    """An event as the page hears of it."""
    return {
        "number": done.number,
        "at": done.at.isoformat(),
        "act": done.act,
        "image_id": done.image_id,
        "labels": done.labels,
    }


def _reading(one: Reading) -> dict[str, Any]:
    return {
        "image_id": one.image_id,
        "act": one.act,
        "labels": one.labels,
        "event": one.event,
    }
