"""The array store: what is prepared once stays prepared, and nothing bad spreads."""

import json
import os
import shutil
import signal
import subprocess
import sys
import zlib

import numpy as np
import pytest

from medgraft.errors import ArgumentError, ReadError, StoreError, TableError
from medgraft.prepare import answers, build, load, pipeline, shards
from medgraft.prepare.pipeline import load_scan
from medgraft.prepare.store import Store, default_cache
from tests.prepare.conftest import add_pictures, index_of

STEPS = ["intensity", "pad_square", "resize:side=16", "channels:count=1"]


@pytest.fixture
def decoded(monkeypatch):
    """Paths of the files that were decoded in this process."""
    paths = []

    def counted(path, chain):
        paths.append(path)
        return load_scan(path, chain)

    monkeypatch.setattr(answers, "load_scan", counted)
    return paths


@pytest.fixture
def opened(tmp_path):
    """Open a store in a cache of this test, in this process."""

    def open_(index, specs=STEPS, **options):
        return Store.open(index, specs, **{"cache": tmp_path / "cache", "workers": 0, **options})

    return open_


@pytest.mark.parametrize(
    ("bits", "memory_bytes", "workers"), [(8, None, 0), (16, 0, 0), (8, 0, 2), (16, None, 2)]
)
def test_gather_gives_the_prepared_files_up_to_rounding(
    archive, opened, bits, memory_bytes, workers
):
    index = index_of(archive)
    store = opened(index, bits=bits, memory_bytes=memory_bytes, workers=workers)
    assert (store.array is None) == (memory_bytes == 0)
    order = np.array([7, 0, 11, 7, 3])
    got = store.gather(store.rows[order])
    assert got.shape == (5, 1, 16, 16)
    assert got.dtype == store.dtype
    expected = [load(index.file(index.frame["path"][int(k)]), pipeline(STEPS)) for k in order]
    np.testing.assert_allclose(got / store.scale, expected, atol=0.5 / store.scale + 1e-7)


def test_a_second_opening_decodes_nothing(archive, opened, decoded):
    index = index_of(archive)
    (archive / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\nno picture")
    index = index_of(archive)
    first = opened(index)
    assert len(decoded) == 13
    second = opened(index)
    assert len(decoded) == 13
    np.testing.assert_array_equal(first.array, second.array)
    np.testing.assert_array_equal(first.rows, second.rows)
    assert first.rejects.rows() == second.rejects.rows()


def test_bits_that_nobody_declared_cost_no_second_decoding_either(archive, opened, decoded):
    add_pictures(archive, [90], deep=True)
    index = index_of(archive, bits=None)
    assert opened(index).dtype == np.uint16
    count = len(decoded)
    assert opened(index).dtype == np.uint16
    assert len(decoded) == count


@pytest.mark.parametrize(("bits", "kind"), [(8, np.uint8), (12, np.uint16), (None, np.uint8)])
def test_depth_follows_the_index_or_else_the_files(archive, opened, bits, kind):
    assert opened(index_of(archive, bits=bits)).dtype == kind


def test_added_images_are_the_only_ones_decoded(archive, opened, decoded):
    opened(index_of(archive))
    add_pictures(archive, range(50, 53))
    store = opened(index_of(archive))
    assert len(decoded) == 15
    assert len(store) == 15
    assert len(set(decoded)) == 15


def test_another_index_of_the_same_files_shares_them(archive, opened, decoded, tmp_path):
    opened(index_of(archive))
    shutil.copytree(archive, tmp_path / "elsewhere" / "deep")
    store = opened(index_of(tmp_path / "elsewhere"))
    assert len(decoded) == 12
    assert (store.rows >= 0).all()


def test_other_steps_are_another_store(archive, opened, decoded):
    opened(index_of(archive))
    other = opened(index_of(archive), ["intensity", "resize:side=4"])
    assert other.shape == (1, 4, 4)
    assert len(decoded) == 24


def test_byte_identical_images_share_a_row(archive, opened, decoded):
    shutil.copy(archive / "p0003.png", archive / "twin.png")
    store = opened(index_of(archive))
    assert len(decoded) == len(store) == 12
    assert store.rows[3] == store.rows[12]


def test_members_of_one_file_are_kept_apart(tmp_path, opened):
    images = np.random.default_rng(0).integers(0, 256, (4, 9, 9), np.uint8)
    np.savez(tmp_path / "a.npz", x=images)
    index = index_of(tmp_path, paths=[f"a.npz#x/{k}" for k in range(4)])
    store = opened(index, ["intensity"])
    np.testing.assert_array_equal(store.gather(store.rows)[:, 0], images)


def test_volumes_work_like_pictures(tmp_path, opened):
    root = tmp_path / "volumes"
    root.mkdir()
    for number in range(3):
        values = np.random.default_rng(number).normal(size=(6, 7, 5)).astype(np.float32)
        np.save(root / f"{number}.npy", values)
    index = index_of(root, bits=32)
    steps = ["intensity", "resize:side=8"]
    store = opened(index, steps)
    assert store.shape[-3:] == (8, 8, 8)
    expected = [load(index.file(path), pipeline(steps)) for path in index.frame["path"]]
    np.testing.assert_allclose(store.gather(store.rows) / 65535, expected, atol=1e-5)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_bad_image_costs_its_row_and_says_why(archive, opened, workers):
    whole = (archive / "p0005.png").read_bytes()
    (archive / "cut.png").write_bytes(whole[: len(whole) // 2])
    (archive / "words.png").write_text("not a picture")
    index = index_of(
        archive, paths=[*[f"p{k:04d}.png" for k in range(12)], "cut.png", "words.png", "gone.png"]
    )
    store = opened(index, workers=workers)
    assert (store.rows[:12] >= 0).all()
    assert store.rows[12:].tolist() == [-1, -1, -1]
    assert store.rejects["path"].to_list() == ["cut.png", "words.png", "gone.png"]
    assert all(store.rejects["reason"])
    assert all(store.rejects["remedy"])


def test_a_file_that_was_missing_is_tried_again(archive, opened):
    index = index_of(archive, paths=["p0001.png", "late.png"])
    assert opened(index).rows.tolist() == [0, -1]
    add_pictures(archive, [77])
    (archive / "p0077.png").rename(archive / "late.png")
    assert opened(index).rows.tolist() == [0, 1]


def test_new_decoders_get_another_chance(archive, opened, decoded, monkeypatch):
    (archive / "bad.png").write_text("no picture")
    opened(index_of(archive))
    monkeypatch.setattr(shards, "decoders", lambda: "medgraft 99")
    opened(index_of(archive))
    assert [path for path in decoded if path.endswith("bad.png")] == [str(archive / "bad.png")] * 2
    assert len(decoded) == 14


@pytest.mark.parametrize("cause", [MemoryError(), ImportError("no codec"), OSError(5, "bad disk")])
def test_what_the_machine_lacks_is_not_held_against_the_file(archive, opened, monkeypatch, cause):
    def fail(path, chain):
        if path.endswith("p0004.png"):
            raise ReadError(path, "no", "none") from cause
        return load_scan(path, chain)

    with monkeypatch.context() as patch:
        patch.setattr(answers, "load_scan", fail)
        assert opened(index_of(archive)).rejects.height == 1
    assert opened(index_of(archive)).rejects.height == 0


def test_an_unexpected_error_in_a_step_costs_the_row(archive, opened, monkeypatch):
    def fail(path, chain):
        if path.endswith("p0004.png"):
            raise ZeroDivisionError("by design")
        return load_scan(path, chain)

    monkeypatch.setattr(answers, "load_scan", fail)
    store = opened(index_of(archive))
    assert store.rejects["path"].to_list() == ["p0004.png"]
    assert "ZeroDivisionError: by design" in store.rejects["reason"][0]


def test_an_image_that_asks_for_too_much_memory_costs_the_row(archive, opened, monkeypatch):
    def fail(path, chain):
        if path.endswith("p0004.png"):
            raise MemoryError
        return load_scan(path, chain)

    monkeypatch.setattr(answers, "load_scan", fail)
    assert "memory" in opened(index_of(archive)).rejects["reason"][0]


def test_images_of_different_sizes_ask_for_resize(archive, opened):
    add_pictures(archive, [60], size=(9, 9))
    with pytest.raises(ArgumentError, match=r"\(1, 20, 26\).*\(1, 9, 9\).*Add the step resize"):
        opened(index_of(archive), ["intensity"])


def test_sizes_that_differ_only_between_two_builds_are_refused_too(archive, opened):
    opened(index_of(archive), ["intensity"])
    add_pictures(archive / "other", [60, 61], size=(9, 9))
    opened(index_of(archive / "other"), ["intensity"])
    with pytest.raises(ArgumentError, match="Add the step resize"):
        opened(index_of(archive), ["intensity"])


def test_different_numbers_of_channels_ask_for_channels(archive, opened):
    add_pictures(archive, [60], size=(20, 26, 3))
    with pytest.raises(ArgumentError, match="Add the step channels"):
        opened(index_of(archive), ["intensity"])


def test_a_volume_among_pictures_costs_its_row(archive, opened):
    np.save(archive / "a.npy", np.zeros((5, 6, 7), np.float32))
    store = opened(index_of(archive))
    assert store.shape == (1, 16, 16)
    assert store.rejects["path"].to_list() == ["a.npy"]
    assert "3 spatial axes" in store.rejects["reason"][0]
    assert len(store) == 12


@pytest.mark.parametrize("workers", [0, 2])
def test_steps_that_leave_the_range_stop_the_build(archive, opened, workers):
    with pytest.raises(ArgumentError, match="Add the step intensity"):
        opened(index_of(archive), ["resize:side=16"], workers=workers)


def test_no_usable_image_at_all_is_an_error(tmp_path, opened):
    (tmp_path / "films").mkdir()
    (tmp_path / "films" / "a.png").write_text("no picture")
    with pytest.raises(StoreError, match=r"all 1 in .* were rejected; 'a.png'"):
        opened(index_of(tmp_path / "films"))


def test_an_empty_index_is_an_error(archive, opened):
    index = index_of(archive)
    with pytest.raises(TableError, match="at least one image"):
        opened(index.with_frame(index.frame.head(0)))


@pytest.mark.parametrize("options", [{"bits": 12}, {"workers": -1}])
def test_wrong_options_are_errors(archive, opened, options):
    with pytest.raises(ArgumentError, match=next(iter(options))):
        opened(index_of(archive), **options)


@pytest.mark.parametrize("row", [-1, 12])
def test_gather_refuses_the_row_of_a_rejected_image(archive, opened, row):
    with pytest.raises(ArgumentError, match="0 to 11"):
        opened(index_of(archive)).gather(np.array([0, row]))


def damage_bytes(folder):
    path = next(folder.glob("*.bin"))
    data = bytearray(path.read_bytes())
    data[100] ^= 1
    path.write_bytes(data)


def cut_short(folder):
    path = next(folder.glob("*.bin"))
    path.write_bytes(path.read_bytes()[:-1])


def lose(folder):
    next(folder.glob("*.bin")).unlink()


def damage_record(folder):
    next(folder.glob("*.json")).write_text('{"keys": [')


@pytest.mark.parametrize("damage", [damage_bytes, cut_short, lose, damage_record])
def test_a_damaged_shard_is_built_again_and_said(archive, opened, damage, capsys):
    index = index_of(archive)
    first = opened(index)
    damage(first.folder)
    second = opened(index)
    np.testing.assert_array_equal(first.gather(first.rows), second.gather(second.rows))
    assert "damaged and is built again" in second.notes[0]
    assert "damaged and is built again" in capsys.readouterr().err
    assert opened(index).notes == ()


def test_a_full_disk_is_one_clear_line_and_leaves_no_part(archive, opened, monkeypatch):
    """The file-size limit of the process stands in for a disk that fills up."""
    import resource

    index = index_of(archive)
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, old[1]))
    try:
        with pytest.raises(StoreError, match="the disk is full") as caught:
            opened(index)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
    assert "\n" not in str(caught.value)
    folder = next((archive.parent / "cache" / "store").iterdir())
    assert not [p for p in folder.iterdir() if p.suffix in (".bin", ".json", ".part")]
    assert len(opened(index)) == 12


def test_room_is_checked_before_work_begins(archive, opened, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(9, 9, 1000))
    with pytest.raises(StoreError, match="MiB are free"):
        opened(index_of(archive))


def test_a_cache_that_cannot_be_written_says_what_to_set(archive, opened, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match="MEDGRAFT_CACHE"):
        opened(index_of(archive), cache=tmp_path / "file")


def test_the_cache_is_where_the_environment_says(monkeypatch, tmp_path):
    monkeypatch.setenv("MEDGRAFT_CACHE", str(tmp_path))
    assert default_cache() == tmp_path
    monkeypatch.delenv("MEDGRAFT_CACHE")
    assert default_cache().parts[-2:] == (".cache", "medgraft")


def test_shards_are_small_enough_to_lose(archive, opened, monkeypatch):
    monkeypatch.setattr(build, "SHARD_IMAGES", 5)
    store = opened(index_of(archive))
    records = [json.loads(p.read_text()) for p in store.folder.glob("*.json")]
    assert sorted(len(r["keys"]) for r in records) == [2, 5, 5]
    for path in store.folder.glob("*.bin"):
        record = json.loads(path.with_suffix(".json").read_text())
        assert zlib.crc32(path.read_bytes()) == record["crc32"]


def test_ctrl_c_keeps_what_was_ready(archive, opened, monkeypatch):
    seen = []

    def interrupted(path, chain):
        seen.append(path)
        if len(seen) == 8:
            raise KeyboardInterrupt
        return load_scan(path, chain)

    monkeypatch.setattr(answers, "load_scan", interrupted)
    with pytest.raises(KeyboardInterrupt):
        opened(index_of(archive))
    opened(index_of(archive))
    assert len(seen) == 8 + 12 - 7


SLOW_BUILD = """
import sys, time
from pathlib import Path
from medgraft.prepare import answers, build
from medgraft.prepare.pipeline import load_scan
from medgraft.prepare.store import Store
from tests.prepare.conftest import index_of
root, cache, seconds = Path(sys.argv[1]), sys.argv[2], float(sys.argv[3])
def slow(path, chain):
    time.sleep(seconds)
    print("decoded", flush=True)
    return load_scan(path, chain)
answers.load_scan = slow
build.SHARD_IMAGES = 4
steps = ["intensity", "pad_square", "resize:side=16", "channels:count=1"]
store = Store.open(index_of(root), steps, cache=cache, workers=0)
print("rows", len(store))
"""


def start(archive, cache, seconds):
    return subprocess.Popen(
        [sys.executable, "-c", SLOW_BUILD, str(archive), str(cache), str(seconds)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=os.getcwd(),
    )


def test_after_kill_9_whole_shards_are_kept(archive, opened, decoded, tmp_path):
    with start(archive, tmp_path / "cache", 0.05) as process:
        for _ in range(10):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
    folder = next((tmp_path / "cache" / "store").iterdir())
    (folder / ".x.bin.12345678.part").write_bytes(b"what a torn write leaves")
    (folder / "orphan.bin").write_bytes(b"a shard whose record was never written")
    assert len(opened(index_of(archive))) == 12
    assert len(decoded) == 12 - 8
    assert not list(folder.glob("*.part"))
    assert not (folder / "orphan.bin").exists()


def test_two_processes_at_once_do_the_work_once(archive, tmp_path):
    with (
        start(archive, tmp_path / "cache", 0.05) as first,
        start(archive, tmp_path / "cache", 0.05) as second,
    ):
        said = first.communicate()[0] + second.communicate()[0]
    assert said.count("rows 12") == 2
    assert said.count("decoded") == 12


@pytest.fixture
def broken_films(archive, monkeypatch):
    """Films over which a worker crashes, really: only its reader is put in the place of ours."""
    add_pictures(archive, range(100, 140))
    for number, name in [(102, "segfault"), (103, "segfault2"), (135, "chatter")]:
        (archive / f"p{number:04d}.png").rename(archive / f"p{number:04d}_{name}.png")
    real = build.spread

    def spread(_, paths, **rest):
        return real("tests.prepare.crashing:preparing", paths, packages=("tests",), **rest)

    monkeypatch.setattr(build, "spread", spread)
    return archive


def test_a_decoder_that_crashes_costs_its_row_only(broken_films, opened):
    store = opened(index_of(broken_films), workers=2)
    assert store.rejects["path"].to_list() == ["p0102_segfault.png", "p0103_segfault2.png"]
    assert "SIGSEGV" in store.rejects["reason"][0]
    assert len(store) == 50


def test_wrong_steps_are_told_from_a_worker_too(archive, opened):
    with pytest.raises(ArgumentError, match=r"must lie in \[0, 1\]"):
        opened(index_of(archive), ["resize:side=9"], workers=2)
