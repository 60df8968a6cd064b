"""What DICOM values mean, and how slices become a volume."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import RLELossless
from sampling import ramp

from medgraft.errors import ReadError
from medgraft.read import Identity, identity, read

sys.path.insert(0, str(Path(__file__).parent / "samples"))
from sample_dicom import dataset, save
from sample_dicom_series import write_series


def test_rescaled_integers_stay_integers_and_fractions_become_floats(tmp_path):
    stored = ramp(5, 7, kind="uint16")
    ct = dataset(stored, bits=12, RescaleSlope=1, RescaleIntercept=-1024, Modality="CT")
    scan = read(save(ct, tmp_path / "ct.dcm"))
    assert (scan.array.dtype, scan.modality, scan.value_range) == (np.int16, "CT", None)
    np.testing.assert_array_equal(scan.array[0], stored.astype(int) - 1024)
    pet = dataset(stored, RescaleSlope=0.25, RescaleIntercept=1, Modality="PT")
    scan = read(save(pet, tmp_path / "pet.dcm"))
    assert scan.array.dtype == np.float32
    np.testing.assert_allclose(scan.array[0], stored * 0.25 + 1)


@pytest.mark.parametrize("bits", [10, 12, 16])
def test_monochrome1_is_turned_over_in_the_range_that_the_file_declares(tmp_path, bits):
    """Not in the range of the values at hand: two films of one detector stay comparable."""
    stored = (ramp(5, 7, kind="uint16") % 700).astype(np.uint16)
    ds = dataset(stored, bits=bits, PhotometricInterpretation="MONOCHROME1")
    scan = read(save(ds, tmp_path / "a.dcm"))
    np.testing.assert_array_equal(scan.array[0], 2**bits - 1 - stored)
    assert scan.value_range == (0, 2**bits - 1)


def test_frames_of_an_enhanced_file_are_rescaled_and_windowed_one_by_one(tmp_path):
    stored = ramp(3, 5, 7, kind="uint16")
    groups = []
    for at in range(3):
        values, window, position = Dataset(), Dataset(), Dataset()
        values.RescaleSlope, values.RescaleIntercept = at + 1, -at
        window.WindowCenter, window.WindowWidth = 100, 200
        position.ImagePositionPatient = [0, 0, 4.0 * at]
        group = Dataset()
        group.PixelValueTransformationSequence = [values]
        group.FrameVOILUTSequence = [window]
        group.PlanePositionSequence = [position]
        groups.append(group)
    measures, turned, shared = Dataset(), Dataset(), Dataset()
    measures.PixelSpacing = [2.0, 3.0]
    turned.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = [measures], [turned]
    ds = dataset(stored, bits=12)
    del ds.PixelSpacing
    ds.PerFrameFunctionalGroupsSequence, ds.SharedFunctionalGroupsSequence = groups, [shared]
    path = save(ds, tmp_path / "a.dcm")
    scan = read(path)
    for at in range(3):
        np.testing.assert_array_equal(scan.array[0, at], stored[at].astype(int) * (at + 1) - at)
    assert scan.spacing_mm == (4.0, 2.0, 3.0)
    np.testing.assert_allclose(scan.affine @ [2, 1, 1, 1], [-3, -2, 8, 1])
    windowed = read(path, window=True)
    assert windowed.value_range == (0, 4095)
    for at in range(3):  # PS3.3 C.11.2.1.2.1, drawn alike although the frames are scaled unalike
        value = (stored[at].astype(float) * (at + 1) - at - 99.5) / 199 + 0.5
        np.testing.assert_allclose(windowed.array[0, at], value.clip(0, 1) * 4095, atol=0.01)


def test_a_palette_becomes_its_colours(tmp_path):
    stored = np.arange(35, dtype=np.uint8).reshape(5, 7)
    ds = dataset(stored, PhotometricInterpretation="PALETTE COLOR")
    tables = np.random.default_rng(0).integers(0, 255, (3, 256), np.uint8)
    for name, table in zip(("Red", "Green", "Blue"), tables, strict=True):
        setattr(ds, f"{name}PaletteColorLookupTableDescriptor", [256, 0, 8])
        ds[f"{name}PaletteColorLookupTableDescriptor"].VR = "US"
        setattr(ds, f"{name}PaletteColorLookupTableData", table.tobytes())
        ds[f"{name}PaletteColorLookupTableData"].VR = "OW"
    np.testing.assert_array_equal(read(save(ds, tmp_path / "a.dcm")).array, tables[:, stored])


@pytest.mark.parametrize("at", [0, 4, 8, 64, 70])
def test_a_damaged_run_length_frame_is_refused_and_does_not_end_the_process(tmp_path, at):
    """The decoder of pylibjpeg panics on some of these, which no `except Exception` catches."""
    from pydicom.encaps import encapsulate, generate_frames

    ds = dataset(ramp(5, 7, kind="uint16"))
    ds.compress(RLELossless, generate_instance_uid=False)
    frame = bytearray(next(generate_frames(ds.PixelData, number_of_frames=1)))
    frame[at] = 0x7F
    ds.PixelData = encapsulate([bytes(frame)])
    path = save(ds, tmp_path / "a.dcm")
    with pytest.raises(ReadError, match="RLE"):
        read(path)


def test_floats_are_read(tmp_path):
    ds = dataset(ramp(5, 7, kind="uint16"))
    del ds.PixelData
    ds.BitsAllocated, ds.FloatPixelData = 32, (ramp(5, 7) / 8).astype("<f4").tobytes()
    for keyword in ("BitsStored", "HighBit", "PixelRepresentation"):
        delattr(ds, keyword)
    scan = read(save(ds, tmp_path / "a.dcm"))
    np.testing.assert_array_equal(scan.array[0], (ramp(5, 7) / 8).astype(np.float32))
    assert scan.value_range is None


def test_identity_tells_what_the_tags_say(tmp_path):
    ds = dataset(
        ramp(5, 7),
        StudyInstanceUID="1.2",
        SeriesInstanceUID="1.3",
        ViewPosition="MLO",
        ImageLaterality="R",
        Modality="MG",
        InstanceNumber=4,
        ImagePositionPatient=[1, 2, 3],
    )
    found = identity(save(ds, tmp_path / "a.dcm"))
    assert found == Identity("P1", "1.2", "1.3", "MLO", "R", "MG", (1.0, 2.0, 3.0), 4)


class TestTheWindowOfAFile:
    @pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
    def test_its_ends_are_where_pydicom_reaches_black_and_white(self, tmp_path, photometric):
        ds = dataset(
            np.arange(4096, dtype=np.uint16).reshape(64, 64),
            BitsStored=12,
            HighBit=11,
            RescaleSlope=2,
            RescaleIntercept=-1000,
            WindowCenter=[300, 5000],
            WindowWidth=[800, 9000],
            PhotometricInterpretation=photometric,
        )
        path = save(ds, tmp_path / "a.dcm")
        low, high = identity(path).window
        plain, shown = read(path).array.ravel(), read(path, window=True).array.ravel()
        grey = shown[(shown > shown.min()) & (shown < shown.max())]
        within = plain[(shown > shown.min()) & (shown < shown.max())]
        assert len(grey) == 399
        assert within.min() - 2 <= low <= within.min() <= within.max() <= high <= within.max() + 2

    def test_of_a_lookup_table_it_is_the_ends(self, tmp_path):
        from pydicom.dataset import Dataset

        table = Dataset()
        table.add_new("LUTDescriptor", "US", [256, 100, 8])
        table.LUTData = bytes(256)
        ds = dataset(ramp(5, 7, kind="uint16"), VOILUTSequence=[table])
        assert identity(save(ds, tmp_path / "a.dcm")).window == (100, 355)

    @pytest.mark.parametrize(
        "tags", [{}, {"WindowCenter": 40}, {"WindowCenter": 40, "WindowWidth": 0}]
    )
    def test_there_is_none_where_the_tags_make_no_sense(self, tmp_path, tags):
        assert identity(save(dataset(ramp(5, 7), **tags), tmp_path / "a.dcm")).window is None


def test_an_oblique_series_lies_where_its_tags_say(tmp_path):
    volume = ramp(3, 5, 7)
    right, down = np.array([0.6, 0.8, 0]), np.array([0, 0, -1.0])
    normal = np.cross(right, down)
    folder = write_series(tmp_path / "s", volume, [0, 0, 0])
    import pydicom

    for at, path in enumerate(sorted(folder.iterdir(), key=lambda p: int(p.name[2:]) * 3 % 10)):
        ds = pydicom.dcmread(path)
        ds.ImageOrientationPatient = [*right, *down]
        ds.ImagePositionPatient = list(np.array([5.0, 6.0, 7.0]) + normal * 2.5 * (2 - at))
        ds.save_as(path)
    scan = read(folder)
    np.testing.assert_array_equal(scan.array[0], volume[::-1])
    point = np.array([5.0, 6.0, 7.0]) + normal * 2.5 * 1 + down * 0.5 * 2 + right * 0.25 * 3
    np.testing.assert_allclose((scan.affine @ [1, 2, 3, 1])[:3], point * [-1, -1, 1], atol=1e-9)


class TestASeriesIsRefused:
    def test_when_it_is_two_and_both_are_named(self, tmp_path):
        write_series(tmp_path / "s", ramp(2, 5, 7), [0, 1], series="1.2.3", names=["a", "b"])
        write_series(tmp_path / "s", ramp(2, 5, 7), [0, 1], series="4.5.6", names=["c", "d"])
        with pytest.raises(ReadError, match=r"2 series \(1\.2\.3: 2 files such as 'a'; 4\.5\.6"):
            read(tmp_path / "s")

    def test_when_a_slice_is_missing(self, tmp_path):
        heights = [0, 2, 4, 8, 10]
        write_series(tmp_path / "s", ramp(5, 5, 7), heights, names=list("abcde"))
        with pytest.raises(
            ReadError, match="4 mm between 'c' and 'd', usually 2 mm; 1 slices seem"
        ):
            read(tmp_path / "s")

    def test_when_two_slices_lie_in_one_place(self, tmp_path):
        write_series(tmp_path / "s", ramp(3, 5, 7), [0, 1, 1], names=list("abc"))
        with pytest.raises(ReadError, match="'b' and 'c'"):
            read(tmp_path / "s")

    def test_when_sizes_differ(self, tmp_path):
        write_series(tmp_path / "s", ramp(2, 5, 7), [0, 1], names=["a", "b"])
        write_series(tmp_path / "s", ramp(2, 5, 6), [2, 3], names=["c", "d"])
        with pytest.raises(ReadError, match="2 sizes"):
            read(tmp_path / "s")

    def test_when_one_of_its_files_is_cut_short_and_that_one_is_named(self, tmp_path):
        folder = write_series(tmp_path / "s", ramp(3, 5, 7), [0, 1, 2], names=list("abc"))
        (folder / "b").write_bytes((folder / "b").read_bytes()[:-30])
        with pytest.raises(ReadError) as caught:
            read(folder)
        assert caught.value.path == str(folder / "b")

    def test_when_all_of_it_is_too_large_though_each_slice_is_not(self, tmp_path):
        folder = write_series(tmp_path / "s", ramp(4, 50, 70), range(4))
        with pytest.raises(ReadError, match="4 x 1 x 50 x 70 x 1 values"):
            read(folder, max_bytes=20_000)


def test_without_positions_instance_numbers_order_the_slices(tmp_path):
    volume = ramp(3, 5, 7)
    folder = write_series(tmp_path / "s", volume, [0, 1, 2], names=list("abc"))
    import pydicom

    for path in folder.iterdir():
        ds = pydicom.dcmread(path)
        del ds.ImagePositionPatient
        ds.save_as(path)
    scan = read(folder)
    np.testing.assert_array_equal(scan.array[0], volume[::-1])  # numbers run backwards
    assert (scan.spacing_mm, scan.affine) == (None, None)


def test_the_first_films_of_a_process_may_be_read_by_many_threads_at_once():
    """Decoders are installed with the first one; in a process of its own, where none are yet."""
    program = (
        "import sys, threading\n"
        "from concurrent.futures import ThreadPoolExecutor\n"
        "from pydicom.pixels.decoders.base import get_decoder\n"
        "from medgraft.read.decoders import install, jpeg, rle\n"
        "sys.setswitchinterval(1e-6)\n"
        "together = threading.Barrier(8)\n"
        "def one(_):\n"
        "    together.wait()\n"
        "    install()\n"
        "with ThreadPoolExecutor(8) as pool:\n"
        "    list(pool.map(one, range(8)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
