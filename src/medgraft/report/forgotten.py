"""What a network that went on learning still knows: sentences and a table of its report."""

from __future__ import annotations

from dataclasses import dataclass

from medgraft.report.compare import Difference
from medgraft.report.contracts import Forgetting
from medgraft.report.tables import Value
from medgraft.report.words import count, label, percent, without_folders


@dataclass(frozen=True)
class Row:
    """One metric on the images of the earlier run."""

    name: str
    before: Value
    after: Value
    difference: Difference


@dataclass(frozen=True)
class Forgotten:
    """What a network that went on learning still knows.

    Attributes:
        run: What it went on from.
        said: What it kept, in sentences.
        rows: A row per metric; none where nothing was measured.
    """

    run: str
    said: str
    rows: list[Row]

    @classmethod
    def of(cls, found: Forgetting) -> Forgotten:
        """From forgetting.json."""
        went_on = f"This network went on from {found.run}."
        if found.reason is not None:
            why = without_folders(found.reason)
            return cls(found.run, f"{went_on} What it forgot was not measured: {why}", [])
        rows = [
            Row(
                label(name),
                Value.of(one.before),
                Value.of(one.after),
                Difference.of(one.difference.model_dump()),
            )
            for name, one in found.metrics.items()
        ]
        return cls(found.run, f"{went_on} {_kept(found)}{_left_out(found)}", rows)


def _kept(found: Forgetting) -> str:
    share = f" ({percent(found.kept / found.knew, digits=1)})" if found.knew else ""
    return (
        f"Of the {count(found.knew, 'validation image')} that {found.run} had right it still has"
        f" {count(found.kept)} right{share}."
    )


def _left_out(found: Forgetting) -> str:
    if not found.left_out:
        return ""
    return (
        f" {count(found.left_out, 'image')} of the validation part of {found.run} are left out:"
        " their patients are trained on now."
    )
