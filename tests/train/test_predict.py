"""`medgraft predict`: new files as in training, and what cannot be predicted."""

import shutil

import numpy as np
import polars as pl
import pytest
from pydicom import dcmread, uid
from pydicom.dataset import Dataset, FileMetaDataset

from medgraft.cli.__main__ import main
from medgraft.index import Index
from medgraft.runs import RunFolder
from medgraft.train.train import train
from tests.train.conftest import make_spots, quick


def write_slice(path, pixels, *, low, high, number=1):
    """A CT slice whose window runs from `low` to `high`, stored as HU + 1024."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = uid.CTImageStorage
    meta.MediaStorageSOPInstanceUID = f"1.2.3.{number}"
    ds = Dataset()
    ds.file_meta = meta
    ds.SOPClassUID, ds.SOPInstanceUID = uid.CTImageStorage, f"1.2.3.{number}"
    ds.SeriesInstanceUID, ds.StudyInstanceUID, ds.PatientID = "1.2", "1.1", "p"
    ds.Modality, ds.InstanceNumber = "CT", number
    ds.ImagePositionPatient = [0, 0, number]
    ds.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    ds.PixelSpacing = [1, 1]
    ds.Rows, ds.Columns = pixels.shape
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated = ds.BitsStored = 16
    ds.HighBit, ds.PixelRepresentation = 15, 0
    ds.RescaleSlope, ds.RescaleIntercept = 1, -1024
    ds.WindowCenter, ds.WindowWidth = (low + high) / 2 + 0.5, high - low + 1
    ds.PixelData = (pixels + 1024).astype("<u2").tobytes()
    ds.save_as(path, enforce_file_format=True)


@pytest.fixture(scope="module")
def slices(tmp_path_factory):
    """A run on CT slices, each with a window of its own that hides most of its range."""
    folder = tmp_path_factory.mktemp("slices")
    index = Index.load(make_spots(folder))
    rng = np.random.default_rng(0)
    for number, path in enumerate(index.frame["path"]):
        low = int(rng.integers(-200, 200))
        pixels = rng.integers(low, low + 60, (32, 32))
        pixels[10:22, 4 + 16 * (number % 2) : 14 + 16 * (number % 2)] += 40
        pixels[0, :2] = -1000, 3000  # air and metal, which a window leaves out
        write_slice((folder / path).with_suffix(".dcm"), pixels, low=low, high=low + 100)
    frame = index.frame.with_columns(
        path=pl.col("path").str.replace("png", "dcm"),
        image_id=pl.concat_str(pl.lit("d"), pl.col("image_id").str.slice(1)),
        bits=pl.lit(None, pl.Int64),
    )
    index.with_frame(frame).save(folder / "slices.parquet")
    recipe = quick(window="file", after="layer1", epochs=6, rate=3e-3)
    return folder, train(folder / "slices.parquet", folder / "run", recipe, command=[])


def predict(run, files, out, *more):
    return main(["predict", str(run.path), *map(str, files), "--out", str(out), *more])


def test_dicom_files_are_seen_through_their_own_window(slices, tmp_path):
    folder, run = slices
    known = pl.read_parquet(run.predictions)
    assert predict(run, [folder / path for path in known["path"]], tmp_path / "p.parquet") == 0
    table = pl.read_parquet(tmp_path / "p.parquet")
    assert table["path"].to_list() == [str(folder / path) for path in known["path"]]
    np.testing.assert_allclose(table["p_right"], known["p_right"], atol=1e-5)
    test = known["split"] == "test"
    agree = (table["predicted"] == "right") == (known["y_right"] == 1)
    assert agree.filter(test).mean() > 0.9
    # the same pixels under a window that hides the spot say something else
    victim = folder / known["path"][0]
    ds = dcmread(victim)
    ds.WindowCenter, ds.WindowWidth = 2000, 100
    ds.save_as(tmp_path / "other.dcm")
    assert predict(run, [tmp_path / "other.dcm"], tmp_path / "o.parquet") == 0
    other = pl.read_parquet(tmp_path / "o.parquet")["p_right"][0]
    assert abs(other - table["p_right"][0]) > 0.01


def test_what_cannot_be_predicted_stands_among_the_rejects(slices, tmp_path, capsys):
    folder, run = slices
    good = folder / "images" / "00.dcm"
    (tmp_path / "series").mkdir()
    for number in range(3):
        pixels = np.full((32, 32), number)
        path = tmp_path / "series" / f"{number}.dcm"
        write_slice(path, pixels, low=0, high=9, number=number)
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad.dcm").write_bytes(good.read_bytes()[:900])
    np.save(tmp_path / "volume.npy", np.zeros((1, 8, 8, 8), dtype=np.uint8))
    shutil.copy(folder / "images" / "00.png", tmp_path / "film.png")
    names = ["missing.dcm", "series", "empty", "bad.dcm", "volume.npy", "film.png"]
    out = tmp_path / "p.csv"
    assert predict(run, [good, *(tmp_path / name for name in names)], out) == 0
    assert pl.read_csv(out)["path"].to_list() == [str(good), str(tmp_path / "film.png")]
    rejects = pl.read_csv(tmp_path / "p.rejects.csv")
    named = (path.rpartition("/")[2] for path in rejects["path"])
    reasons = dict(zip(named, rejects["reason"], strict=True))
    assert list(reasons) == names[:-1]  # in the order in which they were given
    assert "there is no file" in reasons["missing.dcm"]
    assert "1 x 32 x 32 x 32 (channels first)" in reasons["series"]
    assert "1 x 32 x 32 x 32 (channels first)" in reasons["volume.npy"]
    assert "5 files could not be read" in capsys.readouterr().out
    assert predict(run, [good], out, "--force") == 0
    assert not (tmp_path / "p.rejects.csv").exists()  # they were of the table before


def test_many_files_are_read_by_other_processes_in_order(slices, tmp_path):
    folder, run = slices
    files = sorted((folder / "images").glob("*.dcm"))[:20]
    files.insert(3, tmp_path / "missing.dcm")
    assert predict(run, files, tmp_path / "p.csv") == 0
    assert pl.read_csv(tmp_path / "p.csv")["path"].to_list() == [
        str(file) for file in files if file.exists()
    ]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda run, out: ([], out), "predict needs at least one file"),
        (lambda run, out: (["none.png"], out), "at least one file must be readable"),
        (lambda run, out: (["a.png"], out.with_suffix(".xls")), "--out must end in .csv or"),
        (lambda run, out: (["a.png"], run.record), "--out must end in .csv or"),
        (lambda run, out: (["a.png"], run.predictions), "--out must name a new file"),
    ],
)
def test_a_wrong_call_is_one_line_and_exit_2(change, says, slices, tmp_path, capsys):
    files, out = change(slices[1], tmp_path / "p.csv")
    assert predict(slices[1], files, out) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert says in line


def test_a_run_that_is_not_finished_cannot_predict(slices, tmp_path, capsys):
    folder, run = slices
    stopped = RunFolder(tmp_path / "stopped")
    stopped.path.mkdir()
    shutil.copy(run.record, stopped.record)
    assert predict(stopped, [folder / "images" / "00.dcm"], tmp_path / "p.csv") == 2
    assert "must be a finished run" in capsys.readouterr().err
