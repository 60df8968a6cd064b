"""Which tags may tell who a patient is: all but those known to be harmless, and never a value."""

import struct

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

from medgraft.errors import ReadError
from medgraft.read import personal


def image():
    """A data set that says nothing about anybody, but for its own identifiers."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
    data.SOPClassUID, data.SOPInstanceUID = SecondaryCaptureImageStorage, generate_uid()
    data.Modality, data.PatientSex, data.KVP, data.InstanceNumber = "CR", "F", "70", "3"
    data.PixelSpacing, data.PatientName, data.PatientID = [1, 1], "", None
    data.Rows = data.Columns = 4
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.BitsAllocated = data.BitsStored = 8
    data.HighBit, data.PixelRepresentation = 7, 0
    data.PixelData = np.arange(16, dtype=np.uint8).tobytes()
    return data


def look(tmp_path, data, name="a.dcm"):
    data.save_as(tmp_path / name, enforce_file_format=True)
    return personal(tmp_path / name)


def test_an_image_that_says_nothing_of_anybody_has_identifiers_alone(tmp_path):
    found = look(tmp_path, image())
    assert found.person == found.private == ()
    assert set(found.linking) == {"MediaStorageSOPInstanceUID", "SOPInstanceUID"}
    assert found.burned_in is None


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("PatientName", "Doe^John"),
        ("PatientID", "123"),
        ("PatientBirthDate", "19610203"),
        ("OtherPatientIDs", ["1", "2"]),
        ("InstitutionName", "St. Elsewhere"),
        ("ReferringPhysicianName", "Who"),
        ("StudyDescription", "chest of Mr Doe"),
        ("ImageComments", "call his wife"),
        ("AccessionNumber", "A1"),
        ("DeviceSerialNumber", "77"),
        ("PatientAge", "090Y"),
        ("PatientWeight", "213"),
        ("StationName", "ROOM4"),
    ],
)
def test_what_may_name_somebody_is_named_wherever_it_stands(tmp_path, keyword, value):
    data = image()
    setattr(data, keyword, value)
    assert look(tmp_path, data).person == (keyword,)
    inner, outer, data = Dataset(), Dataset(), image()
    setattr(inner, keyword, value)
    outer.ReferencedSeriesSequence = Sequence([inner])
    data.RequestAttributesSequence = Sequence([Dataset(), outer])
    found = look(tmp_path, data)
    assert found.person == (keyword,)
    assert "Doe" not in repr(found)


@pytest.mark.parametrize("age", ["089Y", "034M", "001D"])
def test_an_age_that_many_have_is_harmless(tmp_path, age):
    data = image()
    data.PatientAge = age
    assert look(tmp_path, data).person == ()


def test_dates_join_records_and_private_tags_may_say_anything(tmp_path):
    data = image()
    data.StudyDate, data.AcquisitionDateTime, data.StudyInstanceUID = (
        "20200101",
        "20200101120000",
        generate_uid(),
    )
    block = data.private_block(0x0009, "ACME", create=True)
    block.add_new(1, "LO", "Doe")
    found = look(tmp_path, data)
    assert {"StudyDate", "AcquisitionDateTime", "StudyInstanceUID"} < set(found.linking)
    assert found.private == ("(0009,0010)", "(0009,1001)")


@pytest.mark.parametrize(("said", "expected"), [("YES", True), ("NO", False), ("", None)])
def test_what_the_file_says_of_its_own_pixels(tmp_path, said, expected):
    data = image()
    data.BurnedInAnnotation = said
    assert look(tmp_path, data).burned_in is expected


def test_a_folder_tells_what_any_of_its_slices_tells(tmp_path):
    series = tmp_path / "series"
    series.mkdir()
    for number in range(3):
        data = image()
        if number == 1:
            data.PatientName, data.BurnedInAnnotation = "Doe", "YES"
        look(series, data, f"{number}.dcm")
    found = personal(series)
    assert found.person == ("PatientName",)
    assert found.burned_in is True


def test_other_formats_have_no_tags_and_a_missing_file_is_an_error(tmp_path):
    from PIL import Image

    Image.new("L", (4, 4)).save(tmp_path / "a.png")
    assert personal(tmp_path / "a.png") == type(look(tmp_path, image()))()
    with pytest.raises(ReadError, match="there is no file"):
        personal(tmp_path / "none.dcm")


def nested(depth, *, lengths):
    """A name in so many sequences, written by hand: pydicom itself cannot write so deep."""
    inner = b"\x10\x00\x10\x00PN" + struct.pack("<H", 4) + b"Doe "
    for _ in range(depth):
        size = struct.pack("<I", len(inner)) if lengths else b"\xff" * 4
        item = b"\xfe\xff\x00\xe0" + size + inner
        item += b"" if lengths else b"\xfe\xff\x0d\xe0" + bytes(4)
        size = struct.pack("<I", len(item)) if lengths else b"\xff" * 4
        inner = b"\x08\x00\x15\x11SQ\0\0" + size + item
        inner += b"" if lengths else b"\xfe\xff\xdd\xe0" + bytes(4)
    return inner


@pytest.mark.parametrize("lengths", [True, False])
def test_sequences_nested_deeper_than_the_stack_end_in_an_answer_or_a_refusal(tmp_path, lengths):
    path = tmp_path / "a.dcm"
    image().save_as(path, enforce_file_format=True)
    before, modality, after = path.read_bytes().partition(b"\x08\x00\x60\x00CS\x02\x00CR")
    path.write_bytes(before + modality + nested(2000, lengths=lengths) + after)
    if lengths:
        assert personal(path).person == ("PatientName",)
    else:
        with pytest.raises(ReadError, match="its decoder gave up"):
            personal(path)
