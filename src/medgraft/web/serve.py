"""Serve the labelling page: here alone with a token, elsewhere with a certificate and accounts."""

from __future__ import annotations

import ipaddress
import signal
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import uvicorn

from medgraft.errors import ArgumentError, OutputError
from medgraft.web.access import Access
from medgraft.web.accounts import Doorkeeper, load_accounts
from medgraft.web.app import create_app
from medgraft.web.desk import Desk
from medgraft.web.sessions import Tokens

HERE = "127.0.0.1"
EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 (refused without a name, a certificate and accounts)
MOST_AT_ONCE = 256  # connections


@dataclass(frozen=True)
class Place:
    """Where the page is served, and who is let in.

    Attributes:
        host: Address or name to listen on.
        port: 0 for any that is free.
        public_name: Name that readers type; None for `host`.
        certificate: TLS certificate, PEM, with its chain.
        key: Its private key, PEM.
        accounts: File of accounts; None for a token.
    """

    host: str = HERE
    port: int = 8765
    public_name: str | None = None
    certificate: Path | None = None
    key: Path | None = None
    accounts: Path | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise ArgumentError(f"--port must be from 0 to 65535, got {self.port}.")
        if (self.certificate is None) != (self.key is None):
            raise ArgumentError("--certificate and --key go together; give both or none.")
        for flag, file in (("--certificate", self.certificate), ("--key", self.key)):
            if file is not None and not file.is_file():
                raise ArgumentError(f"{flag} must be a file, and '{file}' is none.")
        if is_here(self.host):
            return
        missing = [
            flag
            for flag, given in (
                ("--certificate and --key", self.certificate),
                ("--accounts", self.accounts),
            )
            if given is None
        ]
        if missing:
            raise ArgumentError(
                f"a page that other machines can reach must be encrypted and know its readers, but"
                f" --host {self.host} came without {' and '.join(missing)}. Give them, or leave out"
                f" --host: the page is then at {HERE} alone."
            )
        if self.host in EVERYWHERE and self.public_name is None:
            raise ArgumentError(
                f"--host {self.host} listens on every address; --public-name must say under which"
                " name readers open the page."
            )

    def origin(self, port: int) -> str:
        """What readers type, up to the path."""
        scheme = "http" if self.certificate is None else "https"
        name = (self.public_name or self.host).lower()
        name = f"[{name}]" if ":" in name else name
        usual = {"http": 80, "https": 443}[scheme]
        return f"{scheme}://{name}" if port == usual else f"{scheme}://{name}:{port}"


def is_here(host: str) -> bool:
    """Whether only this machine can reach an address.

    Examples:
        >>> is_here("127.0.0.1"), is_here("localhost"), is_here("0.0.0.0"), is_here("ward.example")
        (True, True, False, False)
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def serve(
    desk: Desk,
    place: Place,
    *,
    reader: str | None,
    say: Callable[[str], None],
    ready: Callable[[], None],
) -> None:
    """Serve until the process is told to stop.

    Args:
        desk: The campaign.
        place: Where, and who is let in.
        reader: Who comes with the token; None for the only reader of the campaign.
        say: Takes the links that let a browser in.
        ready: Called when the page can be opened.

    Raises:
        ArgumentError: If nobody who was admitted to the campaign could come in.
        TableError: If the accounts cannot be read.
        OutputError: If the port is taken.
    """
    with _listening(place) as listener:
        origin = place.origin(listener.getsockname()[1])
        access = _access(desk, place, origin, reader, say)
        config = uvicorn.Config(
            create_app(desk, access),
            http="h11",  # the parser that the tests attack, whatever else is installed
            log_level="warning",
            access_log=False,  # its lines would hold tokens and ids
            server_header=False,
            proxy_headers=False,  # nobody else says who is calling
            limit_concurrency=MOST_AT_ONCE,
            timeout_graceful_shutdown=2,
            ssl_certfile=place.certificate,
            ssl_keyfile=place.key,
        )
        if hasattr(signal, "SIGPIPE"):  # a browser that goes away must not end the server
            signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        server = uvicorn.Server(config)
        ready()
        server.run(sockets=[listener])


def _access(
    desk: Desk, place: Place, origin: str, reader: str | None, say: Callable[[str], None]
) -> Access:
    """Who may come in: admitted readers with an account, or the one who has the link."""
    admitted = sorted({*desk.ledger.readers(), *desk.ledger.readers("adjudicator")})
    if place.accounts is None:
        tokens = Tokens(lambda token: say(f"{origin}/sign-in?token={token}"))
        return Access(origin, reader=_chosen(reader, admitted), tokens=tokens)
    accounts = load_accounts(place.accounts)
    able = {name: accounts[name] for name in accounts if name in admitted}
    if not able:
        raise ArgumentError(
            f"--accounts must hold somebody who was admitted to the campaign; '{place.accounts}'"
            f" holds {', '.join(accounts) or 'nobody'}, admitted: {', '.join(admitted) or 'nobody'}."
            " Use `medgraft account` and `medgraft active admit`."
        )
    say(f"{origin}/")
    return Access(origin, doorkeeper=Doorkeeper(able))


def _chosen(reader: str | None, admitted: Sequence[str]) -> str:
    if reader is None and len(admitted) == 1:
        return admitted[0]
    if reader is None or reader not in admitted:
        came = "it was not given" if reader is None else f"got {reader!r:.80}"
        raise ArgumentError(
            f"--reader must be somebody who was admitted to the campaign, and {came}. Admitted:"
            f" {', '.join(admitted) or 'nobody'}; `medgraft active admit` admits others."
        )
    return reader


def _listening(place: Place) -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(
            place.host, place.port, type=socket.SOCK_STREAM
        )[0]
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(MOST_AT_ONCE)  # the link is shown now; who follows it at once waits
    except OSError as error:
        raise OutputError(
            f"port {place.port} of {place.host} must be free: {error.strerror or error}."
            " Choose another --port."
        ) from error
    return listener
