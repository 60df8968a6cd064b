"""The command `medgraft account`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro


@dataclass(frozen=True)
class Account:
    """Make, change or remove the account of a reader who labels from another machine.

    Asks for the password twice, or takes one line from a pipe. The file holds salted scrypt hashes,
    no passwords, and only its owner may read it. A page that is being served keeps the accounts
    that it began with.

    Examples:
        medgraft account anna --accounts readers.json
        medgraft account anna --accounts readers.json --remove
    """

    name: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="NAME")]
    """Of the reader, as it will stand in the ledger."""
    accounts: Path
    """File of accounts (JSON); made if it does not exist."""
    remove: bool = False
    """Remove the account; what the reader said stays in the ledger."""

    def run(self) -> None:
        """Change the file and say so."""
        from medgraft.ledger.records import check_name
        from medgraft.registry import unknown_name
        from medgraft.web.accounts import Hash, load_accounts, save_accounts

        check_name(self.name)
        known = load_accounts(self.accounts) if self.accounts.exists() else {}
        if self.remove:
            if self.name not in known:
                raise unknown_name("reader", self.name, known)
            save_accounts(self.accounts, {k: v for k, v in known.items() if k != self.name})
            print(f"{self.name} has no account in {self.accounts} any more")
            return
        save_accounts(self.accounts, known | {self.name: Hash.of(_password())})
        print(
            f"{self.name} has {'a new password' if self.name in known else 'an account'} in {self.accounts}"
        )


def _password() -> str:
    import getpass
    import sys

    from medgraft.errors import ArgumentError

    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    first = getpass.getpass("password: ")
    if getpass.getpass("again: ") != first:
        raise ArgumentError("both passwords must be the same; they were not. Nothing was changed.")
    return first
