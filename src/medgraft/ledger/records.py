"""What goes into a ledger and what comes out of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from medgraft.errors import ArgumentError

Act = Literal["answer", "unsure", "skip", "correction", "undo", "adjudication"]


@dataclass(frozen=True)
class Queued:
    """An image that somebody should look at, and why.

    Attributes:
        image_id: As in the index of the campaign.
        rank: Its place in the batch; lower comes first.
        why: What was in favour of it, as JSON: score, views that disagree, neighbours.
        probabilities: What the model says, by class; None if no model was asked.
        model: Which model it was; "" if none.
    """

    image_id: str
    rank: int
    why: Mapping[str, Any] = field(default_factory=dict)
    probabilities: Mapping[str, float] | None = None
    model: str = ""


@dataclass(frozen=True)
class Leased:
    """An image that is a reader's to answer, until the lease expires.

    Attributes:
        image_id: As in the index of the campaign.
        batch: Number of the batch that it was queued in.
        rank: Its place there.
        why: As queued.
        probabilities: As queued.
        model: As queued.
        expires: When others may get it, in UTC.
    """

    image_id: str
    batch: int
    rank: int
    why: Mapping[str, Any]
    probabilities: Mapping[str, float] | None
    model: str
    expires: datetime


@dataclass(frozen=True)
class Event:
    """One thing that somebody did. Events are never changed or removed.

    Attributes:
        number: Rises by time; not necessarily by one.
        at: When it was written, in UTC.
        reader: Who did it.
        act: What: answer, unsure, skip, correction (of an own answer), undo, adjudication.
        image_id: About which image.
        labels: The classes of the answer; None of an unsure, a skip, an undo, and of a
            correction to "unsure". Empty where none of several independent classes holds.
        seconds: How long it took, as the page measured it; None if it did not.
        model: Which model's view went with the image; "" if none.
        request: The client's name for this act; sending it again does not repeat it.
        about: Number of the event that is corrected, undone or overruled; None if none is.
    """

    number: int
    at: datetime
    reader: str
    act: Act
    image_id: str
    labels: tuple[str, ...] | None
    seconds: float | None
    model: str
    request: str
    about: int | None


@dataclass(frozen=True)
class Reading:
    """What one reader says about one image as of now.

    Attributes:
        image_id: Of which image.
        reader: Who says so.
        act: "answer", "unsure" or "skip".
        labels: Of an answer.
        event: Number of the event that says so.
    """

    image_id: str
    reader: str
    act: Literal["answer", "unsure", "skip"]
    labels: tuple[str, ...] | None
    event: int


@dataclass(frozen=True)
class Dispute:
    """An image that only an adjudicator can settle.

    Attributes:
        image_id: Which.
        batch: Number of the batch that it was queued in.
        status: "disputed" (no majority), "unsure" (all are), or "skipped" (nobody is left who
            would look at it).
        readings: What everybody said.
    """

    image_id: str
    batch: int
    status: str
    readings: tuple[Reading, ...]


@dataclass(frozen=True)
class Progress:
    """How far the campaign has come.

    Attributes:
        images: In the queue, over all batches.
        settled: Images with a label: agreed, by majority, or adjudicated.
        disputed: Images that all wanted readers looked at, without a majority.
        unsure: Images about which all their readers were unsure.
        skipped: Images that still want a reader, but everybody who is left skipped them.
        open: Images that still want a reader.
        read: Answers and unsures by reader, as of now.
        passed: Skips by reader, as of now.
        waiting: Images that may still be given to each reader.
    """

    images: int
    settled: int
    disputed: int
    unsure: int
    skipped: int
    open: int
    read: Mapping[str, int]
    passed: Mapping[str, int]
    waiting: Mapping[str, int]

    @property
    def disputes(self) -> int:
        """Images that wait for an adjudicator."""
        return self.disputed + self.unsure + self.skipped


def check_name(name: str) -> None:
    """Refuse what cannot be the name of a reader.

    Raises:
        ArgumentError: If it is not 1 to 64 printable characters that begin with a letter or a digit
            and do not end in a space.
    """
    if not 0 < len(name) <= 64 or not name.isprintable() or not name[0].isalnum():
        raise ArgumentError(
            "the name of a reader must be 1 to 64 printable characters and begin with a letter"
            f" or a digit, got {name!r:.80}."
        )
    if name != name.strip():
        raise ArgumentError(f"the name of a reader must not end in spaces, got {name!r}.")
