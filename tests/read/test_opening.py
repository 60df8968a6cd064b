"""Finding the format, and what is said when there is none."""

import os
import threading
import warnings

import numpy as np
import pytest
from PIL import Image

from medgraft.errors import ReadError
from medgraft.read import read
from medgraft.read.quiet import quiet


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(np.arange(35, dtype=np.uint8).reshape(5, 7)).save(path)
    return path


@pytest.mark.parametrize("name", ["a.dcm", "a.nii.gz", "a", "a.txt"])
def test_the_content_decides_and_not_the_name(picture, name):
    renamed = picture.rename(picture.with_name(name))
    np.testing.assert_array_equal(read(renamed).array[0], np.arange(35).reshape(5, 7))


def test_a_file_may_have_a_hash_in_its_name(picture):
    renamed = picture.rename(picture.with_name("film #3.png"))
    assert read(renamed).array.shape == (1, 5, 7)
    assert read(str(renamed)).source == str(renamed)


def test_the_file_named_with_a_hash_goes_before_the_member(tmp_path):
    np.savez(tmp_path / "x.npz", image=np.zeros((2, 5, 7), np.uint8))
    Image.fromarray(np.full((3, 3), 9, np.uint8)).save(tmp_path / "x.npz#image", format="PNG")
    assert read(tmp_path / "x.npz#image").array.max() == 9
    assert read(tmp_path / "x.npz#image/1").array.shape == (1, 5, 7)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"patient,label\n1,0\n", "no known format"),
        (b"PK\x03\x04 a zip archive", "no known format"),
        (b"\x89PNG\r\n\x1a\n", "gave up"),
        (b"\x1f\x8b\x08 no gzip", "no known format"),
    ],
)
def test_what_is_no_image_is_refused_with_its_reason(tmp_path, content, reason):
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    with pytest.raises(ReadError, match=reason) as caught:
        read(path)
    assert caught.value.path == str(path)
    assert caught.value.remedy


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(ReadError, match="there is no file"):
        read(tmp_path / "a.png")


def test_a_folder_of_pictures_is_no_series(picture):
    with pytest.raises(ReadError, match="folder without DICOM images"):
        read(picture.parent)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_forbidden_file_is_refused(picture):
    picture.chmod(0)
    with pytest.raises(ReadError, match="may not read"):
        read(picture)


def test_a_device_is_refused():
    with pytest.raises(ReadError, match="not a regular file"):
        read("/dev/zero")


def test_threads_that_overlap_leave_the_warnings_as_they_were():
    before = list(warnings.filters)
    together = threading.Barrier(8)

    def work():
        for _ in range(50):
            with quiet():
                together.wait()
                warnings.warn("nobody hears this", stacklevel=1)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(warnings.filters) == before
    with pytest.raises(UserWarning):
        warnings.warn("somebody hears this", stacklevel=1)


def test_a_photograph_is_turned_upright(tmp_path):
    """EXIF orientation 6: the camera was held so that the top of the scene is at the right."""
    flat = np.zeros((16, 24), np.uint8)
    flat[:, 16:] = 200
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(flat).save(tmp_path / "a.jpg", quality=100, exif=exif)
    array = read(tmp_path / "a.jpg").array[0]
    assert array.shape == (24, 16)
    assert array[:14].max() < 20
    assert array[18:].min() > 180


def test_transparent_pixels_are_laid_on_black_and_grey_palettes_are_grey(tmp_path):
    clear = np.full((4, 4, 4), 200, np.uint8)
    clear[..., 3] = [0, 0, 255, 255]
    Image.fromarray(clear).save(tmp_path / "clear.png")
    np.testing.assert_array_equal(read(tmp_path / "clear.png").array[:, 0], [[0, 0, 200, 200]] * 3)
    grey = Image.fromarray(np.arange(16, dtype=np.uint8).reshape(4, 4) * 9)
    for palette, channels in (([v for v in range(256) for _ in range(3)], 1), ([9, 8, 7] * 256, 3)):
        image = grey.copy()
        image.putpalette(palette)
        image.save(tmp_path / "palette.png")
        assert read(tmp_path / "palette.png").channels == channels
