"""Train on the labels so far, choose what to label next, and queue it; resumable at any point."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from medgraft.active.acquisition import Score, acquisitions
from medgraft.active.campaign.labelled import labelled, why_not
from medgraft.active.campaign.looking import Group, Looked, Pool, look_with_run, look_with_weights
from medgraft.active.campaign.reasons import probabilities, reasons
from medgraft.active.campaign.settings import Open, opened
from medgraft.active.campaign.start import cold_start
from medgraft.active.campaign.stopping import budget
from medgraft.active.campaign.training import trained
from medgraft.active.candidates import Candidates, progress
from medgraft.active.continual import read_continual
from medgraft.active.folder import CampaignFolder, RoundFolder
from medgraft.active.trunk import Elsewhere
from medgraft.errors import CheckRefusedError, OutputError, TableError
from medgraft.files import read_json, replacing, write_json
from medgraft.index import Index
from medgraft.ledger import Queued
from medgraft.runs import RunFolder
from medgraft.seeds import generator
from medgraft.spec import build, write
from medgraft.train.record import now

LEARN, MEASURE = "learn", "measure"


@dataclass(frozen=True)
class Proposed:
    """A batch that was queued.

    Attributes:
        number: Of the batch.
        learn: Images that were chosen to learn from.
        measure: Images that were drawn to measure on.
        by: The acquisition that chose.
        run: The training; None where there was nothing to train on.
        notes: What the user must know.
    """

    number: int
    learn: int
    measure: int
    by: str
    run: RunFolder | None
    notes: tuple[str, ...]


def propose(
    path: Path,
    *,
    command: list[str],
    unfinished: bool = False,
    elsewhere: Elsewhere | None = None,
) -> Proposed:
    """Queue the next batch of a campaign.

    Each step is written down before the next one begins: the labels that are learnt from, the
    training, the choice, the queue. Whoever was interrupted calls it again, and it goes on where it was.

    Args:
        path: Folder of the campaign.
        command: How this was called, for the record of the training.
        unfinished: Go on although readers have not finished the batches before.
        elsewhere: Where the images of the pool pass the network, if not in this process.

    Raises:
        CheckRefusedError: If readers have not finished.
        TableError: If nothing is left to propose, or the campaign is not usable.
        OutputError: If another process proposes for this campaign.
        TrainingError: If training cannot go on.
    """
    with opened(path) as campaign, _alone(campaign.folder):
        number = _number(campaign)
        place = campaign.folder.round(number)
        if not place.proposal.is_file():
            if not place.path.is_dir() and not unfinished:
                _check_finished(campaign)
            write_json(place.proposal, _chosen(campaign, place, command, elsewhere))
        found = read_json(place.proposal)
        campaign.ledger.queue(number, [_queued(one) for one in found["images"]])
    roles = [one["role"] for one in found["images"]]
    return Proposed(
        number,
        roles.count(LEARN),
        roles.count(MEASURE),
        found["by"],
        place.run if found["model"] else None,
        tuple(found["notes"]),
    )


@contextmanager
def _alone(folder: CampaignFolder) -> Iterator[None]:
    """Hold the lock of a campaign; the system frees it even if this process is killed."""
    try:
        import fcntl
    except ImportError:  # not a POSIX system: the queue still takes a batch once
        yield
        return
    try:
        handle = folder.lock.open("w")
    except OSError as error:
        raise OutputError(
            f"'{folder.path}' must be writable: {error.strerror}. Copy the campaign elsewhere."
        ) from error
    with handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OutputError(
                f"one process at a time may propose, and another does so for '{folder.path}'."
                " Wait for it."
            ) from None
        yield


def _number(campaign: Open) -> int:
    """Of the round that was begun and not queued, or of the next one."""
    last = max((one.number for one in campaign.folder.rounds()), default=0)
    queued = max(campaign.ledger.batches(), default=0)
    return last if last > queued else queued + 1


def _check_finished(campaign: Open) -> None:
    found = campaign.ledger.progress()
    if found.open:
        raise CheckRefusedError(
            f"readers must finish a batch before the next one is chosen, and {found.open} of"
            f" {found.images} images still wait for one. Label them (`medgraft label"
            f" {campaign.folder.path}`), or pass --unfinished to go on without them."
        )


# --- what is chosen -------------------------------------------------------------------------


def _chosen(
    campaign: Open, place: RoundFolder, command: list[str], elsewhere: Elsewhere | None
) -> dict[str, Any]:
    """The proposal of a round, from its training on."""
    index = Index.load(campaign.folder.index)
    known = _labels(campaign, index, place)
    queued = set(campaign.ledger.labels()["image_id"])
    waiting = _ids(index.part("train").frame, without=queued | set(known.frame["image_id"]))
    if not waiting:
        raise TableError(
            f"no image is left to propose: all {index.part('train').frame['image_id'].n_unique()} of"
            " the train part are labelled or queued. `medgraft active export` writes the labels."
        )
    notes: list[str] = []
    reason = why_not(known)
    run = None
    if reason is None:
        run = trained(campaign, place, command, notes)
    elif place.number > 1:
        notes.append(f"No model was trained, since {reason}; chosen as at the start.")
    by, groups = _learn(campaign, index, known, waiting, run, place, notes, elsewhere)
    if place.number == 1:
        groups += _measure(campaign, index, queued | set(known.frame["image_id"]), notes)
        groups = _mixed(groups, campaign.settings.recipe.seed)
    model = f"rounds/{place.path.name}/run" if run else ""
    images = [one for group in groups for one in group]
    return {
        "number": place.number,
        "at": now(),
        "by": by,
        "model": model,
        "labels": _bought(known, campaign.settings.candidate),
        "notes": notes,
        "images": [{**one, "rank": rank, "model": model} for rank, one in enumerate(images)],
    }


def _bought(known: Index, column: str | None) -> int:
    """How many candidates of the train part have a label."""
    frame = known.part("train").frame.unique("image_id", keep="first", maintain_order=True)
    return len(Candidates.of(frame, np.arange(len(frame)), column))


def _labels(campaign: Open, index: Index, place: RoundFolder) -> Index:
    """What is labelled, as of the beginning of the round."""
    if not place.labelled.is_file():
        labelled(index, campaign.ledger.labels()).save(place.labelled)
    return Index.load(place.labelled)


def _ids(frame: pl.DataFrame, *, without: set[str]) -> list[str]:
    unique = frame["image_id"].unique(maintain_order=True)
    return [one for one in unique if one not in without]


def _learn(
    campaign: Open,
    index: Index,
    known: Index,
    waiting: Sequence[str],
    run: RunFolder | None,
    place: RoundFolder,
    notes: list[str],
    elsewhere: Elsewhere | None,
) -> tuple[str, list[list[dict[str, Any]]]]:
    """The acquisition with all its options, and the images of each candidate that it chose."""
    settings, recipe = campaign.settings, campaign.settings.recipe
    labels = _words(known.part("train"))
    pool = Pool(
        index,
        waiting,
        list(labels),
        settings.candidate,
        settings.views,
        seed=recipe.seed,
        kept=campaign.folder.kept,
        scratch=place.looks,
        elsewhere=elsewhere,
    )
    if run is not None:
        looked = look_with_run(run, pool, progress=_progress(campaign, known))
        _keep_answers(looked, place)
        text = settings.acquisition if read_continual(settings.continual).chosen else "random"
    else:
        looked = look_with_weights(recipe, pool, len(campaign.ledger.campaign.names))
        text = cold_start(settings, recipe)
    if looked.unreadable:
        notes.append(f"{looked.unreadable} images could not be prepared and were left out.")
    part = build(acquisitions, text)
    by = write(text.partition(":")[0], part)
    count = min(settings.batch, looked.evidence.candidates)
    chosen = part.select(
        looked.evidence, count, generator(recipe.seed, "choose", place.number)
    ).tolist()
    scores = part.scores(looked.evidence) if isinstance(part, Score) else None
    why = reasons(looked, chosen, by=text, scores=scores, labels=labels)
    found = [
        _group(looked.candidates[row], LEARN, one, probabilities(looked, row))
        for row, one in zip(chosen, why, strict=True)
    ]
    del looked  # whose arrays may lie there
    shutil.rmtree(place.looks, ignore_errors=True)
    return by, found


def _progress(campaign: Open, known: Index) -> float:
    """How far the budget is spent; 0 where there is none, and no acquisition that asks."""
    most = budget(campaign.settings.stop)
    spent = _bought(known, campaign.settings.candidate)
    return 0.0 if most is None else progress(spent, most, campaign.settings.batch)


def _keep_answers(looked: Looked, place: RoundFolder) -> None:
    """Write down what the model says of the candidates, to be compared with the next model."""
    names, said = looked.answers()
    columns = {f"p_{name}": said[:, k] for k, name in enumerate(looked.names)}
    with replacing(place.answers) as temporary:
        pl.DataFrame({"image_id": names, **columns}).write_parquet(temporary)


def _words(known: Index) -> dict[str, str]:
    """Each labelled image and what it is, in words."""
    if len(known.labels) == 1 and known.frame[known.labels[0]].dtype == pl.String:
        return dict(known.frame.select("image_id", known.labels[0]).iter_rows())
    return {
        row["image_id"]: " and ".join(n for n in known.labels if row[n] == 1) or "none"
        for row in known.frame.iter_rows(named=True)
    }


def _measure(
    campaign: Open, index: Index, taken: set[str], notes: list[str]
) -> list[list[dict[str, Any]]]:
    """Candidates drawn by chance, two of three from the test part, to measure every round on."""
    settings = campaign.settings
    wanted, rng = settings.measure, generator(settings.recipe.seed, "measure")
    test, val = (_groups(index.part(p).frame, taken, settings.candidate) for p in ("test", "val"))
    of_val = min(wanted // 3, len(val))
    shares = ((test, min(wanted - of_val, len(test))), (val, of_val))
    if sum(count for _, count in shares) < wanted:
        notes.append("The test and val parts have fewer images than are to be measured on.")
    why = {"chosen_by": "chance, to measure the model on"}
    return [
        _group(groups[number], MEASURE, why, [None] * len(groups[number]))
        for groups, count in shares
        for number in rng.permutation(len(groups))[:count]
    ]


def _group(
    names: Group, role: str, why: dict[str, Any], said: Sequence[dict[str, float] | None]
) -> list[dict[str, Any]]:
    """What is written down of the images of a candidate, which follow each other in the queue."""

    def reason(number: int) -> dict[str, Any]:
        told = {"image": f"{number} of {len(names)} that are labelled together"}
        return {**why, **(told if len(names) > 1 else {})}

    return [
        {"image_id": name, "role": role, "why": reason(number), "probabilities": one}
        for number, (name, one) in enumerate(zip(names, said, strict=True), 1)
    ]


def _groups(frame: pl.DataFrame, taken: set[str], column: str | None) -> list[Group]:
    """The images of each candidate of a part that nobody has been asked about."""
    once = frame.unique("image_id", keep="first", maintain_order=True)
    once = once.filter(~pl.col("image_id").is_in(taken))
    candidates = Candidates.of(once, np.arange(len(once)), column)
    return candidates.named(once["image_id"])


def _mixed(groups: list[list[dict[str, Any]]], seed: int) -> list[list[dict[str, Any]]]:
    """In an order of chance, so that a reader cannot tell which images measure."""
    return [groups[k] for k in generator(seed, "order").permutation(len(groups))]


def _queued(one: Mapping[str, Any]) -> Queued:
    keys = ("image_id", "rank", "why", "probabilities", "model")
    return Queued(**{key: one[key] for key in keys})
