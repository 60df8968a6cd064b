"""What still stages make of the images is computed once, kept in files, and only the rest trained.

A stage that neither learns nor moves makes the same maps of the same image in every epoch. They
are computed for a few augmented views of each training image, and once for each validation image:
view v is what epoch v would have seen, bit for bit, so that a run with as many views as epochs is
the run that keeps nothing.
"""

from __future__ import annotations

import math
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from medgraft.errors import ArgumentError, OutputError
from medgraft.files import replacing
from medgraft.progress import Bar, bar
from medgraft.train.batches import Batches
from medgraft.train.supervised import Predictor, Rows, portions

VIEWS = 4  # of each image, where augmentations are drawn and the recipe is silent
SHARE = 4  # at most a quarter of the free disk is taken without being asked


@dataclass(frozen=True)
class Layout:
    """How the maps of one image lie in a file.

    Attributes:
        shape: Of one image: channels first, then space, if any is left.
        dtype: As the network computed them.
        channels_last: Whether the channels of a pixel lie together.
    """

    shape: tuple[int, ...]
    dtype: torch.dtype
    channels_last: bool

    @classmethod
    def of(cls, maps: Tensor) -> Layout:
        """The layout of a batch of maps."""
        last = maps.ndim == 4 and maps.is_contiguous(memory_format=torch.channels_last)
        return cls(tuple(maps.shape[1:]), maps.dtype, last and not maps.is_contiguous())

    @property
    def numbers(self) -> int:
        """Numbers per image."""
        return math.prod(self.shape)

    @property
    def bytes(self) -> int:
        """Bytes per image."""
        return self.numbers * self.dtype.itemsize

    def flat(self, maps: Tensor) -> Tensor:
        """Maps (B, C, *S) as rows in the order of the file."""
        return (maps.permute(0, 2, 3, 1) if self.channels_last else maps).flatten(1)

    def unflat(self, rows: Tensor) -> Tensor:
        """Rows of the file as maps (B, C, *S)."""
        if not self.channels_last:
            return rows.view(-1, *self.shape)
        channels, height, width = self.shape
        return rows.view(-1, height, width, channels).permute(0, 3, 1, 2)


@dataclass(frozen=True)
class Maps:
    """Maps of some images in a file that is mapped into memory.

    Attributes:
        table: A row per image.
        targets: Shape (N, K), NaN where unknown; mixed where the augmentation mixes labels.
        layout: Of a row.
        device: Where they are wanted.
        seconds: What it took to compute them.
    """

    table: Tensor
    targets: Tensor
    layout: Layout
    device: torch.device
    seconds: float

    def take(self, places: np.ndarray | slice) -> Tensor:
        """A copy of the maps of those images, (B, C, *S), on the device."""
        rows = np.arange(len(self.table))[places]
        chosen = self.table.index_select(0, torch.from_numpy(rows))
        return self.layout.unflat(chosen.to(self.device, non_blocking=True))


@dataclass(frozen=True)
class KeptViews:
    """Views of the training images: epoch e sees view e modulo their number."""

    views: tuple[Maps, ...]

    def take(self, places: np.ndarray, epoch: int) -> tuple[Tensor, Tensor]:
        """Maps and targets of those images in an epoch."""
        view = self.views[epoch % len(self.views)]
        return view.take(places), view.targets[torch.from_numpy(places)].to(view.device)


@dataclass(frozen=True)
class Prefix:
    """The maps that were kept for a phase, and what that cost.

    Attributes:
        stage: The last still stage.
        training: Views of the training images.
        held_out: Maps of the validation images; None if there are none.
        bytes: On the disk.
    """

    stage: str
    training: KeptViews
    held_out: Maps | None
    bytes: int

    def report(self, epochs: int) -> dict[str, float | int | str]:
        """What was kept and what it saved in a phase of so many epochs."""
        views = len(self.training.views)
        once = sum(view.seconds for view in self.training.views)
        held_out = self.held_out.seconds if self.held_out else 0.0
        saved = max(0, epochs - views) * once / views + max(0, epochs - 1) * held_out
        return {
            "through": self.stage,
            "views": views,
            "gib": round(self.bytes / 2**30, 3),
            "seconds": round(once + held_out, 2),
            "seconds_saved": round(saved, 2),
        }


def sentence(report: dict[str, float | int | str]) -> str:
    """What a reader of the report should know of it.

    Examples:
        >>> sentence({"through": "layer3", "views": 4, "gib": 0.5, "seconds": 20.0,
        ...           "seconds_saved": 31.2})
        'The stages through layer3 were still: what they make of 4 views of each training image was computed once (20 s, 0.5 GiB) and not in every epoch, which saved about 31 s.'
    """
    count = f"{report['views']} views" if report["views"] != 1 else "one view"
    return (
        f"The stages through {report['through']} were still: what they make of {count} of each"
        f" training image was computed once ({report['seconds']:.0f} s, {report['gib']} GiB) and"
        f" not in every epoch, which saved about {report['seconds_saved']:.0f} s."
    )


def keep_prefix(
    predictor: Predictor,
    batches: Batches,
    held_out: Rows | None,
    *,
    views: int | None,
    epochs: int,
    folder: Path,
) -> Prefix | None:
    """Compute what the still stages make of the images, unless it does not pay.

    Args:
        predictor: The network, frozen for the phase.
        batches: The training images, augmented.
        held_out: The validation images, if any.
        views: Of each training image; 0 keeps none, None takes as many as pay and fit.
        epochs: Of the phase.
        folder: Where the files go; views that are there already are not computed again.

    Returns:
        None if no stage is still, if it saves nothing, or if it would fill the disk.

    Raises:
        OutputError: If so many views were asked for and the disk cannot hold them.
        ArgumentError: If views were asked for and there are several processes.
    """
    size = _size_of(predictor, batches, held_out, views=views, epochs=epochs)
    if size is None or not _fits(size.bytes, folder, asked=views):
        return None
    shown = bar(total=size.images, what=f"maps of {size.stage}")
    keep = partial(_maps, layout=size.layout, device=predictor.placement.device, shown=shown)
    try:
        kept = tuple(
            keep(folder / f"view-{view}", _seen(predictor, batches, view), batches.targets)
            for view in range(size.views)
        )
        validation = None
        if held_out:
            seen = _held_out(predictor, held_out)
            validation = keep(folder / "held-out", seen, held_out.targets)
    finally:
        shown.close()
    return Prefix(size.stage, KeptViews(kept), validation, size.bytes)


def check_room(
    predictor: Predictor,
    batches: Batches,
    held_out: Rows | None,
    *,
    views: int | None,
    epochs: int,
    folder: Path,
) -> None:
    """Find out before a run has begun whether `keep_prefix` would refuse.

    Raises:
        OutputError: If so many views were asked for and the disk cannot hold them.
        ArgumentError: If views were asked for and there are several processes.
    """
    size = _size_of(predictor, batches, held_out, views=views, epochs=epochs)
    if size is not None:
        _fits(size.bytes, folder, asked=views)


@dataclass(frozen=True)
class _Size:
    """What would be kept."""

    stage: str
    views: int
    images: int
    layout: Layout

    @property
    def bytes(self) -> int:
        return self.images * self.layout.bytes


def _size_of(
    predictor: Predictor,
    batches: Batches,
    held_out: Rows | None,
    *,
    views: int | None,
    epochs: int,
) -> _Size | None:
    """None if no stage is still, if it saves nothing, or of several processes: each sees a share."""
    stage = predictor.network.still_through
    count = _count(views, epochs, drawn=batches.augmenter is not None)
    if stage is None or not count:
        return None
    if (world := predictor.processes.world) > 1:
        if views is None:
            return None
        raise ArgumentError(
            f"--kept-views needs a single process, got {world}. Start one, or pass --kept-views 0."
        )
    images = count * len(batches.rows) + (len(held_out.rows) if held_out else 0)
    return _Size(stage, count, images, _layout(predictor, batches))


def _count(views: int | None, epochs: int, *, drawn: bool) -> int:
    """How many views to keep; none where that saves nothing.

    Examples:
        >>> [_count(None, epochs, drawn=True) for epochs in (4, 5)]
        [0, 4]
        >>> [_count(9, 6, drawn=drawn) for drawn in (True, False)]  # undrawn, all are the same
        [6, 1]
    """
    if views is not None:
        return min(views, epochs if drawn else 1)
    count = VIEWS if drawn else 1
    return count if epochs > count else 0


def _fits(needed: int, folder: Path, *, asked: int | None) -> bool:
    place = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(place).free + _taken(folder)
    if asked is None:
        return needed <= free // SHARE
    if needed > free:
        raise OutputError(
            f"--kept-views must fit on the disk: {asked} views need {needed / 2**30:,.1f} GiB in"
            f" '{place}', but only {free / 2**30:,.1f} GiB are free. Ask for fewer views, or for 0."
        )
    return True


def _taken(folder: Path) -> int:
    """Bytes of the maps that an earlier attempt at this run left in a folder, or below it."""
    return sum(path.stat().st_size for path in folder.rglob("*.maps"))


def _layout(predictor: Predictor, batches: Batches) -> Layout:
    """By running two images, black ones."""
    images = np.zeros_like(batches.store.gather(batches.rows[:1])).repeat(2, axis=0)
    with torch.no_grad():
        return Layout.of(_through(predictor, predictor.placement.images(images, 1)))


def _through(predictor: Predictor, images: Tensor) -> Tensor:
    with torch.autocast(images.device.type, dtype=torch.bfloat16, enabled=predictor.autocast):
        return predictor.network.prefix(predictor.normalise(images))


Portion = tuple[np.ndarray | slice, Tensor, Tensor | None]


def _seen(predictor: Predictor, batches: Batches, epoch: int) -> Iterator[Portion]:
    """Places, maps and targets of the batches of an epoch."""
    for batch in batches.epoch(epoch):
        yield batch.places, _through(predictor, batch.images), batch.targets


def _held_out(predictor: Predictor, rows: Rows) -> Iterator[Portion]:
    placement = predictor.placement
    for chosen in portions(rows.store, rows.rows):
        images = placement.images(rows.store.gather(rows.rows[chosen]), rows.store.scale)
        yield chosen, _through(predictor, images), None


def _maps(
    path: Path,
    portions: Iterator[Portion],
    targets: np.ndarray,
    layout: Layout,
    device: torch.device,
    shown: Bar,
) -> Maps:
    """The maps in a file: computed, unless an earlier attempt at this run finished that file."""
    known = path.with_suffix(".safetensors")  # written last: where it lies, the maps are whole
    maps, count = path.with_suffix(".maps"), len(targets)
    if known.is_file():
        shown.update(count)
    else:
        began = time.monotonic()
        truth = torch.from_numpy(targets).clone()
        with replacing(maps) as temporary:
            table = _mapped(temporary, count, layout, write=True)
            with torch.no_grad():
                for places, found, mixed in portions:
                    table[places] = layout.flat(found).cpu()
                    if mixed is not None:
                        truth[places] = mixed.cpu()
                    shown.update(len(found))
        seconds = time.monotonic() - began
        with replacing(known) as temporary:
            save_file({"targets": truth}, str(temporary), metadata={"seconds": str(seconds)})
    with safe_open(str(known), "pt") as file:
        truth, notes = file.get_tensor("targets"), file.metadata()
    table = _mapped(maps, count, layout, write=False)
    return Maps(table, truth, layout, device, float(notes["seconds"]))


def _mapped(path: Path, count: int, layout: Layout, *, write: bool) -> Tensor:
    """A table of `count` rows in a file; its bytes are taken from the disk before it is mapped."""
    numbers = count * layout.numbers
    if write:
        with path.open("r+b") as handle:
            os.posix_fallocate(handle.fileno(), 0, numbers * layout.dtype.itemsize)
    table = torch.from_file(str(path), shared=write, size=numbers, dtype=layout.dtype)
    return table.view(count, layout.numbers)
