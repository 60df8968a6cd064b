"""Begin a campaign: an index without labels, a ledger, and how to choose."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import polars as pl

from medgraft.active.acquisition import Score, Selection, acquisitions
from medgraft.active.campaign.labelled import LABEL, known_labels
from medgraft.active.campaign.settings import Choosing, Settings, save_settings
from medgraft.active.campaign.stopping import budget
from medgraft.active.continual import read_continual
from medgraft.active.folder import CampaignFolder
from medgraft.active.stopping import stopping
from medgraft.augment import Augmenter
from medgraft.errors import ArgumentError, TableError
from medgraft.files import new_folder, sha256, write_text
from medgraft.index import Index
from medgraft.index.split import check_split, split
from medgraft.index.target import as_classes
from medgraft.ledger import Campaign, open_ledger
from medgraft.registry import unknown_name
from medgraft.spec import build
from medgraft.train.continuing import slower
from medgraft.train.recipe import Recipe
from medgraft.train.setup import check_choices


def start(
    index_path: Path,
    out: Path,
    question: Campaign,
    choosing: Choosing,
    recipe: Recipe,
    *,
    ledger: str | None = None,
) -> CampaignFolder:
    """Make the folder of a campaign; the images are not opened, and stay where they lie.

    Images are proposed from the train part of the index, and models judged on its test part;
    an index without a split is split by patient.

    Args:
        index_path: Written by `medgraft index`; needs no labels.
        out: New folder.
        question: What the readers are asked; the hash of the index is filled in.
        choosing: What decides which images are proposed.
        recipe: How models are trained.
        ledger: URL of a PostgreSQL database for the ledger; SQLite in the folder where None.

    Raises:
        OutputError: If `out` is in use, or the database holds a campaign already.
        ArgumentError, UnknownNameError: If an option is wrong.
        TableError, LeakageError: If the index is not usable.
    """
    _check(choosing, recipe)
    _check_url(ledger)
    index = _prepared(Index.load(index_path), question, choosing, recipe)
    folder = CampaignFolder(new_folder(out))
    index.save(folder.index)
    asked = replace(question, index_sha256=sha256(folder.index))
    made = open_ledger(folder.ledger if ledger is None else ledger, create=asked)
    made.close()
    if ledger is not None:
        write_text(folder.ledger_url, ledger + "\n")
    settings = Settings(**choosing.model_dump(), ledger=made.identity, recipe=recipe)
    save_settings(settings, folder.settings)
    return folder


def cold_start(choosing: Choosing, recipe: Recipe) -> str:
    """How to choose while there is no model: as told, or what the weights allow."""
    if choosing.cold is not None:
        return choosing.cold
    return "random" if recipe.weights == "none" else "typiclust"


def _check(choosing: Choosing, recipe: Recipe) -> None:
    if recipe.slices is not None:
        raise ArgumentError(
            f"a campaign looks at whole images and volumes, got slices {recipe.slices}. Leave"
            " --slices out, or choose a backbone for volumes."
        )
    if recipe.samples is not None:
        raise ArgumentError(
            f"a campaign learns from the labels of its readers alone, got samples {recipe.samples!r}. Leave --samples out."
        )
    check_choices(recipe)
    if build(acquisitions, choosing.acquisition).reads_progress and budget(choosing.stop) is None:
        raise ArgumentError(
            f"{choosing.acquisition} must know how many labels there will be, and --stop names no"
            " budget. Add one, such as --stop plateau budget:labels=400."
        )
    cold = build(acquisitions, cold_start(choosing, recipe))
    if not isinstance(cold, Selection):
        kind = "a score" if isinstance(cold, Score) else "none"
        raise ArgumentError(
            "cold must be a selection, which needs no model's answers, such as typiclust, core_set or"
            f" random; got {choosing.cold!r}, which is {kind}."
        )
    if cold.reads_features and recipe.weights == "none":
        raise ArgumentError(
            f"{choosing.cold} needs features that know something, got --weights none. Give weights"
            " (imagenet, a file, a run of `medgraft pretrain`), or --cold random."
        )
    if choosing.views > 1 and recipe.augment and Augmenter(recipe.augment).mixes:
        raise ArgumentError(
            "views of one image need augmentations that do not mix images, got"
            f" {', '.join(recipe.augment)}. Leave mixup out, or pass --views 1."
        )
    for text in choosing.stop:
        build(stopping, text)
    continual = read_continual(choosing.continual)
    if continual.start == "last":
        slower(recipe, continual.divide)  # refuses what does not go on learning
    for key in ("continues", "labels_per_class"):
        if getattr(recipe, key) is not None:
            raise ArgumentError(
                f"a campaign learns from the labels of its readers, so {key} must be left out,"
                f" got {getattr(recipe, key)!r}."
            )


def _check_url(ledger: str | None) -> None:
    from urllib.parse import urlsplit

    if ledger is None:
        return
    url = urlsplit(ledger)
    if not url.scheme.startswith("postgresql"):
        raise ArgumentError(
            f"--ledger must be the URL of a database, postgresql://user@host/database, got"
            f" {ledger!r}. Leave it out for a file in the campaign's folder."
        )
    if url.password is not None:
        raise ArgumentError(
            "--ledger must not hold a password, since it is written into the campaign's folder."
            " Put the password into ~/.pgpass or PGPASSWORD."
        )


def _prepared(index: Index, question: Campaign, choosing: Choosing, recipe: Recipe) -> Index:
    """The index with a split, and with label columns that hold what is to be known, or nothing."""
    labels = _known(index, question) if choosing.known else _blank(index, question)
    bare = replace(index, frame=index.frame.drop(index.labels), labels=())
    parted = index if choosing.known else bare  # what is not known does not guide the split
    if parted.frame["split"].is_null().all():
        parted = split(parted, test=recipe.test, val=recipe.val, seed=recipe.seed)
    check_split(parted)
    frame = bare.frame.with_columns(parted.frame["split"], *labels)
    made = replace(bare, frame=frame, labels=tuple(one.name for one in labels))
    _check_parts(made, choosing)
    return made


def _blank(index: Index, question: Campaign) -> list[pl.Series]:
    if question.kind == "exclusive":
        return [pl.Series(LABEL, [None] * len(index), dtype=pl.String)]
    return [pl.Series(name, [None] * len(index), dtype=pl.Int64) for name in question.names]


def _known(index: Index, question: Campaign) -> list[pl.Series]:
    """Labels of the index that are those of the campaign."""
    if question.kind == "independent":
        missing = [name for name in question.names if name not in index.labels]
        if missing:
            raise TableError(
                f"--known needs a label column for each class, and {', '.join(missing)} has none."
                f" There are: {', '.join(index.labels) or 'none'}."
            )
        columns = [index.frame[name] for name in question.names]
        return [one.replace({-1: None}).cast(pl.Int64) for one in columns]  # uncertain is unknown
    if len(index.labels) != 1:
        raise TableError(
            "--known needs an index with one label column that holds classes, got"
            f" {', '.join(index.labels) or 'none'}."
        )
    (column,) = index.labels
    said = as_classes(index.frame[column])
    for name in said.drop_nulls().unique().sort():
        if name not in question.names:
            raise unknown_name("class", name, question.names)
    return [said.alias(LABEL)]


def _check_parts(index: Index, choosing: Choosing) -> None:
    if choosing.candidate is not None and choosing.candidate not in index.frame.columns:
        raise unknown_name("column of the index", choosing.candidate, index.frame.columns)
    if index.part("train").frame.is_empty():
        raise TableError("the index must have images in its train part to propose, and has none.")
    test = index.part("test")
    if test.frame.is_empty():
        raise TableError("the index must have images in its test part to measure on, and has none.")
    if choosing.measure == 0 and known_labels(test).is_empty():
        raise TableError(
            "images of the test part must have labels, or be given some, to measure on: pass"
            " --known if the index has them, or --measure of 2 or more, got 0."
        )
