"""An audit says what files may tell of patients, and does not tell it itself."""

import gzip
import json

import numpy as np
import polars as pl
import pytest
from PIL import Image
from tests.index.test_lettering import TEXT, ground, printed
from tests.read.test_personal import image

from medgraft.cli.__main__ import main
from medgraft.index import Index
from medgraft.index.audit import audit
from medgraft.index.privacy import tagged
from medgraft.read import personal
from medgraft.read.tags import Personal


@pytest.fixture
def archive(tmp_path):
    """Four pictures, of which one bears text, and two DICOM files, of which one names somebody."""
    for number, kind in enumerate("abab"):
        (tmp_path / "films" / kind).mkdir(parents=True, exist_ok=True)
        picture = ground(seed=number)
        if number == 2:
            picture, _ = printed(picture)
        Image.fromarray(picture.astype(np.uint8)).save(tmp_path / "films" / kind / f"{number}.png")
    for number, kind in enumerate("ab"):
        data = image()
        data.PatientID, data.StudyDescription = f"patient-{number}", "Mr Doe" if number else ""
        data.BurnedInAnnotation = "YES" if number else "NO"
        data.PixelData = np.arange(number, number + 16, dtype=np.uint8).tobytes()
        data.save_as(tmp_path / "films" / kind / f"d{number}.dcm", enforce_file_format=True)
    out = str(tmp_path / "films.parquet")
    assert main(["index", str(tmp_path / "films"), "--layout", "folders", "--out", out]) == 0
    return tmp_path


def found(archive, **more):
    result = audit(Index.load(archive / "films.parquet"), workers=0, **more)
    return {one.name: one for one in result.findings}


def test_text_and_tags_are_named_and_their_values_are_not(archive):
    findings = found(archive)
    assert findings["person_tags"].count == 2
    assert findings["person_tags"].examples[1] == {
        "path": "b/d1.dcm",
        "tags": ["PatientID", "StudyDescription"],
    }
    assert findings["burned_in"].examples == ("b/d1.dcm",)
    assert findings["text"].count == 1
    assert findings["text"].examples[0]["path"] == "a/2.png"
    assert findings["text"].message.startswith("of 6 images looked at")
    assert findings["linking_tags"].level == "note"
    private = ("person_tags", "burned_in", "text", "linking_tags")
    told = json.dumps([[findings[name].message, findings[name].examples] for name in private])
    assert not any(value in told for value in ("patient-1", "Mr Doe", TEXT))


def test_what_is_allowed_is_not_reported(archive):
    findings = found(archive, allow=("PatientID",))
    assert findings["person_tags"].examples == ({"path": "b/d1.dcm", "tags": ["StudyDescription"]},)
    assert "person_tags" not in found(archive, allow=("PatientID", "StudyDescription"))


def test_as_many_are_looked_at_as_were_asked_for_and_the_same_ones_each_time(archive):
    assert "text" not in found(archive, look_at=0)
    first, again = (found(archive, look_at=4).get("text") for _ in range(2))
    assert first == again


def test_a_file_that_is_gone_costs_itself_alone(archive):
    (archive / "films" / "b" / "d1.dcm").unlink()
    findings = found(archive)
    assert findings["unread"].examples == ("b/d1.dcm",)
    assert findings["person_tags"].count == 1


def test_the_command_refuses_it_when_strict(archive, capsys):
    index = str(archive / "films.parquet")
    assert main(["audit", index, "--strict", "--workers", "0"]) == 3
    said = capsys.readouterr()
    assert "DICOM tags that may name the patient (PatientID, StudyDescription): 2" in said.out
    assert "those that seem to bear lines of text: 1" in said.err
    assert "Mr Doe" not in said.out + said.err + (archive / "films.audit.json").read_text()
    assert main(["audit", index, "--allow", "PatientId"]) == 2
    assert "Did you mean 'PatientID'?" in capsys.readouterr().err
    assert main(["audit", index, "--look-at", "-1"]) == 2
    assert "--look-at must be 0 or more images" in capsys.readouterr().err


def test_tags_are_looked_for_wherever_there_are_any_and_hardly_elsewhere(tmp_path):
    named = image()
    named.PatientID = "patient-1"
    named.save_as(tmp_path / "a.dcm", enforce_file_format=True)
    content = (tmp_path / "a.dcm").read_bytes()
    (tmp_path / "called.png").write_bytes(content)
    (tmp_path / "bare").write_bytes(content[132:])
    (tmp_path / "packed.gz").write_bytes(gzip.compress(content))
    (tmp_path / "series").mkdir()
    (tmp_path / "series/1").write_bytes(content)
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / "b.png")
    np.savez(tmp_path / "c.npz", x=np.zeros((2, 4, 4), np.uint8))
    (tmp_path / "scan.nii.gz").write_bytes(gzip.compress(bytes(400)))
    (tmp_path / "empty.png").touch()
    with_tags = ["a.dcm", "called.png", "bare", "packed.gz", "series"]
    without = ["b.png", "c.npz#x/0", "c.npz#x/1"]
    assert all(personal(tmp_path / path) != Personal() for path in with_tags)
    assert all(personal(tmp_path / path) == Personal() for path in without)
    assert tagged(tmp_path, [*with_tags, "empty.png", "gone.png", "gone.npz#x/0"]) == [True] * 8
    assert tagged(tmp_path, [*without, "scan.nii.gz"]) == [False] * 4
    assert tagged(tmp_path, []) == []


def test_tags_of_masks_are_named_too(archive):
    index = Index.load(archive / "films.parquet")
    masks = pl.when(pl.col("path") == "a/0.png").then(pl.lit("a/d0.dcm//b/d1.dcm"))
    frame = index.frame.filter(pl.col("path").str.ends_with("png"))
    masked = index.with_frame(frame.with_columns(mask_path=masks))
    findings = {one.name: one for one in audit(masked, workers=0).findings}
    assert [row["path"] for row in findings["person_tags"].examples] == ["a/d0.dcm", "b/d1.dcm"]
    assert findings["text"].message.startswith("of 4 images looked at")
