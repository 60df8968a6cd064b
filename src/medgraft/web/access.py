"""Who a request comes from: a cookie, and how one comes by it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request
from starlette.responses import Response

from medgraft.web.accounts import Doorkeeper
from medgraft.web.sessions import Sessions, Tokens


class SignedOutError(Exception):
    """A request comes from nobody who is signed in."""


@dataclass(frozen=True)
class Access:
    """How readers sign in: with accounts, or as one reader with the token of the terminal.

    Attributes:
        origin: Where the page is opened, such as ``http://127.0.0.1:8765``.
        reader: Who comes with the token.
        tokens: The token; None where there are accounts.
        doorkeeper: The accounts; None where there is a token.
        sessions: Who is signed in.
    """

    origin: str
    reader: str = ""
    tokens: Tokens | None = None
    doorkeeper: Doorkeeper | None = None
    sessions: Sessions = field(default_factory=Sessions)

    @property
    def cookie(self) -> str:
        """Name of the cookie. Cookies know no ports, so two campaigns need two names."""
        if self.origin.startswith("https://"):
            return "__Host-medgraft"
        return f"medgraft-{self.origin.rpartition(':')[2]}"

    def reader_of(self, request: Request) -> str | None:
        """Who sent a request; None if nobody who is signed in."""
        return self.sessions.reader(request.cookies.get(self.cookie, ""))

    def sign_in(self, request: Request, response: Response, reader: str) -> None:
        """Have the browser keep a new secret for this reader, out of reach of scripts and other sites.

        What it came with, whoever gave it that, is worth nothing from now on.
        """
        self.sessions.end(request.cookies.get(self.cookie, ""))
        response.set_cookie(
            self.cookie,
            self.sessions.begin(reader),
            path="/",
            secure=self.origin.startswith("https://"),
            httponly=True,
            samesite="strict",
        )

    def sign_out(self, request: Request, response: Response) -> None:
        """Forget the secret, here and in the browser."""
        self.sessions.end(request.cookies.get(self.cookie, ""))
        response.delete_cookie(
            self.cookie,
            path="/",
            secure=self.origin.startswith("https://"),
            httponly=True,
            samesite="strict",
        )


def _signed_in(request: Request) -> str:
    reader = request.app.state.access.reader_of(request)
    if reader is None:
        raise SignedOutError
    return str(reader)


Reader = Annotated[str, Depends(_signed_in)]
