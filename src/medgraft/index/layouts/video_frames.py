"""Frames of videos as pictures, such as colonoscopies: frames of one video stay together."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import polars as pl

from medgraft.errors import TableError
from medgraft.index.layouts import Asked, Found, csv, layout
from medgraft.index.layouts._published import count_note
from medgraft.index.layouts.folders import MASKS, PICTURES
from medgraft.index.parts import part_of
from medgraft.index.paths import IMAGES, Reject, peek, stem, suffix, walk

WORDS = "video|vid|clip|sequence|seq|case|colonoscopy|exam"
FOLDER = re.compile(rf"^(?:{WORDS})[ _.-]?\d[\w.-]*$", re.IGNORECASE)
FILE = re.compile(
    rf"^(?P<video>(?:{WORDS})[ _.-]?\w*?\d\w*?|[\w.-]+?)[ _.-](?:frame|frm)[ _.-]?(?P<frame>\d{{1,9}})$",
    re.IGNORECASE,
)
PLAIN = PICTURES | {"frames", "frame"}  # folders that are called so are no class
NUMBER = re.compile(r"(?P<frame>\d{1,9})$")
FEW = 3  # frames that must say so before a folder is taken for videos


class Frame(NamedTuple):
    """What the path of a frame says."""

    path: str
    video: str
    number: int
    label: str | None
    part: str | None


def recognise(source: Path) -> str | None:
    """Folders such as ``video_3`` hold numbered pictures, or names end in ``_frame_0012``."""
    found = [frame for path in peek(source) if suffix(path) in IMAGES and (frame := _frame(path))]
    if len(found) < FEW:
        return None
    why = f"{found[0].path} is frame {found[0].number} of {found[0].video}"
    return csv.unless_listed(source, why)


@layout(
    "video_frames",
    recognise=recognise,
    source="numbered pictures in a folder per video, or called video_3_frame_0012",
)
def video_frames(source: Path, asked: Asked) -> Found:  # noqa: ARG001 (takes no options)
    """Frames by video: the video is the `group` and, as nobody else is known, the patient.

    A video is a folder called as one (``video_3``, ``case07``, ``clip-12``), or what stands before
    ``_frame_0012`` in a name. A folder above or below it that is no part of a split and no word for
    images is the class, `label`; its number stands in `frame`. Neighbouring frames are nearly
    the same picture, so nothing but whole videos may be divided. A picture of which neither says
    the video is a reject, and so is a second one with the same number in the same video.
    """
    seen = walk(source)
    pictures = [path for path in seen.files if suffix(path) in IMAGES]
    masks = [path for path in pictures if {w.lower() for w in path.split("/")[:-1]} & MASKS]
    rejects, frames = list(seen.rejects), dict[tuple[str, int], Frame]()
    for path in sorted(set(pictures) - set(masks)):
        frame = _frame(path)
        if frame is None:
            reason = "neither its name nor a folder says of which video it is"
            rejects.append(Reject(path, reason, "Call its folder video_1, for example."))
        elif (other := frames.setdefault((frame.video, frame.number), frame)) is not frame:
            reason = f"'{other.path}' is the same frame of {frame.video}"
            rejects.append(Reject(path, reason, "Keep the one whose class is right."))
    if not frames:
        raise TableError(
            f"'{source}' must hold frames in a folder per video, such as video_1/0001.jpg, or called"
            " video_1_frame_0001.jpg, and holds none. Name the video in a table (--group)."
        )
    table = pl.DataFrame(
        [
            {
                "path": one.path,
                "patient_id": one.video,
                "group": one.video,
                "frame": one.number,
                "label": one.label,
                "orig_split": one.part,
            }
            for one in frames.values()
        ],
        schema_overrides={"label": pl.String, "orig_split": pl.String},
    ).sort("group", "frame")
    parts = table.group_by("group").agg(pl.col("orig_split").n_unique())["orig_split"]
    notes = [
        *count_note(table["group"].n_unique(), "videos; each is taken for a patient"),
        *count_note(len(masks), "pictures lie in folders of masks and are left out"),
        *count_note(int((parts > 1).sum()), "videos stand in several parts: do not use that split"),
    ]
    empty = [name for name in ("label", "orig_split") if table[name].count() == 0]
    labels = () if "label" in empty else ("label",)
    return Found(table.drop(empty), source, labels, rejects, notes)


def _frame(path: str) -> Frame | None:
    """What a path says; None if not of which video it is."""
    *folders, name = path.split("/")
    plain = stem(name)
    told, number = FILE.match(plain), NUMBER.search(plain)
    own = next((folder for folder in reversed(folders) if FOLDER.match(folder)), None)
    if number is None or (own is None and told is None):
        return None
    video = own or (told["video"] if told else "")
    words = [f for f in folders if f != own and f.lower() not in PLAIN]
    part = next(filter(None, map(part_of, words)), None)
    classes = [word for word in words if part_of(word) is None]
    return Frame(path, video, int(number["frame"]), classes[0] if classes else None, part)
