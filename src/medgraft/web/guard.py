"""What no request gets past, whatever it asks for, and what every answer says to the browser.

The page serves images of patients. Other pages that the same browser has open, other programs on
the machine and other machines must not reach it, so a request is refused before anything is
read of it unless

- it was sent to this server by its own name (a foreign `Host` is DNS rebinding);
- it comes from this page: a foreign `Origin` or `Sec-Fetch-Site` is another one, and what
  changes something must name its origin;
- its path is plain: no route of ours needs a `%`, a backslash or two dots;
- its body is small, whether or not it says how long it is, and comes soon.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_BYTES = 2**16  # of a request's body; an answer is a few hundred bytes
BODY_SECONDS = 20.0  # in which the next part of it must come
PLAIN = re.compile(rb"(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*/?")
READING = ("GET", "HEAD")

POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob:",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    ]
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",  # with no-referrer a form would name no origin either
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-embedder-policy": "require-corp",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
    "cache-control": "no-store",  # films must not stay in the cache of a shared computer
}
YEAR = 365 * 24 * 3600


class Guard:
    """Refuses what is not meant for this server, and sets the headers of every answer.

    Attributes:
        origins: Where the page may be opened, such as ``http://127.0.0.1:8765``.
    """

    def __init__(self, app: ASGIApp, origins: Iterable[str]) -> None:
        self.app = app
        self.origins = frozenset(origins)
        self.hosts = frozenset(_host(origin) for origin in self.origins)
        self.headers = dict(HEADERS)
        if all(origin.startswith("https://") for origin in self.origins):
            self.headers["strict-transport-security"] = f"max-age={YEAR}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or refuse it."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self.headers.items():
                    headers[name] = value
            await send(message)

        refusal = self._refusal(scope)
        if refusal is not None:
            await refusal(scope, receive, guarded)
            return
        await self.app(scope, _limited(receive), guarded)

    def _refusal(self, scope: Scope) -> JSONResponse | None:
        headers = Headers(scope=scope)
        if scope["type"] != "http":
            return _refuse(400, "this server speaks HTTP only.")
        if not PLAIN.fullmatch(scope.get("raw_path") or scope["path"].encode()):
            return _refuse(400, "a path must be made of letters, digits, dots, - and _ alone.")
        if headers.get("host", "").lower() not in self.hosts:
            return _refuse(
                421, "this server answers to its own name only. Use the link it printed."
            )
        if not self._from_here(scope, headers):
            return _refuse(403, "this request must come from the labelling page itself.")
        if "content-length" in headers and "transfer-encoding" in headers:
            return _refuse(400, "a request must say in one way how long it is.")
        length = headers.get("content-length", "0")
        if not (length.isascii() and length.isdigit()) or int(length) > MOST_BYTES:
            return _refuse(413, TOO_LARGE)
        return None

    def _from_here(self, scope: Scope, headers: Headers) -> bool:
        """Whether a request was made by the page itself, or typed into the browser."""
        origin = headers.get("origin")
        if origin is not None and origin not in self.origins:
            return False
        if scope["method"] not in READING:
            return origin is not None and headers.get("sec-fetch-site", "same-origin") in SAME
        if headers.get("sec-fetch-site", "none") in SAME:
            return True
        opened = (headers.get("sec-fetch-mode"), headers.get("sec-fetch-dest"))
        return opened == ("navigate", "document") and scope["path"] in OPENED


SAME = ("same-origin", "none")  # none: typed, or opened from the terminal
OPENED = ("/", "/sign-in", "/agreement", "/disputes")  # pages that a link elsewhere may lead to
TOO_SLOW = f"a request must bring its body within {BODY_SECONDS:g} seconds."
TOO_LARGE = f"a request must bring at most {MOST_BYTES} bytes."


def _host(origin: str) -> str:
    """What a browser sends as `Host` for an origin.

    Examples:
        >>> _host("http://127.0.0.1:8765"), _host("https://reading.example:443")
        ('127.0.0.1:8765', 'reading.example')
    """
    scheme, _, host = origin.partition("://")
    usual = {"http": ":80", "https": ":443"}[scheme]
    return host.removesuffix(usual).lower()


def _limited(receive: Receive) -> Receive:
    """`receive`, until more has come than a request may bring, or nothing comes any more."""
    taken, complete = 0, False

    async def counted() -> Message:
        nonlocal taken, complete
        if complete:  # what comes now is the end of the connection, whenever that may be
            return await receive()
        try:
            message = await asyncio.wait_for(receive(), BODY_SECONDS)
        except TimeoutError:
            raise HTTPException(408, TOO_SLOW, {"connection": "close"}) from None
        complete = not message.get("more_body", False)
        taken += len(message.get("body", b""))
        if taken > MOST_BYTES:
            raise HTTPException(413, TOO_LARGE, {"connection": "close"})
        return message

    return counted


def _refuse(status: int, message: str) -> JSONResponse:
    headers = {"connection": "close"} if status == 413 else None  # the rest is not read
    return JSONResponse({"error": message}, status, headers)
