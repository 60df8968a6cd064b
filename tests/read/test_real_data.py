"""Rare, odd and broken files from the test suites of pydicom, nibabel, pynrrd and others."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut, apply_voi_lut

from medgraft.errors import ReadError
from medgraft.read import read

HERE = Path(__file__).parent
NO_PIXELS = "DICOM object without pixels"
DIRECTORY = "directory of a DICOM medium"
BROKEN_DICOM = {
    "JPEG2000-embedded-sequence-delimiter.dcm": "coded as 1024 x 3722445056",
    "MR_truncated.dcm": "8130 vs 8192 bytes",
    "badVR.dcm": "sizes are no numbers .*'1A'",
    "crayons.icc": "no known format",
    "emri_small_jpeg_2k_lossless_too_short.dcm": "none of its tags can be read",
    "empty_charset_LEI.dcm": "neither what it is nor how large",
    "meta_missing_tsyntax.dcm": "neither what it is nor how large",
    "nested_priv_SQ.dcm": "neither what it is nor how large",
    "no_meta.dcm": "neither what it is nor how large",
}
# Named twins: the same picture, coded in a way that pydicom 3.0 reads.
TWINS = {
    "liver_rle.dcm": "liver.dcm",
    "liver_deflate.dcm": "liver.dcm",
    "liver_nonbyte_aligned_rle.dcm": "liver_nonbyte_aligned_j2k.dcm",
    "liver_nonbyte_aligned_deflate.dcm": "liver_nonbyte_aligned_j2k.dcm",
}
BY_GDCM = ("1.2.840.10008.1.2.4.51", "1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70")
BROKEN_VOLUMES = {
    "BallBinary30x30x30_byteskip_minus_five.nhdr": "-5 bytes; the least are 0 and -1",
    "BallBinary30x30x30_nifti.nhdr": "more than the 54000 bytes",
    "test1d_ascii.nrrd": "it has 1 axes",
    "test_customFields.nrrd": "it has 1 axes",
    "analyze.hdr": r"analyze\.img' is missing",
    "nifti1.hdr": r"nifti1\.img' is missing",
    "nifti2.hdr": r"nifti2\.img' is missing",
    "bad_attribute+orig.HEAD": r"bad_attribute\+orig\.BRIK' is missing",
    "bad_datatype+orig.HEAD": r"bad_datatype\+orig\.BRIK' is missing",
    "phantom_EPI_asc_CLEAR_2_1.PAR": r"\.REC' is missing",
    "phantom_truncated.PAR": r"\.REC' is missing",
    "row_major.dconn.nii": "CIFTI",
}


def inventory(data, folder, column):
    with (data / folder / "inventory.csv").open() as handle:
        return [data / folder / row[column] for row in csv.DictReader(handle)]


def by_pydicom(path):
    """Values after the modality LUT, colours last, MONOCHROME1 turned over, slow and simple."""
    twin = path.with_name(TWINS.get(path.name, path.name))
    ds = pydicom.dcmread(twin, force=True)
    if ds.file_meta.TransferSyntaxUID in BY_GDCM:
        array = sitk.GetArrayFromImage(sitk.ReadImage(path)).squeeze()  # rescaled already
    elif ds.PhotometricInterpretation == "PALETTE COLOR":
        array = apply_color_lut(ds.pixel_array, ds)
    else:
        array = apply_modality_lut(ds.pixel_array, enhanced(ds))
    if ds.PhotometricInterpretation == "MONOCHROME1":
        slope, intercept = float(ds.get("RescaleSlope", 1)), float(ds.get("RescaleIntercept", 0))
        array = 2 * intercept + (2**ds.BitsStored - 1) * slope - array
    colour = ds.SamplesPerPixel == 3 or ds.PhotometricInterpretation == "PALETTE COLOR"
    return np.moveaxis(array, -1, 0) if colour else array[None]


def enhanced(ds):
    """Lift the rescaling of an enhanced file to where pydicom looks for it."""
    for group in ds.get("SharedFunctionalGroupsSequence", []):
        for item in group.get("PixelValueTransformationSequence", []):
            ds.RescaleSlope, ds.RescaleIntercept = item.RescaleSlope, item.RescaleIntercept
    return ds


@pytest.mark.filterwarnings("ignore")  # what pydicom, the oracle, says of odd files
def test_odd_dicom_reads_as_pydicom_and_gdcm_read_it_or_says_why_not(data):
    seen = 0
    for path in inventory(data, "odd-dicom", "path"):
        broken = BROKEN_DICOM.get(path.name)
        if path.name.startswith("DICOMDIR"):
            broken = DIRECTORY
        elif broken is None and "Rows" not in pydicom.dcmread(path, force=True):
            broken = NO_PIXELS
        if broken:
            with pytest.raises(ReadError, match=broken):
                read(path)
            continue
        expected = by_pydicom(path)
        scan = read(path)
        assert scan.array.shape == expected.shape, path
        if scan.array.dtype.kind in "iu":
            np.testing.assert_array_equal(scan.array, expected, err_msg=str(path))
        else:
            np.testing.assert_allclose(scan.array, expected, rtol=1e-6, err_msg=str(path))
        seen += 1
    assert seen >= 95


@pytest.mark.filterwarnings("ignore")
def test_a_window_gives_what_pydicom_gives(data):
    seen = 0
    for path in inventory(data, "odd-dicom", "path"):
        ds = pydicom.dcmread(path, force=True)
        if "WindowCenter" not in ds or "Rows" not in ds or path.name in BROKEN_DICOM:
            continue
        if ds.file_meta.TransferSyntaxUID in BY_GDCM:
            continue
        expected = apply_voi_lut(apply_modality_lut(ds.pixel_array, ds), ds)
        scan = read(path, window=True)
        low, high = scan.value_range
        if ds.PhotometricInterpretation == "MONOCHROME1":
            expected = low + high - expected
        np.testing.assert_allclose(scan.array[0], expected, atol=1e-2, err_msg=str(path))
        assert low <= scan.array.min()
        assert scan.array.max() <= high
        seen += 1
    assert seen >= 20


def by_library(path):
    """Values and spacing, channels first, from nibabel or SimpleITK."""
    if path.name == "test_simple4d_raw.nrrd":  # one number; SimpleITK refuses its four axes
        return np.frombuffer(path.read_bytes()[-9:-1]).reshape(1, 1, 1, 1), (1.5, 1.5, 1.0)
    if path.suffix in (".nrrd", ".nhdr"):
        image = sitk.ReadImage(path)
        array = sitk.GetArrayFromImage(image).T
        return array[None] if array.ndim < 4 else np.moveaxis(array, -1, 0), image.GetSpacing()
    image = nib.load(path)
    array, zooms = np.asanyarray(image.dataobj), image.header.get_zooms()
    if path.name == "minc1_4d.mnc":
        return array, zooms[1:]
    return array[None] if array.ndim == 3 else np.moveaxis(array, -1, 0), zooms


@pytest.mark.filterwarnings("ignore")
def test_odd_volumes_read_as_their_libraries_read_them_or_say_why_not(data):
    seen = 0
    for path in inventory(data, "odd-volumes", "file"):
        if path.name in BROKEN_VOLUMES:
            with pytest.raises(ReadError, match=BROKEN_VOLUMES[path.name]):
                read(path)
            continue
        if path.suffix == ".dcm":
            continue  # one of pydicom's formats, tested there
        if "bz2" in path.name:  # SimpleITK has no bzip2
            expected = by_library(path.with_name("BallBinary30x30x30.nrrd"))
        else:
            expected = by_library(path)
        scan = read(path)
        np.testing.assert_allclose(scan.array, expected[0], rtol=1e-6, err_msg=str(path))
        dims = scan.dims
        assert scan.spacing_mm == pytest.approx(tuple(map(float, expected[1][:dims]))), path
        seen += 1
    assert seen >= 24


def test_affines_agree_with_nibabel_and_with_itk(data):
    for path in [*data.glob("vol-ct-totalseg/*.nii.gz"), *data.glob("odd-volumes/nibabel/a*.nii")]:
        np.testing.assert_allclose(read(path).affine, nib.load(path).affine, atol=1e-6)
    turn = np.diag([-1.0, -1.0, 1.0, 1.0])
    for path in data.glob("odd-volumes/pynrrd/BallBinary30x30x30*.nrrd"):
        if "bz2" in path.name:
            continue
        image = sitk.ReadImage(path)
        affine = np.eye(4)
        affine[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
        affine[:3, 3] = image.GetOrigin()
        np.testing.assert_allclose(read(path).affine, turn @ affine, atol=1e-6)


def test_a_series_without_ids_is_the_volume_that_itk_makes_of_it(data):
    folder = data / "vol-ct-totalseg" / "example_ct_dicom"
    files = sorted(folder.iterdir(), key=lambda f: pydicom.dcmread(f).ImagePositionPatient[2])
    image = sitk.ReadImage([str(file) for file in files])
    scan = read(folder)
    np.testing.assert_array_equal(scan.array[0], sitk.GetArrayFromImage(image))
    assert scan.spacing_mm == pytest.approx(image.GetSpacing()[::-1])
    index = (3, 100, 200)  # slice, row, column
    point = np.array(image.TransformIndexToPhysicalPoint(index[::-1])) * [-1, -1, 1]
    np.testing.assert_allclose((scan.affine @ [*index, 1])[:3], point, atol=1e-6)


def sweep(paths):
    """Read files in a child with 2 GiB of address space; outcomes and the most memory taken."""
    done = subprocess.run(
        [sys.executable, HERE / "sweep.py"],
        input="\n".join(map(str, paths)),
        capture_output=True,
        text=True,
        timeout=300,
        env={"OPENBLAS_NUM_THREADS": "1"},
        check=True,
    )
    assert done.stderr == ""
    *outcomes, last = map(json.loads, done.stdout.splitlines())
    assert len(outcomes) == len(paths)
    return outcomes, last["most_bytes"]


def files_of(data, step):
    """All odd files, and every `step`-th of the others."""
    every = [path for path in sorted(data.rglob("*")) if path.is_file()]
    odd = [path for path in every if "odd-" in str(path)]
    rest = [path for path in every if "odd-" not in str(path) and "weights" not in str(path)]
    return odd + rest[::step]


def check_sweep(paths):
    outcomes, most_bytes = sweep(paths)
    for outcome in outcomes:
        assert "crash" not in outcome, outcome
        assert outcome["seconds"] < 20, outcome
        image = (
            Path(outcome["path"]).suffix in (".jpeg", ".png", ".gz")
            and "odd-" not in outcome["path"]
        )
        assert not image or "shape" in outcome, outcome
    assert most_bytes < 2**30


def test_no_file_crashes_or_hangs_or_takes_much_memory(data):
    check_sweep(files_of(data, 40))


@pytest.mark.slow
def test_none_of_ten_thousand_files_crashes_or_hangs_or_takes_much_memory(data):
    check_sweep(files_of(data, 1))
