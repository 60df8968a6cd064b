"""Pages for people: labelling, agreement, signing in and out; and the description for programs."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Form, Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from medgraft import __version__
from medgraft.web.access import Access, Reader
from medgraft.web.agreement import compare
from medgraft.web.routes.labelling import AtDesk

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES = Path(__file__).parents[1] / "templates"
PAGES = ("/", "/agreement", "/disputes")

routes = APIRouter(tags=["pages"])


@routes.get("/", response_class=HTMLResponse)
def label(desk: AtDesk, reader: Reader) -> Response:
    """The labelling page; who was admitted as adjudicator alone gets that of disputes."""
    roles = desk.roles(reader)
    if roles == ["adjudicator"]:
        return RedirectResponse("/disputes", 303)
    return _page(
        "label.html.j2", campaign=desk.ledger.campaign, reader=reader, roles=roles, mode="scans"
    )


@routes.get("/disputes", response_class=HTMLResponse)
def disputes(desk: AtDesk, reader: Reader) -> HTMLResponse:
    """The labelling page, for scans that wait for an adjudicator."""
    desk.check_adjudicator(reader)
    roles = desk.roles(reader)
    return _page(
        "label.html.j2", campaign=desk.ledger.campaign, reader=reader, roles=roles, mode="disputes"
    )


@routes.get("/agreement", response_class=HTMLResponse)
def agree(desk: AtDesk, reader: Reader) -> HTMLResponse:
    """How far the campaign has come, and how well this reader and the others agree."""
    found = compare(desk.ledger, reader, desk.archive.patients())
    return _page("agreement.html.j2", campaign=desk.ledger.campaign, reader=reader, found=found)


@routes.get("/sign-in", response_class=HTMLResponse)
def sign_in_page(request: Request, token: str = "") -> Response:
    """Take the token of the link that the terminal shows, or ask for name and password."""
    access = _access(request)
    if access.tokens is None or not token:
        return ask_to_sign_in(request, status=200)
    if not access.tokens.take(token):
        return ask_to_sign_in(request, error="This link was used before.")
    # Not a redirect: one that begins on another site would arrive without the strict cookie.
    response = _page("entered.html.j2")
    access.sign_in(request, response, access.reader)
    return response


@routes.post("/sign-in", response_class=HTMLResponse)
def sign_in(
    request: Request,
    name: Annotated[str, Form(max_length=64)],
    password: Annotated[str, Form(max_length=1024)],
) -> Response:
    """Let a reader in by name and password."""
    access = _access(request)
    if access.doorkeeper is None:
        return ask_to_sign_in(request)
    address = request.client.host if request.client else ""
    wait = access.doorkeeper.wait(name, address)
    if wait:
        words = f"Too many wrong passwords. Try again in {wait:.0f} seconds."
        return ask_to_sign_in(request, error=words, status=429)
    if not access.doorkeeper.admits(name, password, address):
        return ask_to_sign_in(request, error="The name or the password is not right.")
    response = RedirectResponse("/", 303)
    access.sign_in(request, response, name)
    return response


@routes.post("/sign-out", response_class=HTMLResponse)
def sign_out(request: Request, desk: AtDesk, reader: Reader) -> Response:
    """Forget who this was, and give back the scans in their hands."""
    if desk.roles(reader):
        desk.ledger.release(reader)
    response = RedirectResponse("/sign-in", 303)
    _access(request).sign_out(request, response)
    return response


@routes.get("/openapi.json", include_in_schema=False)
def openapi(request: Request, reader: Reader) -> JSONResponse:  # noqa: ARG001 (who must be signed in)
    """All routes, for programs."""
    return JSONResponse(request.app.openapi())


def ask_to_sign_in(request: Request, *, error: str = "", status: int = 401) -> HTMLResponse:
    """The page that says how to get in."""
    with_password = _access(request).doorkeeper is not None
    return _page("sign_in.html.j2", status=status, with_password=with_password, error=error)


def _access(request: Request) -> Access:
    access: Access = request.app.state.access
    return access


def _page(template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
    text = _environment().get_template(template).render(**values, version=__version__)
    return HTMLResponse(text, status)


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        autoescape=True,
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
