"""Trees made to break or to mislead: one clear line or a reject row, and nothing outside is touched."""

import io
import json
import os
import resource
import runpy
import struct
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pydicom
import pytest
from pydicom import DataElement, config
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MediaStorageDirectoryStorage

from medgraft.errors import TableError
from medgraft.index.build import build
from medgraft.index.layouts import Asked, layouts
from medgraft.index.layouts import npz as npz_layout
from medgraft.index.layouts._xml import read_xml

EXAMPLES = Path(__file__).parent / "layouts"
MEMORY = 300 * 2**10  # KiB that a test may add to what the process has taken so far


@pytest.fixture
def tree(tmp_path, picture):
    """The example of a layout, in a folder of its own; returns the folder."""

    def make(name):
        root = tmp_path / "data"
        root.mkdir()
        runpy.run_path(str(EXAMPLES / f"example_{name}.py"))["make"](root, picture)
        return root

    return make


@pytest.fixture(autouse=True)
def _bounded():
    """No test here may take much memory, whatever a file promises."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MEMORY


def one_line(root, **options):
    with pytest.raises(TableError) as error:
        build(root, workers=0, **options)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("name", layouts.names())
def test_loops_odd_names_and_links_to_the_outside_cost_no_other_row(tree, tmp_path, name):
    root = tree(name)
    asked = Asked(path="file") if name == "csv" else Asked()
    wanted = len(build(root, layout=name, asked=asked, decode=False, workers=0).index)
    (root / "loop").symlink_to(root, target_is_directory=True)
    (root / "down").mkdir()
    (root / "down/up").symlink_to("..", target_is_directory=True)
    (root / "down/two\nlines \x1b[31m.txt").write_text("x")
    with (tmp_path / "secret").open("w") as handle:
        handle.write("nobody reads this")
    os.mkfifo(root / "down/pipe.png")
    (root / os.fsdecode(b"caf\xe9.png")).write_bytes(b"x")
    index = build(root, layout=name, asked=asked, decode=False, workers=0).index
    assert len(index) == wanted
    assert not any("secret" in path for path in [*index.frame["path"], *index.rejects["path"]])


def dicomdir(path, file_id):
    """A directory record that points to a file."""
    record = Dataset()
    record.DirectoryRecordType = "IMAGE"
    record.add(DataElement("ReferencedFileID", "CS", file_id, validation_mode=config.IGNORE))
    record.OffsetOfTheNextDirectoryRecord = record.RecordInUseFlag = 0
    record.OffsetOfReferencedLowerLevelDirectoryEntity = 0
    listing = Dataset()
    listing.file_meta = FileMetaDataset()
    listing.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    listing.file_meta.MediaStorageSOPClassUID = MediaStorageDirectoryStorage
    listing.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    listing.DirectoryRecordSequence = [record]
    listing.save_as(path, enforce_file_format=True)


def test_a_dicomdir_cannot_name_a_file_outside(tree, tmp_path):
    root = tree("dicom_tree")
    secret = tmp_path / "secret.dcm"
    (root / "film/0").rename(secret)
    dicomdir(root / "DICOMDIR", ["..", "secret.dcm"])
    dicomdir(root / "listing.dcm", ["..", "secret.dcm"])
    with config.disable_value_validation():
        assert pydicom.dcmread(root / "DICOMDIR").DirectoryRecordSequence
    index = build(root, layout="dicom_tree", workers=0).index
    assert sorted(index.frame["path"]) == ["ct", "film/1"]
    assert index.rejects["path"].to_list() == ["listing.dcm"]


BOMB = (
    '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "xxxxxxxxxx">'
    + "".join(f'<!ENTITY {chr(99 + k)} "{f"&{chr(98 + k)};" * 10}">' for k in range(9))
    + "]><annotation><object><name>&k;</name></object></annotation>"
)
OUTSIDE = (
    '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY secret SYSTEM "file:///etc/passwd">]>'
    "<annotation><object><name>&secret;</name></object></annotation>"
)


@pytest.mark.parametrize(
    "text", [BOMB, OUTSIDE, BOMB.encode("utf-16")], ids=["bomb", "outside", "utf16"]
)
def test_xml_that_defines_entities_is_a_reject(tree, text):
    root = tree("voc")
    file = root / "BCCD/Annotations/BloodImage_00000.xml"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    index = build(root, workers=0).index
    found = dict(zip(index.rejects["path"], index.rejects["reason"], strict=True))
    assert "it defines the entity" in found["BCCD/Annotations/BloodImage_00000.xml"]
    assert index.frame["path"].to_list() == ["BCCD/JPEGImages/BloodImage_00001.jpg"]


def test_a_document_type_without_entities_is_read(tmp_path):
    file = tmp_path / "a.xml"
    file.write_text(
        '<?xml version="1.0"?><!DOCTYPE plist PUBLIC "-//Apple Computer//DTD PLIST 1.0//EN"'
        ' "http://www.apple.com/DTDs/PropertyList-1.0.dtd"><plist><dict/></plist>'
    )
    assert [child.tag for child in read_xml(file)] == ["dict"]
    for content in (b"", b"<a>", b"\xff\xfe", b"<a>" * 100_000):
        file.write_bytes(content)
        with pytest.raises(ValueError, match=r"'a.xml' must be XML"):
            read_xml(file)


def test_a_table_of_a_million_columns_is_one_line(tmp_path, picture):
    picture(tmp_path / "a.png")
    (tmp_path / "t.csv").write_text(",".join(f"c{k}" for k in range(1_000_000)) + "\na.png\n")
    assert "first line is longer than 1 MiB" in one_line(
        tmp_path, asked=Asked(table="t.csv", path="c0")
    )
    (tmp_path / "t.csv").write_text("file" + "," * 900_000 + "\na.png\n")
    assert "at most 10000 columns, got 900001" in one_line(
        tmp_path, asked=Asked(table="t.csv", path="file")
    )
    (tmp_path / "b").mkdir()
    picture(tmp_path / "b/x.png")
    assert "one class only" in one_line(tmp_path)  # nor does the look at the folder trip over it


@pytest.mark.parametrize("name", ["msd", "nnunet", "coco"])
@pytest.mark.parametrize(
    "text", ["[" * 200_000, '{"training": 7, "images": {}, "labels": 3}', "null", "{"]
)
def test_a_description_that_is_nested_or_of_other_kinds_is_one_line(tree, name, text):
    root = tree(name)
    for file in root.rglob("*.json"):
        file.write_text(text)
    one_line(root, layout=name)


def claiming(file, shape, kind="|u1", data=b"\0" * 64):
    """An NPY whose header promises more than is there."""
    head = str({"descr": kind, "fortran_order": False, "shape": shape}).encode()
    head += b" " * (-(len(head) + 11) % 64) + b"\n"
    file.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + data)


@pytest.mark.parametrize("name", ["npz", "medmnist"])
def test_an_npz_that_promises_a_billion_images_is_one_line(tmp_path, name):
    with zipfile.ZipFile(tmp_path / "pneumoniamnist.npz", "w") as archive:
        for part in ("train", "val", "test"):
            for what, shape in (("images", (10**9, 28, 28)), ("labels", (10**9, 1))):
                content = io.BytesIO()
                claiming(content, shape)
                archive.writestr(f"{part}_{what}.npy", content.getvalue())
    text = one_line(tmp_path, layout=name)
    assert "promises 784000000000 bytes, and 64 are there" in text


def test_labels_that_unpack_to_very_much_are_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(npz_layout, "MOST_BYTES", 1000)
    np.savez_compressed(
        tmp_path / "a.npz", images=np.zeros((2000, 1, 1), np.uint8), labels=np.zeros(2000, np.uint8)
    )
    assert "labels would take 2000 bytes, and at most 1000 may be taken" in one_line(tmp_path)


def test_an_npz_with_objects_is_not_unpickled(tmp_path):
    evil = np.array([print], dtype=object)
    np.savez(tmp_path / "a.npz", images=np.zeros((1, 2, 2)), labels=evil, allow_pickle=True)
    assert "Python objects" in one_line(tmp_path)


def test_hdf5_that_promises_a_billion_images_is_one_line(tmp_path):
    start = tmp_path / "camelyonpatch_level_2_split_train"
    with h5py.File(f"{start}_x.h5", "w") as file:
        file.create_dataset("x", (10**9, 96, 96, 3), "u1", chunks=(1, 96, 96, 3))
    with h5py.File(f"{start}_y.h5", "w") as file:
        file.create_dataset("y", (10**9, 1, 1, 1), "u1", chunks=(1024, 1, 1, 1))
    assert "must hold the images that it promises" in one_line(tmp_path)
    with h5py.File(f"{start}_x.h5", "a") as file:
        file["x"][5] = 1
    assert "must hold the images that it promises" in one_line(tmp_path)


def test_hdf5_that_links_to_another_file_is_not_followed(tmp_path):
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["x"] = np.ones((2, 96, 96, 3), np.uint8)
    root = tmp_path / "data"
    root.mkdir()
    with h5py.File(root / "camelyonpatch_level_2_split_train_x.h5", "w") as file:
        file["x"] = h5py.ExternalLink("../secret.h5", "x")
    assert "must lie in the file itself" in one_line(root)


@pytest.mark.parametrize(
    ("runs", "reason"),
    [
        ("1048570 7", "its runs end at pixel 1048577, and an image has 1048576"),
        ("99999999999999999999 1", "and an image has 1048576"),
        ("5", "must be pairs of whole numbers, got '5'"),
        ("5 -3", "must be pairs of whole numbers"),
        ("", "must be pairs of whole numbers"),
        ("9" * 5000 + " 1", "and an image has 1048576"),
    ],
)
def test_run_lengths_outside_the_image_are_a_reject(tree, runs, reason):
    root = tree("siim_pneumothorax")
    table = root / "train-rle.csv"
    table.write_text(table.read_text().replace("387620 23 996 33 986 43", runs))
    index = build(root, workers=0).index
    assert len(index) == 2
    assert index.rejects.height == 1
    assert reason in index.rejects["reason"][0]


def test_a_table_that_names_a_device_or_a_deep_path_is_a_reject(tmp_path, picture):
    picture(tmp_path / "a.png")
    names = ["a.png", "/dev/zero", "x" * 5000, "a\x00b.png", "../" * 50 + "etc/passwd", "a.png/b"]
    (tmp_path / "t.csv").write_text("file\n" + "\n".join(names) + "\n")
    index = build(tmp_path, asked=Asked(table="t.csv", path="file"), workers=0).index
    assert index.frame["path"].to_list() == ["a.png"]
    assert index.rejects.height == 5


def test_a_description_cannot_name_an_image_outside(tree, tmp_path, picture):
    root = tree("coco")
    picture(tmp_path / "secret.png", 5)
    file = root / "train/_annotations.coco.json"
    told = json.loads(file.read_text())
    told["images"] += [
        {"id": 8, "file_name": "../../secret.png"},
        {"id": 9, "file_name": "/etc/hosts"},
    ]
    file.write_text(json.dumps(told))
    index = build(root, workers=0).index
    assert sorted(index.rejects["path"]) == ["../../secret.png", "/etc/hosts"]
