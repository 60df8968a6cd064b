"""Who is signed in: a secret in a cookie stands for a reader, for a while."""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from collections.abc import Callable

LASTS = 12 * 3600.0  # seconds without a request after which one must sign in again
BYTES = 32


class Sessions:
    """The readers who are signed in. Secrets are kept as hashes, in memory alone."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._open: dict[str, tuple[str, float]] = {}

    def begin(self, reader: str) -> str:
        """A new secret that stands for a reader."""
        secret = secrets.token_urlsafe(BYTES)
        with self._lock:
            self._open = {k: v for k, v in self._open.items() if v[1] > self._clock()}
            self._open[_hashed(secret)] = (reader, self._clock() + LASTS)
        return secret

    def reader(self, secret: str) -> str | None:
        """Whom a secret stands for; None if for nobody, or no longer."""
        key = _hashed(secret)
        with self._lock:
            reader, expires = self._open.get(key, ("", 0.0))
            if expires <= self._clock():
                self._open.pop(key, None)
                return None
            self._open[key] = (reader, self._clock() + LASTS)
            return reader

    def end(self, secret: str) -> None:
        """From now on the secret stands for nobody."""
        with self._lock:
            self._open.pop(_hashed(secret), None)


class Tokens:
    """The token in the link that the terminal shows: it lets one browser in, and then changes."""

    def __init__(self, announce: Callable[[str], None]) -> None:
        self._announce = announce
        self._lock = threading.Lock()
        self._token = secrets.token_urlsafe(BYTES)
        announce(self._token)

    def take(self, token: str) -> bool:
        """Whether this is the token; if so, a new one is announced and this one is void."""
        with self._lock:
            if not secrets.compare_digest(self._token.encode(), token.encode("utf-8", "replace")):
                return False
            self._token = secrets.token_urlsafe(BYTES)
            self._announce(self._token)
            return True


def _hashed(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()
