"""Settling what readers do not: for adjudicators."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import Field

from medgraft.ledger.records import Dispute
from medgraft.web.access import Reader
from medgraft.web.routes.labelling import (
    LONGEST_SECONDS,
    AtDesk,
    ImageId,
    Labels,
    RequestName,
    Strict,
    TakingBack,
    told,
)

routes = APIRouter(prefix="/api", tags=["disputes"])


class Ruling(Strict):
    """How an adjudicator settles a scan."""

    request: RequestName
    image_id: ImageId
    labels: Labels
    seconds: Annotated[float, Field(ge=0, le=LONGEST_SECONDS)] | None = None


@routes.post("/disputes/next")
def disputes(desk: AtDesk, reader: Reader) -> dict[str, Any]:
    """Disputed scans in this adjudicator's hands, with what readers said, but not who."""
    found = [_dispute(one) for one in desk.disputes(reader)]
    return {"scans": found, "waiting": desk.ledger.progress().disputes}


@routes.post("/rulings")
def rule(ruling: Ruling, desk: AtDesk, reader: Reader) -> dict[str, Any]:
    """Settle a scan. It is on the disk when this returns; with it come the next ones."""
    done = desk.rule(
        reader,
        ruling.image_id,
        ruling.labels,
        seconds=ruling.seconds,
        request=ruling.request,
    )
    view = desk.view(reader, ruling.image_id)
    return {"saved": told(done), "view": view, **disputes(desk, reader)}


@routes.post("/disputes/undo")
def undo(wish: TakingBack, desk: AtDesk, reader: Reader) -> dict[str, Any]:
    """Take back one's last act; `undone` is null if there is none."""
    done = desk.ledger.undo(reader, role="adjudicator", request=wish.request)
    undone = None if done is None else told(done)
    return {"undone": undone, "reading": None, **disputes(desk, reader)}


def _dispute(one: Dispute) -> dict[str, Any]:
    """Answers in an order that does not tell whose they are."""
    said = [{"act": reading.act, "labels": reading.labels} for reading in one.readings]
    return {
        "image_id": one.image_id,
        "batch": one.batch,
        "status": one.status,
        "said": sorted(said, key=str),
    }
