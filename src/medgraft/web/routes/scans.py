"""The scans themselves: how they can be shown, their pixels, and the model's view of them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from medgraft.web import heat
from medgraft.web.access import Reader
from medgraft.web.desk import Desk
from medgraft.web.routes.labelling import AtDesk
from medgraft.web.scans import Shown, check_place

routes = APIRouter(prefix="/api/scans", tags=["scans"])

ImageId = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{1,128}$")]
PlaneName = Annotated[str, Query(pattern=r"^[a-z]{1,16}$")]
Number = Annotated[int, Query(ge=0, le=2**31)]
BYTES = "application/octet-stream"


@routes.get("/{image_id}")
def scan(image_id: ImageId, desk: AtDesk, reader: Reader) -> dict[str, Any]:
    """How a scan can be shown: planes, slices, channels, windows, and how its values are coded."""
    shown = _shown(desk, reader, image_id)
    return {
        "image_id": image_id,
        **desk.archive.facts(image_id),
        "coding": asdict(shown.coding),
        "channels": shown.channels,
        "planes": [
            {
                "name": one.name,
                "slices": one.slices,
                "rows": one.shape[0],
                "columns": one.shape[1],
                "spacing_mm": one.spacing_mm,
                "sides": one.sides,
            }
            for one in shown.planes
        ],
        "windows": [asdict(one) for one in shown.windows],
    }


@routes.get(
    "/{image_id}/pixels", response_class=Response, responses={200: {"content": {BYTES: {}}}}
)
def pixels(
    image_id: ImageId,
    desk: AtDesk,
    reader: Reader,
    plane: PlaneName | None = None,
    slice_: Annotated[int, Query(ge=0, alias="slice")] = 0,
    channel: Number = 0,
    reduce: Annotated[int, Query(ge=1, le=1024)] = 1,
) -> Response:
    """One slice, row by row: little-endian whole numbers, of colours three bytes per pixel.

    With `reduce` every so many rows and columns are averaged.
    """
    shown = _shown(desk, reader, image_id)
    cut = shown.pixels(shown.plane(plane), slice_, channel=channel, reduce=reduce)
    return Response(cut, media_type=BYTES)


@routes.get("/{image_id}/view")
def view(image_id: ImageId, desk: AtDesk, reader: Reader) -> dict[str, Any]:
    """What the model says of a scan, and why it was chosen; after one's own answer only."""
    return desk.view(reader, image_id)


@routes.get(
    "/{image_id}/heat", response_class=Response, responses={200: {"content": {"image/png": {}}}}
)
def heat_map(
    image_id: ImageId,
    desk: AtDesk,
    reader: Reader,
    plane: PlaneName | None = None,
    slice_: Annotated[int, Query(ge=0, alias="slice")] = 0,
    label: Annotated[str, Query(max_length=256)] | None = None,
) -> Response:
    """Where the model looked, over one slice, as a PNG; after one's own answer only."""
    model = desk.model(reader, image_id)
    shown = _shown(desk, reader, image_id)
    lying = shown.plane(plane)
    check_place("slice", slice_, lying.slices)
    look = model.look(desk.archive.file(image_id), label)
    return Response(heat.picture(look.heat, lying, slice_), media_type="image/png")


def _shown(desk: Desk, reader: str, image_id: str) -> Shown:
    desk.check_may_see(reader, image_id)
    return desk.scans.get(desk.archive.file(image_id))
