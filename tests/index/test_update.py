"""An index is brought up to date by opening what is new or changed, and is the same as a new one."""

import os
import shutil

import nibabel
import numpy as np
import polars as pl
import pytest

from medgraft.index import measure
from medgraft.index.build import build
from medgraft.index.remembered import STAMP, recall, stamp
from medgraft.index.tasks import Tasks


@pytest.fixture
def opened(monkeypatch):
    """Which files are measured."""
    seen: list[str] = []
    real = measure.measure

    def noting(root, paths, **options):
        seen.extend(paths)
        return real(root, paths, **options)

    monkeypatch.setattr(measure, "measure", noting)
    return seen


def again(root, memory, **options):
    return build(root, workers=0, remembered=memory, **options)


def test_nothing_is_opened_twice_and_the_index_is_the_same(classes, tmp_path, opened):
    memory = tmp_path / "memory.parquet"
    first = again(classes, memory)
    assert (len(opened), first.recalled) == (8, 0)
    second = again(classes, memory)
    assert (len(opened), second.recalled) == (8, 8)
    assert second.index.frame.equals(first.index.frame)
    assert second.index.frame.equals(build(classes, workers=0).index.frame)


def test_what_is_new_changed_or_gone_is_noticed(classes, tmp_path, picture, opened):
    memory = tmp_path / "memory.parquet"
    again(classes, memory)
    opened.clear()
    picture(classes / "ill/new.png", 50)
    (classes / "well/p0_1.png").unlink()
    picture(classes / "ill/p0_0.png", 51)
    changed = again(classes, memory)
    assert sorted(opened) == ["ill/new.png", "ill/p0_0.png"]
    assert changed.recalled == 6
    assert changed.index.frame.equals(build(classes, workers=0).index.frame)


def test_a_file_of_another_time_is_opened_though_its_size_is_the_same(classes, tmp_path, opened):
    memory = tmp_path / "memory.parquet"
    again(classes, memory)
    opened.clear()
    os.utime(classes / "ill/p0_0.png", ns=(1, 1))
    again(classes, memory)
    assert opened == ["ill/p0_0.png"]


def test_what_was_only_hashed_is_decoded_when_that_is_asked_for(classes, tmp_path, opened):
    memory = tmp_path / "memory.parquet"
    again(classes, memory, decode=False)
    opened.clear()
    decoded = again(classes, memory)
    assert (len(opened), decoded.recalled) == (8, 0)
    assert decoded.index.frame["shape"].null_count() == 0


def test_a_damaged_file_is_tried_again(classes, tmp_path, opened):
    memory = tmp_path / "memory.parquet"
    (classes / "ill/cut.png").write_bytes(b"no image")
    again(classes, memory)
    opened.clear()
    built = again(classes, memory)
    assert opened == ["ill/cut.png"]
    assert built.index.rejects["path"].to_list() == ["ill/cut.png"]


def test_a_memory_that_is_damaged_or_of_another_version_is_not_believed(classes, tmp_path, opened):
    memory = tmp_path / "memory.parquet"
    for content in (b"", b"PAR1 nonsense"):
        memory.write_bytes(content)
        opened.clear()
        assert again(classes, memory).recalled == 0
        assert len(opened) == 8
    pl.read_parquet(memory).write_parquet(memory, metadata={"medgraft.measured": "0.0.1 decoded"})
    assert again(classes, memory).recalled == 0


def volume(path, values):
    path.parent.mkdir(exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(values, np.eye(4)), path)


def test_a_mask_that_changed_makes_its_image_new(tmp_path, opened):
    root, memory = tmp_path / "data", tmp_path / "memory.parquet"
    root.mkdir()
    for number in (1, 2):
        volume(root / f"images/{number}.nii", np.full((4, 4, 4), number, np.uint8))
        volume(root / f"masks/{number}.nii", np.eye(4, dtype=np.uint8)[None].repeat(4, 0))
    first = again(root, memory)
    opened.clear()
    assert again(root, memory).index.frame.equals(first.index.frame)
    assert opened == []
    volume(root / "masks/2.nii", np.full((4, 4, 4), 3, np.uint8))
    changed = again(root, memory)
    assert opened == ["images/2.nii"]
    assert changed.index.frame.equals(build(root, workers=0).index.frame)


def test_a_slice_that_changed_makes_its_series_new(tmp_path):
    series = tmp_path / "ct"
    series.mkdir()
    for number in range(3):
        (series / f"{number}.dcm").write_bytes(b"slice")
    frame = pl.DataFrame({"path": ["ct"]})
    before = stamp(frame, tmp_path)
    assert before["bytes"].to_list() == [15]
    later = before["modified_ns"][0] + 10**9
    os.utime(series / "1.dcm", ns=(later, later))
    assert stamp(frame, tmp_path)["modified_ns"].to_list() == [later]


def test_a_header_apart_from_its_pixels_is_never_believed(tmp_path):
    (tmp_path / "a.mhd").write_text("ElementDataFile = a.raw")
    frame = pl.DataFrame({"path": ["a.mhd"]})
    stamps = stamp(frame, tmp_path)
    assert stamps.select(STAMP[1:]).null_count().row(0) == (1, 1, 1, 1, 1)
    assert recall(tmp_path / "absent", stamps, decode=True) is None


def test_tasks_hold_each_row_once_and_all_members_of_an_archive_together():
    paths = ["b.npz#x/0", "a.png", "b.npz#x/1", "c#d.png", "A.NPZ#y/0", "b.npz#x/2"]
    tasks = Tasks(
        pl.DataFrame({"path": paths, "mask_path": ["m.png", None, "n.png", None, None, None]})
    )
    every = list(tasks)
    assert sorted(path for found, _ in every for path in found) == sorted(paths)
    assert (
        ["b.npz#x/0", "b.npz#x/1", "b.npz#x/2"],
        {"b.npz#x/0": "m.png", "b.npz#x/1": "n.png"},
    ) in every
    assert [task for k in range(0, 4, 3) for task in tasks[k : k + 3]] == every
    assert tasks[len(tasks) :] == []


def test_an_index_that_lies_in_its_own_source_is_no_table(classes, tmp_path):
    shutil.copytree(classes, tmp_path / "copy")
    built = again(tmp_path / "copy", tmp_path / "copy/films.measured.parquet")
    built.index.save(tmp_path / "copy/films.parquet")
    assert again(tmp_path / "copy", tmp_path / "copy/films.measured.parquet").layout == "folders"
