"""The command `medgraft fetch`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro


@dataclass(frozen=True)
class Fetch:
    """Take a published set from where its makers put it.

    For sets that anybody may have: the file is taken from the official address, its sum is checked,
    and it is unpacked if it is an archive. Broken off, the same command goes on. The licence is
    shown first and must be accepted. Of other sets it is said where to ask for them. Without a name,
    all are listed.

    Examples:
        medgraft fetch
        medgraft fetch pneumoniamnist --out data --accept
        medgraft fetch chexpert
    """

    name: Annotated[str | None, tyro.conf.Positional] = None
    """Which set."""
    out: Path = Path()
    """Folder to put it into."""
    accept: bool = False
    """You have read the licence of the set and accept it."""

    def run(self) -> None:
        """List, explain, or fetch."""
        from medgraft.errors import ArgumentError
        from medgraft.fetch.fetching import fetch
        from medgraft.fetch.sets import ON_REQUEST, OPEN, OnRequest, find

        if self.name is None:
            width = max(len(name) for name in [s.name for s in OPEN] + [s.name for s in ON_REQUEST])
            print("Anybody may fetch these:")
            for one in OPEN:
                print(f"  {one.name:<{width}}  {one.what}; {one.licence}")
            print("The makers of these give them out themselves:")
            for other in ON_REQUEST:
                print(f"  {other.name:<{width}}  {other.what}; {other.where}")
            return
        found = find(self.name)
        if isinstance(found, OnRequest):
            print(f"{found.name}: {found.what}.")
            print(f"Its makers give it out themselves: {found.where} (it takes {found.how}).")
            print("Put what you get into one folder, and")
            print(
                f"use it: medgraft index FOLDER --layout {found.layout} --out {found.name}.parquet"
            )
            return
        print(f"{found.name}: {found.what}, from {found.url}")
        print(f"licence: {found.licence}, {found.terms}")
        if not self.accept:
            raise ArgumentError(
                f"the licence of {found.name} must be accepted before it is fetched. Read it at"
                f" {found.terms}, and give --accept if you do."
            )
        path = fetch(found, self.out)
        print(f"written {path}")
        index = self.out / f"{found.name}.parquet"
        print(f"use it: medgraft index {path} --layout {found.layout} --out {index}")
