"""A folder of images beside a folder of masks with the same names."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import polars as pl

from medgraft.errors import TableError
from medgraft.index.layouts import Asked, Found, csv, layout
from medgraft.index.layouts.folders import MASKS, PICTURES
from medgraft.index.parts import part_of
from medgraft.index.paths import IMAGES, Reject, Walk, subfolders, suffix, walk

CHANNEL = re.compile(r"_(\d{4})$")  # nnU-Net: case_0000 is the first channel of a case
ENDINGS = re.compile(r"[_-](mask|masks|seg|segmentation|label|labels|gt)$", re.IGNORECASE)

Key = tuple[str, str]  # the folder without the word for images or masks, and the name


def recognise(source: Path) -> str | None:
    """Folders of images and of masks lie side by side, and no table names the images."""
    if not source.is_dir():
        return None
    folders = {f.name.lower(): f for f in subfolders(source)}
    images = [f for name, f in folders.items() if name in PICTURES]
    masks = [f for name, f in folders.items() if name in MASKS]
    for one in images:
        known = {_stem(name, CHANNEL) for name in _files(one)}
        for other in masks:
            stems = (_stem(name, how) for name in _files(other) for how in (None, ENDINGS))
            if not known.isdisjoint(stems):
                why = f"{one.name} and {other.name} hold files of the same names"
                return csv.unless_listed(source, why)
    return None


def _files(folder: Path) -> Iterator[str]:
    with os.scandir(folder) as entries:
        yield from (entry.name for entry in entries if entry.is_file())


@layout(
    "image_mask",
    recognise=recognise,
    source="images/ beside masks/ with the same names; imagesTr and labelsTr of nnU-Net",
)
def image_mask(source: Path, asked: Asked) -> Found:  # noqa: ARG001 (takes no options)
    """Images paired with masks by folder and name; an image without a mask is unlabelled.

    Any folder called ``images`` (or a word for it) is paired with one called ``masks`` or
    ``labels`` (or a word for it) in the same place. A mask may end in ``_mask``, ``_seg`` or
    ``_label``, an image in nnU-Net's ``_0000``; further channels of a case are rejects. The
    part that a folder is named for (``train/images``, ``imagesTr``) stands in `orig_split`.
    """
    seen = walk(source)
    images, masks, rejects = _sorted(seen)
    if not images or not masks:
        what = "images" if not images else "masks"
        words = PICTURES if not images else MASKS
        raise TableError(
            f"'{source}' must hold a folder of images beside a folder of masks, and has none of"
            f" {what}: looked for {', '.join(sorted(words))}. Rename it, or use a table (--mask)."
        )
    rows = [(path, masks.pop(key, None), _part(path)) for key, path in sorted(images.items())]
    rejects += [
        Reject(path, "no image goes with this mask", "Add the image, or rename one of them.")
        for path in masks.values()
    ]
    if not any(mask for _, mask, _ in rows):
        raise TableError(
            f"'{source}' must hold masks with the names of images, and of {len(rows)} images none"
            f" has one. The first: {rows[0][0]!r}; {rejects[-1].path!r}. Rename them alike."
        )
    schema = {"path": pl.String, "mask_path": pl.String, "orig_split": pl.String}
    frame = pl.DataFrame(rows, schema=schema, orient="row")
    parts = frame["orig_split"].count() > 0
    other = seen.ignored
    notes = [f"{len(other)} files are no images, such as {other[0]}"] if other else []
    return Found(
        frame if parts else frame.drop("orig_split"),
        source,
        rejects=rejects,
        notes=notes,
    )


def _sorted(seen: Walk) -> tuple[dict[Key, str], dict[Key, str], list[Reject]]:
    """Images and masks by what pairs them; what is neither, or a second one, is a reject."""
    images: dict[Key, str] = {}
    masks: dict[Key, str] = {}
    rejects = list(seen.rejects)
    for path in sorted(seen.files, key=_is_mask):  # images first
        words = _folders(path)
        place = _place(words)
        if place is None:
            rejects.append(
                Reject(path, "it lies in no folder of images or masks", "Move it into one.")
            )
            continue
        is_mask = words[place] in MASKS
        kept, pattern = (masks, ENDINGS) if is_mask else (images, CHANNEL)
        folder = "/".join([*words[:place], _tail(words[place]), *words[place + 1 :]])
        name = path.rpartition("/")[2]
        key = (folder, _stem(name))
        if not is_mask or key not in images:  # an image may itself be called scan_label
            key = (folder, _stem(name, pattern))
        if key in kept:
            rejects.append(
                Reject(
                    path,
                    f"'{kept[key]}' stands for the same case",
                    "Join the channels of a case in one file, or rename one of them.",
                )
            )
        else:
            kept[key] = path
    return images, masks, rejects


def _folders(path: str) -> list[str]:
    return [name.lower() for name in path.split("/")[:-1]]


def _place(folders: list[str]) -> int | None:
    """Which of the folders is called a word for images or for masks; the outermost decides."""
    return next((k for k, name in enumerate(folders) if name in PICTURES | MASKS), None)


def _is_mask(path: str) -> bool:
    folders = _folders(path)
    place = _place(folders)
    return place is not None and folders[place] in MASKS


def _tail(word: str) -> str:
    """The part that nnU-Net writes behind the word: ``tr`` of ``imagestr``."""
    return word[-2:] if word.endswith(("str", "sts")) else ""


def _stem(name: str, pattern: re.Pattern[str] | None = None) -> str:
    """The name of a case: without its suffix and, if there is a pattern, what it finds.

    Examples:
        >>> _stem("case_1_0000.nii.gz", CHANNEL), _stem("a.v2_mask.PNG", ENDINGS)
        ('case_1', 'a.v2')
    """
    ending = suffix(name)
    plain = name[: -len(ending)] if ending in IMAGES else PurePosixPath(name).stem
    return (pattern.sub("", plain) or plain) if pattern else plain


def _part(path: str) -> str | None:
    """The part that a folder above an image is named for."""
    for folder in path.split("/")[:-1]:
        part = part_of(folder) or (
            part_of(_tail(folder.lower())) if folder.lower() in PICTURES else None
        )
        if part:
            return part
    return None
