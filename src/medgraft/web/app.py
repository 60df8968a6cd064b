"""The labelling page as an application: routes, errors, and the guard around them."""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.staticfiles import StaticFiles

from medgraft import __version__
from medgraft.errors import (
    ArgumentError,
    LeaseError,
    LedgerError,
    MedgraftError,
    OutputError,
    ReadError,
    UnknownNameError,
)
from medgraft.web.access import Access, SignedOutError
from medgraft.web.desk import Desk
from medgraft.web.guard import Guard
from medgraft.web.routes import disputes, labelling, pages, scans

STATUS: tuple[tuple[type[MedgraftError], int], ...] = (  # the first that fits
    (LeaseError, 409),
    (LedgerError, 409),
    (UnknownNameError, 404),
    (ArgumentError, 400),
    (ReadError, 422),
    (OutputError, 503),  # a full disk: the page keeps the answer and tries again
)
NAMED = 8  # places of a request that an error names


def create_app(desk: Desk, access: Access) -> FastAPI:
    """The labelling page of one campaign.

    Args:
        desk: The campaign.
        access: How readers sign in, and where the page is opened.
    """
    app = FastAPI(
        title="medgraft label",
        version=__version__,
        description=(
            "Every request needs the cookie that signing in gives; what changes something must"
            f" name the origin {access.origin} in the header Origin."
        ),
        docs_url=None,  # its pages load scripts from elsewhere
        redoc_url=None,
        openapi_url=None,  # served behind the sign-in by `pages`
    )
    app.state.desk, app.state.access = desk, access
    for routes in (pages.routes, labelling.routes, disputes.routes, scans.routes):
        app.include_router(routes)
    app.mount("/static", StaticFiles(directory=Path(__file__).parent / "static"))
    app.add_exception_handler(MedgraftError, _refused)
    app.add_exception_handler(SignedOutError, _signed_out)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _plain)
    app.add_middleware(Guard, origins=[access.origin])
    return app


def _refused(_: Request, error: Exception) -> JSONResponse:
    """What medgraft refuses, in its own words; of a file without its path, which may be a name."""
    status = next((status for kind, status in STATUS if isinstance(error, kind)), 500)
    words = f"{error.reason}. {error.remedy}" if isinstance(error, ReadError) else str(error)
    return JSONResponse({"error": words}, status)


def _signed_out(request: Request, _: Exception) -> Response:
    if request.url.path in pages.PAGES:
        return pages.ask_to_sign_in(request)
    return JSONResponse({"error": "sign in first."}, 401)


def _invalid(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    places = (".".join(map(str, one["loc"])) + ": " + one["msg"] for one in error.errors())
    return JSONResponse({"error": "; ".join(list(places)[:NAMED])}, 400)


def _plain(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": str(error.detail)}, error.status_code, error.headers)
