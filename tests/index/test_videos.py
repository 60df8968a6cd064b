"""Frames of videos: which video a path names, and what does not say so."""

import pytest

from medgraft.errors import TableError
from medgraft.index.build import build
from medgraft.index.layouts.video_frames import recognise


def built(root, picture, *paths):
    for number, path in enumerate(paths):
        picture(root / path, number)
    return build(root, layout="video_frames", workers=0)


@pytest.mark.parametrize(
    ("path", "video", "frame", "label"),
    [
        ("video_3/0012.png", "video_3", 12, None),
        ("Video 3/frames/img_0012.png", "Video 3", 12, None),
        ("polyp/clip-07/frame12.png", "clip-07", 12, "polyp"),
        ("case12/adenoma/5.png", "case12", 5, "adenoma"),
        ("polyp/04a78ef00c52_frame_5.png", "04a78ef00c52", 5, "polyp"),
        ("normal/video1_frm_0005.png", "video1", 5, "normal"),
        ("images/a/b/seq4/000005.png", "seq4", 5, "a"),
    ],
)
def test_a_path_names_video_frame_and_class(tmp_path, picture, path, video, frame, label):
    index = built(tmp_path, picture, path).index
    row = index.frame.row(0, named=True)
    assert (row["group"], row["patient_id"], row["frame"]) == (video, video, frame)
    assert row.get("label") == label
    assert index.labels == (("label",) if label else ())


def test_what_names_no_video_or_a_frame_twice_is_a_reject(tmp_path, picture):
    made = built(
        tmp_path,
        picture,
        "normal/video_1/1.png",
        "polyp/video_1/1.png",
        "polyp/video_1/overview.png",
        "polyp/IMG_7.png",
        "masks/video_1/1.png",
        "train/normal/video_2/1.png",
        "test/normal/video_2/2.png",
    )
    found = dict(zip(made.index.rejects["path"], made.index.rejects["reason"], strict=True))
    assert set(found) == {"polyp/video_1/1.png", "polyp/video_1/overview.png", "polyp/IMG_7.png"}
    assert found["polyp/video_1/1.png"] == "'normal/video_1/1.png' is the same frame of video_1"
    assert [note.split()[0] for note in made.notes] == ["2", "1", "1"]
    assert "several parts" in made.notes[2]


def test_pictures_by_class_are_no_videos(tmp_path, picture):
    for number in range(8):
        picture(tmp_path / ("ill", "well")[number % 2] / f"P{number}_F_0{number}.png", number)
    assert recognise(tmp_path) is None
    with pytest.raises(TableError, match="must hold frames in a folder per video"):
        build(tmp_path, layout="video_frames", workers=0)
