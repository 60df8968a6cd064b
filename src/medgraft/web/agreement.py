"""How far a reader agrees with the others, and with the model: sums, never single answers.

A reader who has not answered an image yet must not learn from this page what another one said of
it, so nothing here can be traced to an image.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from medgraft.ledger import Campaign, Progress, Reading
from medgraft.ledger.agreement import Kappa, agreement
from medgraft.ledger.ledger import Ledger

MODEL = ""  # no reader can have this name
Labels = tuple[str, ...]


@dataclass(frozen=True)
class Beside:
    """A reader and somebody else, about the images that both answered.

    Attributes:
        other: Name of the other reader; "" for the model.
        kappas: One, or one per independent class.
        table: How often the reader said the row's class while the other said the column's; empty
            for independent classes.
    """

    other: str
    kappas: tuple[Kappa, ...]
    table: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Found:
    """What the page says.

    Attributes:
        reader: Whose page it is.
        progress: Of the campaign.
        unsure: How many images the reader was unsure about.
        others: The reader beside each other one.
        model: The reader beside the model, by what they answered before they saw its view; None if
            there is nothing to compare.
        all: All readers together, if the campaign wants several of each image.
        unit: What intervals draw.
    """

    reader: str
    progress: Progress
    unsure: int
    others: tuple[Beside, ...]
    model: Beside | None
    all: tuple[Kappa, ...]
    unit: str


def compare(ledger: Ledger, reader: str, patients: Mapping[str, str] | None) -> Found:
    """What may be told to one reader.

    Args:
        ledger: Of the campaign.
        reader: Who asks.
        patients: Whose image each is; None draws images for the intervals.
    """
    campaign, readings = ledger.campaign, ledger.readings()
    together = agreement(campaign, readings, patients=patients)
    mine = {one.image_id: one for one in readings if one.reader == reader}
    theirs: dict[str, dict[str, Labels]] = {}
    for one in readings:
        if one.labels is not None and one.reader != reader:
            theirs.setdefault(one.reader, {})[one.image_id] = one.labels
    others = [
        Beside(name, kappas, _table(campaign, mine, said))
        for name, said in sorted(theirs.items())
        if (kappas := _between(together.pairs, reader, name))
    ]
    return Found(
        reader=reader,
        progress=ledger.progress(),
        unsure=sum(one.act == "unsure" for one in mine.values()),
        others=tuple(others),
        model=_beside_model(ledger, reader, patients),
        all=together.all,
        unit=together.unit,
    )


def _between(pairs: Sequence[Kappa], reader: str, other: str) -> tuple[Kappa, ...]:
    return tuple(one for one in pairs if set(one.readers) == {reader, other})


def _table(
    campaign: Campaign, mine: Mapping[str, Reading], theirs: Mapping[str, Labels]
) -> tuple[tuple[int, ...], ...]:
    if campaign.kind != "exclusive":
        return ()
    counts = Counter(
        (said[0], theirs[image_id][0])
        for image_id, one in mine.items()
        if (said := one.labels) is not None and image_id in theirs
    )
    return tuple(tuple(counts[row, column] for column in campaign.names) for row in campaign.names)


def _beside_model(ledger: Ledger, reader: str, patients: Mapping[str, str] | None) -> Beside | None:
    """The model as one more reader, which chooses the likeliest class, or all above one half."""
    campaign, answered = ledger.campaign, ledger.unswayed(reader)
    if not answered:
        return None
    chosen = {one.image_id: _chosen(campaign, p) for one, p in answered}
    mine = {one.image_id: one for one, _ in answered}
    model = [Reading(image, MODEL, "answer", labels, 0) for image, labels in chosen.items()]
    found = agreement(campaign, [*mine.values(), *model], patients=patients)
    return Beside(MODEL, _between(found.pairs, reader, MODEL), _table(campaign, mine, chosen))


def _chosen(campaign: Campaign, probabilities: Mapping[str, float]) -> Labels:
    if campaign.kind == "independent":
        return tuple(name for name in campaign.names if probabilities.get(name, 0.0) >= 0.5)
    return (max(campaign.names, key=lambda name: probabilities.get(name, 0.0)),)
