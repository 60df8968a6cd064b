"""The ledger itself: everything that can be asked of it and told to it."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Literal

from sqlalchemy import ColumnElement, Connection, func, insert, literal, select, true, update

from medgraft.errors import ArgumentError, LedgerError, TableError
from medgraft.ledger import acts, clock, leasing
from medgraft.ledger.acts import Given
from medgraft.ledger.campaign import Campaign
from medgraft.ledger.counting import count, counts
from medgraft.ledger.database import Database
from medgraft.ledger.exchange import Imported, take
from medgraft.ledger.records import (
    Act,
    Dispute,
    Event,
    Leased,
    Progress,
    Queued,
    Reading,
    check_name,
)
from medgraft.ledger.schema import batches, events, items, readers, readings, standings, waiting
from medgraft.ledger.sheet import read_sheet, write_sheet
from medgraft.ledger.standing import DISPUTED, SETTLED, names, reading, readings_of

if TYPE_CHECKING:
    import polars as pl

    from medgraft.ledger.agreement import Agreement

Role = Literal["reader", "adjudicator"]
About = Mapping[str, Mapping[str, str | None]]  # by column and image_id
LEASE_SECONDS = 300.0
AT_ONCE = 5000  # events read in one go


@dataclass(frozen=True)
class Ledger:
    """Labels of one campaign, as events that are never changed. Use `open_ledger`.

    Safe to use from several threads and processes at once. What an act returns is on the disk.

    Attributes:
        database: Where it is kept.
        campaign: What is asked.
        identity: Of this ledger; no other has the same.
    """

    database: Database
    campaign: Campaign
    identity: str

    # --- who may take part ---------------------------------------------------------------

    def admit(self, name: str, role: Role = "reader") -> None:
        """Let somebody take part; to admit them again does nothing.

        Args:
            name: Of the person: 1 to 64 printable characters, the first a letter or a digit.
            role: "reader" is given images; "adjudicator" settles what readers do not. One person
                may be admitted as both.
        """
        check_name(name)
        if role not in ("reader", "adjudicator"):
            raise ArgumentError(f"role must be reader or adjudicator, got {role!r}.")
        with self.database.writing() as connection:
            if name in names(connection, role):
                return
            connection.execute(
                insert(readers).values(
                    name=name, role=role, at=clock.written(clock.now(connection))
                )
            )
            if role == "reader":
                open_ = (
                    select(literal(name), items.c.position)
                    .join(standings, standings.c.image_id == items.c.image_id)
                    .where(standings.c.status.in_(("open", "skipped")))
                )
                connection.execute(insert(waiting).from_select(["reader", "position"], open_))
                reopened = connection.execute(
                    update(standings).where(standings.c.status == "skipped").values(status="open")
                )
                mine = select(func.count()).where(waiting.c.reader == name)
                count(connection, "waiting", name, connection.scalar(mine) or 0)
                count(connection, "status", "skipped", -reopened.rowcount)
                count(connection, "status", "open", reopened.rowcount)

    def readers(self, role: Role = "reader") -> tuple[str, ...]:
        """All who were admitted in that role, sorted."""
        with self.database.reading() as connection:
            return tuple(sorted(names(connection, role)))

    # --- the queue -----------------------------------------------------------------------

    def queue(self, batch: int, images: Sequence[Queued]) -> None:
        """Add a batch of images that somebody should look at.

        To queue the same batch again does nothing, so that whoever was interrupted may repeat it.

        Args:
            batch: Its number; batches are handed out by rising number.
            images: In any order; their ranks say which comes first.

        Raises:
            LedgerError: If the batch exists with other images, or an image is queued already.
        """
        images = sorted(images, key=lambda one: one.rank)
        wanted = [one.image_id for one in images]
        if not images:
            raise ArgumentError(f"batch {batch} must hold at least one image, got none.")
        if len(set(wanted)) < len(wanted):
            raise ArgumentError(f"an image must stand once in a batch; batch {batch} repeats one.")
        with self.database.writing() as connection:
            ordered = select(items.c.image_id).order_by(items.c.position)
            there = list(connection.scalars(ordered.where(items.c.batch == batch)))
            if there == wanted:
                return
            if there:
                raise LedgerError(
                    f"a batch must be queued once, but batch {batch} holds {len(there)} other"
                    " images. Give the next batch a new number."
                )
            earlier = set(connection.scalars(ordered))
            taken = [one for one in wanted if one in earlier]
            if taken:
                raise LedgerError(
                    f"an image must be queued once, but {len(taken)} of batch {batch} are in an"
                    f" earlier one, such as {taken[0]!r}. Leave them out."
                )
            last = connection.scalar(select(func.max(batches.c.number)))
            if last is not None and batch < last:
                raise LedgerError(f"batches must be queued by rising number; {last} is there.")
            first = (connection.scalar(select(func.max(items.c.position))) or 0) + 1
            at = clock.written(clock.now(connection))
            connection.execute(insert(batches).values(number=batch, at=at))
            connection.execute(
                insert(items), [_item(one, batch, n) for n, one in enumerate(images, first)]
            )
            new = select(items.c.image_id, literal("open")).where(items.c.batch == batch)
            connection.execute(insert(standings).from_select(["image_id", "status"], new))
            given = (
                select(readers.c.name, items.c.position)
                .select_from(readers)
                .join(items, literal(value=True))
                .where(readers.c.role == "reader", items.c.batch == batch)
            )
            connection.execute(insert(waiting).from_select(["reader", "position"], given))
            count(connection, "status", "open", len(images))
            for name in names(connection, "reader"):
                count(connection, "waiting", name, len(images))

    def batches(self) -> dict[int, datetime]:
        """The batches that were queued, and when."""
        with self.database.reading() as connection:
            rows = connection.execute(select(batches).order_by(batches.c.number)).all()
        return {row.number: clock.read(row.at) for row in rows}

    def queued(self, image_id: str) -> Queued:
        """What is known of a queued image.

        Raises:
            UnknownNameError: If it was never queued.
        """
        with self.database.reading() as connection:
            row = acts.find(connection, image_id)
        return Queued(
            row.image_id,
            row.rank,
            json.loads(row.why),
            None if row.probabilities is None else json.loads(row.probabilities),
            row.model,
        )

    # --- giving images to readers --------------------------------------------------------

    def next(self, reader: str, *, lease_seconds: float = LEASE_SECONDS) -> Leased | None:
        """The image that a reader should look at now; the same one until it is answered.

        Args:
            reader: Who asks.
            lease_seconds: How long nobody else will be given it.

        Returns:
            None if there is nothing left for them, or others have the rest in hand.

        Raises:
            LedgerError: If the reader was not admitted.
        """
        return next(iter(self.lease(reader, count=1, lease_seconds=lease_seconds)), None)

    def lease(
        self, reader: str, *, count: int, lease_seconds: float = LEASE_SECONDS
    ) -> list[Leased]:
        """The next images of a reader, for a page that fetches ahead; the first is the current.

        Those that the reader holds already come again, in the order of the queue, with a new
        lease.
        """
        with self.database.writing(durable=False) as connection:
            acts.check_reader(connection, reader)
            return leasing.lease(connection, reader, count, lease_seconds)

    def renew(self, reader: str, *, lease_seconds: float = LEASE_SECONDS) -> list[str]:
        """Hold on to what a reader has in hand, for a page that is still open.

        Returns:
            The images that are still theirs; one that ran out and went to somebody else is not.
        """
        with self.database.writing(durable=False) as connection:
            acts.check_reader(connection, reader)
            return leasing.renew(connection, reader, lease_seconds)

    def release(self, reader: str, image_ids: Sequence[str] | None = None) -> None:
        """Give images back, so that others need not wait; all in hand, in any role, where None."""
        with self.database.writing(durable=False) as connection:
            _roles(connection, reader, None)
            leasing.release(connection, reader, image_ids)

    # --- what readers say ----------------------------------------------------------------

    def answer(
        self,
        reader: str,
        image_id: str,
        label: str | Sequence[str],
        *,
        seconds: float | None = None,
        request: str | None = None,
        model: str | None = None,
    ) -> Event:
        """Record an answer; it is on the disk when this returns.

        A second answer of the same reader about the same image is a correction.

        Args:
            reader: Who answers.
            image_id: An image in the reader's hands, or one that they have answered before.
            label: The class; of independent classes all that hold, perhaps none.
            seconds: How long the reader took.
            request: The client's name for this act, unique for the reader. A repeated one
                returns the event that it made, and makes no other. Made up where None.
            model: Which model's view was shown; the one that the image was queued with where None.

        Raises:
            UnknownNameError: If the class or the image is not of the campaign.
            LeaseError: If the image is not in the reader's hands.
            LedgerError: If the reader was not admitted, or the request meant something else.
        """
        labels = self.campaign.labels(label)
        return self._read(reader, "answer", image_id, labels, seconds, request, model)

    def unsure(
        self,
        reader: str,
        image_id: str,
        *,
        seconds: float | None = None,
        request: str | None = None,
        model: str | None = None,
    ) -> Event:
        """Record that a reader looked and cannot tell; counts as a reading without a label."""
        return self._read(reader, "unsure", image_id, None, seconds, request, model)

    def skip(
        self,
        reader: str,
        image_id: str,
        *,
        seconds: float | None = None,
        request: str | None = None,
        model: str | None = None,
    ) -> Event:
        """Record that a reader leaves an image to others; it is not given to them again."""
        return self._read(reader, "skip", image_id, None, seconds, request, model)

    def _read(
        self,
        reader: str,
        act: Act,
        image_id: str,
        labels: tuple[str, ...] | None,
        seconds: float | None,
        request: str | None,
        model: str | None,
    ) -> Event:
        given = Given(reader, act, image_id, labels, seconds, request or _new_request(), model)
        with self.database.writing() as connection:
            acts.check_reader(connection, reader)
            before = acts.repeated(connection, given)
            return before or acts.read(connection, self.campaign, given)

    def undo(
        self,
        reader: str,
        *,
        role: Role | None = None,
        request: str | None = None,
        lease_seconds: float = LEASE_SECONDS,
    ) -> Event | None:
        """Take back the last act of a person that still holds, and the one before when repeated.

        What held before holds again. If the image is to be read again it is in the reader's
        hands, and `next` gives it, unless somebody else has been given it meanwhile.

        Args:
            reader: Whose.
            role: "reader" takes back what they read, "adjudicator" what they settled; None what
                they did last in any role of theirs.
            request: As of `answer`.
            lease_seconds: How long nobody else will be given the image.

        Returns:
            The event of the undo, with its image; None if there is nothing to take back.
        """
        given = Given(reader, "undo", "", None, None, request or _new_request(), None)
        with self.database.writing() as connection:
            roles = _roles(connection, reader, role)
            before = acts.repeated(connection, given)
            if before is not None:
                return before
            done = acts.undo(connection, self.campaign, given, roles)
            if done is not None:
                position = acts.find(connection, done.image_id).position
                leasing.take_back(connection, reader, position, lease_seconds)
            return done

    def adjudicate(
        self,
        reader: str,
        image_id: str,
        label: str | Sequence[str],
        *,
        seconds: float | None = None,
        request: str | None = None,
        model: str | None = None,
        overrule: bool = True,
    ) -> Event:
        """Settle an image that its readers do not; a second ruling takes the place of the first.

        Args:
            reader: Who settles it.
            image_id: Which.
            label: As of `answer`.
            seconds: As of `answer`.
            request: As of `answer`.
            model: As of `answer`.
            overrule: Whether the ruling of another adjudicator may be replaced.

        Raises:
            LedgerError: If the person is no adjudicator, the readers have settled the image or
                still can, or another adjudicator has and may not be overruled.
        """
        labels = self.campaign.labels(label)
        given = Given(
            reader, "adjudication", image_id, labels, seconds, request or _new_request(), model
        )
        with self.database.writing() as connection:
            acts.check_reader(connection, reader, "adjudicator")
            before = acts.repeated(connection, given)
            return before or acts.rule(connection, self.campaign, given, overrule=overrule)

    # --- what holds ----------------------------------------------------------------------

    def events(self, since: int = 0) -> Iterator[Event]:
        """All events with a higher number than `since`, oldest first."""
        while True:
            with self.database.reading() as connection:
                rows = connection.execute(
                    select(events)
                    .where(events.c.number > since)
                    .order_by(events.c.number)
                    .limit(AT_ONCE)
                ).all()
            yield from map(acts.event, rows)
            if len(rows) < AT_ONCE:
                return
            since = rows[-1].number

    def readings(self, image_id: str | None = None) -> list[Reading]:
        """What every reader says as of now, about one image or about all."""
        with self.database.reading() as connection:
            if image_id is not None:
                return readings_of(connection, image_id)
            ordered = select(readings).order_by(readings.c.image_id, readings.c.reader)
            return [reading(row) for row in connection.execute(ordered)]

    def done_about(self, reader: str, image_id: str) -> tuple[Act, ...]:
        """All that one person ever did about an image, what was taken back as well, oldest first."""
        done = select(events.c.act).where(events.c.image_id == image_id, events.c.reader == reader)
        with self.database.reading() as connection:
            return tuple(connection.execute(done.order_by(events.c.number)).scalars())

    def history(self, reader: str, *, count: int, before: int | None = None) -> list[Reading]:
        """What one reader says as of now, the latest first.

        Args:
            reader: Whose.
            count: At most so many.
            before: Only what an earlier event than this one says, to go on where a list ended.
        """
        latest = select(readings).where(readings.c.reader == reader)
        if before is not None:
            latest = latest.where(readings.c.event < before)
        with self.database.reading() as connection:
            rows = connection.execute(latest.order_by(readings.c.event.desc()).limit(count)).all()
        return [reading(row) for row in rows]

    def unswayed(self, reader: str) -> list[tuple[Reading, Mapping[str, float]]]:
        """What a reader answered before any model's view was shown, and what the model says.

        Of images that no model was asked about, and of answers given after its view was shown,
        nothing is told.
        """
        answered = (
            select(readings, items.c.probabilities)
            .join(items, items.c.image_id == readings.c.image_id)
            .join(events, events.c.number == readings.c.event)
            .where(readings.c.reader == reader, readings.c.labels.is_not(None))
            .where(events.c.model == "", items.c.probabilities.is_not(None))
            .order_by(items.c.position)
        )
        with self.database.reading() as connection:
            rows = connection.execute(answered).all()
        return [(reading(row), json.loads(row.probabilities)) for row in rows]

    def labels(self) -> pl.DataFrame:
        """What holds as of now, a row per queued image, in the order of the queue.

        Returns:
            `image_id`; `batch`; `status` (agreed, majority, adjudicated: settled; disputed,
            unsure, skipped: for an adjudicator; open); and the label, null unless settled:
            `label` of exclusive classes, or a column of 1 and 0 for each independent class.
        """
        from medgraft.ledger.tables import labels

        with self.database.reading() as connection:
            rows = connection.execute(
                select(items.c.image_id, items.c.batch, standings.c.status, standings.c.labels)
                .join_from(items, standings)
                .order_by(items.c.position)
            ).all()
        return labels(self.campaign, [tuple(row) for row in rows])

    def lease_disputes(
        self, adjudicator: str, *, count: int, lease_seconds: float = LEASE_SECONDS
    ) -> list[Dispute]:
        """The next images that an adjudicator should settle, which no other one has in hand.

        Those that they hold already come again, with a new lease. Readers may still correct what
        they said: an image that is disputed no more is in nobody's hands.

        Raises:
            LedgerError: If the person was not admitted as adjudicator.
        """
        with self.database.writing(durable=False) as connection:
            acts.check_reader(connection, adjudicator, "adjudicator")
            theirs = leasing.lease_disputes(connection, adjudicator, count, lease_seconds)
        return self._disputes(items.c.image_id.in_(theirs)) if theirs else []

    def disputes(self, *, count: int | None = None) -> list[Dispute]:
        """Images that wait for an adjudicator, in the order of the queue, in hand or not.

        Args:
            count: At most so many; all where None. `Progress.disputes` says how many there are.
        """
        return self._disputes(true(), count)

    def _disputes(self, those: ColumnElement[bool], count: int | None = None) -> list[Dispute]:
        wanted = (
            select(items.c.image_id, items.c.batch, standings.c.status)
            .join_from(items, standings)
            .where(standings.c.status.in_(DISPUTED), those)
            .order_by(items.c.position)
            .limit(count)
        )
        here = wanted.subquery()
        said: dict[str, list[Reading]] = {}
        with self.database.reading() as connection:
            rows = connection.execute(wanted).all()
            told = select(readings).join(here, here.c.image_id == readings.c.image_id)
            for row in connection.execute(told.order_by(readings.c.event)):
                said.setdefault(row.image_id, []).append(reading(row))
        return [Dispute(*row, tuple(said.get(row.image_id, ()))) for row in rows]

    def agreement(
        self,
        *,
        patients: Mapping[str, str] | None = None,
        replicates: int = 1000,
        seed: int = 0,
    ) -> Agreement:
        """How far readers agree beyond chance: Cohen's kappa by pair, Fleiss' of all.

        By what they say as of now, images about which one was unsure left out.

        Args:
            patients: Whose image each queued one is, so that intervals draw patients; None draws
                images, which makes intervals too narrow where a patient has several.
            replicates: Of the bootstrap.
            seed: Of the bootstrap.
        """
        from medgraft.ledger.agreement import agreement

        return agreement(
            self.campaign, self.readings(), patients=patients, replicates=replicates, seed=seed
        )

    def export_csv(self, path: Path, *, about: About | None = None) -> int:
        """Write what every reader says as of now, as `import_csv` reads it; how many rows.

        Args:
            path: File to write.
            about: Columns for people, such as where each image lies.
        """
        with self.database.reading() as connection:
            rows = connection.execute(
                select(readings, events.c.seconds, events.c.model, events.c.request)
                .join(events, events.c.number == readings.c.event)
                .order_by(readings.c.event)
            ).all()
        sheet = [
            {**_told(row.image_id, about), **row._mapping, "label": reading(row).labels}
            for row in rows
        ]
        write_sheet(path, sheet, tuple(about or ()))
        return len(sheet)

    def export_sheet(self, path: Path, reader: str, *, about: About | None = None) -> int:
        """Write the images that a reader may still read, with empty labels; how many rows.

        They stand in the order of the queue, in which the images of a group follow each other.
        """
        with self.database.reading() as connection:
            acts.check_reader(connection, reader)
            ids = connection.scalars(
                select(items.c.image_id)
                .join(waiting, waiting.c.position == items.c.position)
                .where(waiting.c.reader == reader)
                .order_by(items.c.position)
            ).all()
        sheet = [{**_told(one, about), "image_id": one, "reader": reader} for one in ids]
        write_sheet(path, sheet, tuple(about or ()))
        return len(sheet)

    def import_csv(
        self, path: Path, *, reader: str | None = None, correct: bool = False
    ) -> Imported:
        """Record what was read elsewhere; to import the same file again does nothing.

        Args:
            path: A sheet, see `medgraft.ledger.sheet`.
            reader: Who read, where the sheet does not say.
            correct: Whether the sheet corrects what its readers said before. Otherwise such
                rows are conflicts, and not taken.

        Returns:
            What was added and what was not, and why; the rest is on the disk.

        Raises:
            TableError: If a row is wrong in itself; then nothing is taken.
        """
        lines = read_sheet(path, self.campaign, reader)
        with self.database.writing() as connection:
            return take(connection, self.campaign, lines, correct=correct)

    def progress(self) -> Progress:
        """How far the campaign has come."""
        with self.database.reading() as connection:
            found = counts(connection)
            everybody = sorted(names(connection, "reader"))

        def images(*statuses: str) -> int:
            return sum(found.get(("status", name), 0) for name in statuses)

        def of_readers(what: str) -> dict[str, int]:
            return {name: found.get((what, name), 0) for name in everybody}

        return Progress(
            images=sum(number for (what, _), number in found.items() if what == "status"),
            settled=images(*SETTLED),
            disputed=images("disputed"),
            unsure=images("unsure"),
            skipped=images("skipped"),
            open=images("open"),
            read=of_readers("read"),
            passed=of_readers("skip"),
            waiting=of_readers("waiting"),
        )

    def pace(self) -> dict[str, float]:
        """Median seconds of an answer, by reader; those whose answers nobody timed are left out."""
        timed = select(events.c.reader, events.c.seconds).where(
            events.c.act == "answer", events.c.seconds.is_not(None)
        )
        seconds: dict[str, list[float]] = {}
        with self.database.reading() as connection:
            for row in connection.execute(timed):
                seconds.setdefault(row.reader, []).append(row.seconds)
        return {name: median(found) for name, found in sorted(seconds.items())}

    def close(self) -> None:
        """Close all connections."""
        self.database.close()

    def check_index(self, sha256: str) -> None:
        """Refuse an index that is not that of the campaign.

        Raises:
            TableError: If the hashes differ.
        """
        if sha256 != self.campaign.index_sha256:
            raise TableError(
                f"the ledger {self.database.name} must be of this index, but it is of another"
                f" campaign, {self.campaign.name!r}. Open it with the index it began with."
            )


def _item(one: Queued, batch: int, position: int) -> Mapping[str, object]:
    try:
        why = json.dumps(dict(one.why), allow_nan=False)
        probabilities = (
            None
            if one.probabilities is None
            else json.dumps(dict(one.probabilities), allow_nan=False)
        )
    except (TypeError, ValueError) as error:
        raise ArgumentError(
            f"what is said of an image must be JSON with finite numbers; of {one.image_id!r}"
            f" it is not: {error}."
        ) from error
    return {
        "position": position,
        "image_id": one.image_id,
        "batch": batch,
        "rank": one.rank,
        "why": why,
        "probabilities": probabilities,
        "model": one.model,
    }


def _told(image_id: str, about: About | None) -> dict[str, str | None]:
    return {name: cells.get(image_id) for name, cells in (about or {}).items()}


def _roles(connection: Connection, name: str, role: Role | None) -> list[str]:
    """The role that was asked for, or all of somebody's, if they were admitted."""
    found = [one for one in acts.UNDOABLE if name in names(connection, one)]
    if role is None and found:
        return found
    acts.check_reader(connection, name, role or "reader")
    return [role or "reader"]


def _new_request() -> str:
    return secrets.token_hex(8)
