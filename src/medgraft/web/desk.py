"""What a reader may do and see: the campaign, asked on behalf of one reader at a time."""

from __future__ import annotations

import threading
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any, Literal

from medgraft.errors import LedgerError, UnknownNameError
from medgraft.ledger import Event, Leased, Queued
from medgraft.ledger.ledger import Ledger, Role
from medgraft.ledger.records import Act, Dispute
from medgraft.web.archive import Archive
from medgraft.web.heat import Model, Models
from medgraft.web.scans import Scans

AHEAD = 4  # scans that a page has in hand: the one on the screen and those that it fetches ahead
LEASE_SECONDS = 300.0  # an open page asks for more time long before

Said = Literal["answer", "unsure", "skip"]
ROLES: tuple[Role, ...] = ("reader", "adjudicator")
COMMITTED: frozenset[Act] = frozenset(("answer", "unsure", "adjudication"))


@dataclass(frozen=True)
class Desk:
    """The campaign as readers meet it.

    A reader sees an image once it was given to them; what a model says of it, and why it was
    chosen, once they have answered (unless `model_first`); and never what another reader said. An
    adjudicator sees what readers said of an image that is theirs to settle, but not who.

    Attributes:
        ledger: Where answers go.
        archive: Where the images lie.
        scans: Decoded ones.
        models: For heat maps.
        model_first: Whether the model's view is shown before the answer.
    """

    ledger: Ledger
    archive: Archive
    models: Models
    scans: Scans = field(default_factory=Scans)
    model_first: bool = False
    _given: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set), init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def roles(self, name: str) -> list[str]:
        """What somebody was admitted as: "reader", "adjudicator", both or nothing."""
        return [role for role in ROLES if name in self.ledger.readers(role)]

    def next(self, reader: str) -> list[Leased]:
        """The scans that a reader has in hand, the one to look at first."""
        leased = self.ledger.lease(reader, count=AHEAD, lease_seconds=LEASE_SECONDS)
        with self._lock:
            self._given[reader].update(one.image_id for one in leased)
        return leased

    def say(
        self,
        reader: str,
        act: Said,
        image_id: str,
        labels: list[str],
        *,
        seconds: float | None,
        request: str,
    ) -> Event:
        """Write down what a reader says; it is on the disk when this returns."""
        told: dict[str, Any] = {
            "seconds": seconds,
            "request": request,
            "model": self._model_seen(reader, image_id),
        }
        if act == "answer":
            said = labels[0] if self._one_of(labels) else labels
            return self.ledger.answer(reader, image_id, said, **told)
        if act == "unsure":
            return self.ledger.unsure(reader, image_id, **told)
        return self.ledger.skip(reader, image_id, **told)

    def _one_of(self, labels: list[str]) -> bool:
        return self.ledger.campaign.kind == "exclusive" and len(labels) == 1

    def _model_seen(self, reader: str, image_id: str) -> str:
        """The model whose view of an image the reader knows already; "" if none.

        So that answers given under its influence can be told from the others. The view came with
        an earlier answer, even if that was taken back.
        """
        answered = COMMITTED.intersection(self.ledger.done_about(reader, image_id))
        return self.ledger.queued(image_id).model if self.model_first or answered else ""

    def check_adjudicator(self, adjudicator: str) -> None:
        """Refuse whoever may not settle disputes.

        Raises:
            LedgerError: If this person was not admitted as adjudicator.
        """
        if adjudicator not in self.ledger.readers("adjudicator"):
            raise LedgerError(
                f"{adjudicator!r} must be admitted as adjudicator to see what is disputed, and is"
                " not. `medgraft active admit --adjudicator` does it."
            )

    def disputes(self, adjudicator: str) -> list[Dispute]:
        """The disputed images that an adjudicator has in hand, the one to settle first.

        Raises:
            LedgerError: As `check_adjudicator`.
        """
        self.check_adjudicator(adjudicator)
        found = self.ledger.lease_disputes(adjudicator, count=AHEAD, lease_seconds=LEASE_SECONDS)
        with self._lock:
            self._given[adjudicator].update(one.image_id for one in found)
        return found

    def rule(
        self,
        adjudicator: str,
        image_id: str,
        labels: list[str],
        *,
        seconds: float | None,
        request: str,
    ) -> Event:
        """Write down how an adjudicator settles an image that no other one has settled."""
        return self.ledger.adjudicate(
            adjudicator,
            image_id,
            labels[0] if self._one_of(labels) else labels,
            seconds=seconds,
            request=request,
            model=self._model_seen(adjudicator, image_id),
            overrule=False,
        )

    def may_see(self, reader: str, image_id: str) -> bool:
        """Whether an image was ever given to this reader, before the server began anew as well."""
        with self._lock:
            if image_id in self._given[reader]:
                return True
        return bool(self.ledger.done_about(reader, image_id))

    def has_answered(self, reader: str, image_id: str) -> bool:
        """Whether a reader has committed themselves; leaving an image to others is no answer."""
        if "adjudication" in self.ledger.done_about(reader, image_id):
            return True
        said = self.ledger.readings(image_id)
        return any(one.reader == reader and one.act != "skip" for one in said)

    def check_may_see(self, reader: str, image_id: str) -> None:
        """Refuse an image that was never given to this reader, as if it did not exist.

        Raises:
            UnknownNameError: Whether it exists or not.
        """
        if not self.may_see(reader, image_id):
            raise UnknownNameError(f"no image {image_id!r:.80} was given to you.")

    def check_may_see_model(self, reader: str, image_id: str) -> None:
        """Refuse the model's view before the reader's own answer.

        Raises:
            UnknownNameError: If the image was never given to them.
            LedgerError: If they have not answered.
        """
        self.check_may_see(reader, image_id)
        if not self.model_first and not self.has_answered(reader, image_id):
            raise LedgerError(
                "the model's view is shown after your own answer, so that it cannot sway it."
                " Answer first."
            )

    def view(self, reader: str, image_id: str) -> dict[str, Any]:
        """What the model says of an image, and why the image was chosen.

        Raises:
            UnknownNameError, LedgerError: As `check_may_see_model`.
        """
        self.check_may_see_model(reader, image_id)
        queued = self.ledger.queued(image_id)
        return {
            "image_id": image_id,
            "model": queued.model,
            "probabilities": queued.probabilities,
            "why": queued.why,
            "heat": self._model_of(queued) is not None,
        }

    def model(self, reader: str, image_id: str) -> Model:
        """The model that looked at an image, for its heat map.

        Raises:
            UnknownNameError, LedgerError: As `check_may_see_model`; or there is no model.
        """
        self.check_may_see_model(reader, image_id)
        model = self._model_of(self.ledger.queued(image_id))
        if model is None:
            raise UnknownNameError("no model of this campaign has looked at this image.")
        return model

    def _model_of(self, queued: Queued) -> Model | None:
        """None of an image that is to measure models: none has been asked about it."""
        return None if queued.probabilities is None else self.models.get(queued.model)
