"""Accounts of readers: names and salted scrypt hashes of their passwords, in a JSON file."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from medgraft.errors import ArgumentError, TableError
from medgraft.files import read_json, write_json

LEAST = 12  # characters of a password
# 32 MiB and three rounds: one of the settings of OWASP's Password Storage Cheat Sheet
COST = {"n": 2**15, "r": 8, "p": 3}
MOST_MEMORY = 2**28  # bytes that a hash of a file may ask for
FREE_TRIES, LONGEST_WAIT = 5, 300.0  # wrong passwords before waiting, seconds
FORGOTTEN = 900.0  # seconds after which wrong passwords no longer count
AT_ONCE = 2  # passwords that are checked at a time: each takes memory and a core


@dataclass(frozen=True)
class Hash:
    """A password as it is kept.

    Attributes:
        salt: Random, hexadecimal.
        key: The scrypt key, hexadecimal.
        n: Cost (Percival 2009, RFC 7914).
        r: Block size.
        p: Rounds.
    """

    salt: str
    key: str
    n: int
    r: int
    p: int

    @classmethod
    def of(cls, password: str) -> Hash:
        """A new hash of a password, with a salt of its own.

        Raises:
            ArgumentError: If it is too short.
        """
        if len(password) < LEAST:
            raise ArgumentError(
                f"a password must have at least {LEAST} characters, got {len(password)}."
                " Several words are easy to remember."
            )
        salt = secrets.token_bytes(16)
        return cls(salt.hex(), _key(password, salt, **COST).hex(), **COST)

    def matches(self, password: str) -> bool:
        """Whether this is the password."""
        found = _key(password, bytes.fromhex(self.salt), n=self.n, r=self.r, p=self.p)
        return hmac.compare_digest(found, bytes.fromhex(self.key))


def _key(password: str, salt: bytes, *, n: int, r: int, p: int) -> bytes:
    content = password.encode("utf-8", "replace")
    return hashlib.scrypt(content, salt=salt, n=n, r=r, p=p, maxmem=MOST_MEMORY, dklen=32)


def _unmatched(like: Hash | None) -> Hash:
    """A hash that no password has, as costly to compare as another one."""
    cost = COST if like is None else {"n": like.n, "r": like.r, "p": like.p}
    return Hash(secrets.token_hex(16), secrets.token_hex(32), **cost)


def load_accounts(path: Path) -> dict[str, Hash]:
    """Readers and their passwords.

    Raises:
        TableError: If the file is missing or not as `save_accounts` writes it.
    """
    written = read_json(path)
    try:
        return {str(name): _parsed(entry) for name, entry in written["readers"].items()}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise TableError(
            f"'{path}' must be a file of accounts, and is not: {error}."
            " Make one with `medgraft account NAME --accounts FILE`."
        ) from error


def _parsed(entry: Mapping[str, Any]) -> Hash:
    found = Hash(**entry)
    sizes = (found.n, found.r, found.p)
    if not all(type(size) is int and size > 0 for size in sizes) or found.n & (found.n - 1):
        raise ValueError("n, r and p must be whole numbers, n a power of two")
    if 128 * found.n * found.r * found.p > MOST_MEMORY:
        raise ValueError(f"a hash asks for more than {MOST_MEMORY} bytes")
    if len(bytes.fromhex(found.salt)) < 8 or len(bytes.fromhex(found.key)) != 32:
        raise ValueError("a salt or a key is too short")
    return found


def save_accounts(path: Path, accounts: Mapping[str, Hash]) -> None:
    """Write accounts for their owner's eyes alone.

    Raises:
        OutputError: If the file cannot be written; the old one stays.
    """
    write_json(path, {"readers": {name: asdict(accounts[name]) for name in sorted(accounts)}})
    path.chmod(0o600)


class Doorkeeper:
    """Lets readers in by name and password, slower after every wrong one."""

    def __init__(
        self, accounts: Mapping[str, Hash], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._accounts = dict(accounts)
        self._nobody = _unmatched(next(iter(self._accounts.values()), None))
        self._clock = clock
        self._lock = threading.Lock()
        self._checking = threading.Semaphore(AT_ONCE)
        self._wrong: dict[tuple[str, str], tuple[int, float]] = {}

    def wait(self, name: str, address: str) -> float:
        """Seconds until this name may be tried again from this address."""
        with self._lock:
            _, until = self._wrong.get(self._key(name, address), (0, 0.0))
        return max(0.0, until - self._clock())

    def admits(self, name: str, password: str, address: str) -> bool:
        """Whether this is a reader and their password.

        An unknown name takes as long as a wrong password: the time tells nobody who has an
        account. Whoever must `wait` is not admitted, whatever the password.
        """
        if self.wait(name, address):
            return False
        with self._checking:
            right = self._accounts.get(name, self._nobody).matches(password)
        right = right and name in self._accounts
        with self._lock:
            key = self._key(name, address)
            if right:
                self._wrong.pop(key, None)
            else:
                self._note_wrong(key)
        return right

    def _note_wrong(self, key: tuple[str, str]) -> None:
        now = self._clock()
        self._wrong = {k: v for k, v in self._wrong.items() if v[1] > now - FORGOTTEN}
        count = self._wrong.get(key, (0, 0.0))[0] + 1
        pause = min(LONGEST_WAIT, 2.0 ** (count - FREE_TRIES)) if count >= FREE_TRIES else 0.0
        self._wrong[key] = (count, now + pause)

    def _key(self, name: str, address: str) -> tuple[str, str]:
        """Unknown names share one count, so that trying many of them fills no memory."""
        return (name if name in self._accounts else "", address)
