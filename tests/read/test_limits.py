"""Small files that would take much memory."""

import bz2
import gzip
import io
import struct
import tracemalloc
import zipfile
import zlib

import nibabel as nib
import numpy as np
import pytest
import tifffile

from medgraft.errors import ReadError
from medgraft.read import read

BUDGET = 2**24
HUGE = 2**28


def png(rows, columns):
    def chunk(kind, body):
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", columns, rows, 16, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(99)))


def nifti(shape, packed):
    header = nib.Nifti1Header()
    header.set_data_dtype(np.int16)
    header.set_data_shape(shape)
    header["vox_offset"], header["magic"] = 352, b"n+1"
    content = header.binaryblock + bytes(4) + bytes(1000)
    return gzip.compress(content) if packed else content


def long_note():
    """A NIfTI whose header says that a note of 2 GiB follows, and gzip makes it so."""
    header = nib.Nifti1Header()
    header.set_data_shape((2, 2, 2))
    header["vox_offset"], header["magic"] = 512, b"n+1"
    note = b"\x01\0\0\0" + struct.pack("<ii", 2**31 - 16, 6)
    return gzip.compress(header.binaryblock + note + bytes(HUGE))


def npz():
    """An NPZ with a header of a small array before many bytes, and one with a large header."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "|u1", "fortran_order": False, "shape": (2**20, 2**10)}
    )
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("image.npy", header.getvalue() + bytes(1000))
    return packed.getvalue()


def nrrd(encoding, content, sizes="4 4 4"):
    header = f"NRRD0004\ntype: uchar\ndimension: 3\nsizes: {sizes}\nencoding: {encoding}\n\n"
    return header.encode() + content


def tiff_bomb():
    """A TIFF of 8 x 8 whose one strip unpacks to 256 MiB."""
    plain = io.BytesIO()
    tifffile.imwrite(plain, np.zeros((8, 8), np.uint8), compression="deflate")
    raw = bytearray(plain.getvalue())
    with tifffile.TiffFile(io.BytesIO(plain.getvalue())) as file:
        tags = file.pages.first.tags
        offset, count = tags["StripOffsets"].valueoffset, tags["StripByteCounts"].valueoffset
    bomb = zlib.compress(bytes(HUGE))
    raw[offset : offset + 4] = struct.pack("<I", len(raw))
    raw[count : count + 4] = struct.pack("<I", len(bomb))
    return bytes(raw) + bomb


BOMBS = {
    "a.png": (png(2**15, 2**15), "may be taken"),
    "a.nii": (nifti((30000, 30000, 3), packed=False), "may be taken"),
    "a.nii.gz": (nifti((30000, 30000, 3), packed=True), "may be taken"),
    "cut.nii": (nifti((10, 10, 10), packed=False), "cut short"),
    "note.nii.gz": (long_note(), "a note in its header is 2147483632 bytes long"),
    "a.npz": (npz(), "may be taken"),
    "a.nrrd": (nrrd("raw", b"", "99999 99999 9"), "may be taken"),
    "gz.nrrd": (nrrd("gzip", gzip.compress(bytes(HUGE))), "more than the 64 bytes"),
    "bz2.nrrd": (nrrd("bzip2", bz2.compress(bytes(HUGE))), "more than the 64 bytes"),
    "skip.nrrd": (
        nrrd("gzip", gzip.compress(bytes(HUGE))).replace(b"encoding", b"byte skip: -1\nencoding"),
        "unpacks to more",
    ),
    "a.mha": (
        b"ObjectType = Image\nNDims = 3\nDimSize = 9999 9999 99\nElementType = MET_SHORT\n"
        b"ElementDataFile = LOCAL\n",
        "may be taken",
    ),
    "a.pgm": (b"P5 99999 99999 255\n", "may be taken"),
    "a.jpg": (
        bytes.fromhex("ffd8ffc1000b0c") + b"\xf0\x00\xf0\x00" + bytes.fromhex("01010011003f"),
        "may be taken",
    ),
    "a.tif": (tiff_bomb(), "."),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_header_is_not_believed_and_a_bomb_is_not_unpacked(tmp_path, name):
    content, reason = BOMBS[name]
    (tmp_path / name).write_bytes(content)
    tracemalloc.start()
    try:
        with pytest.raises(ReadError, match=reason):
            read(tmp_path / name, max_bytes=BUDGET)
        assert tracemalloc.get_traced_memory()[1] < 4 * BUDGET
    finally:
        tracemalloc.stop()


def test_a_header_may_not_point_outside_its_folder(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "secret").write_bytes(bytes(64))
    head = nrrd("raw", b"").replace(b"\n\n", b"\ndata file: ../secret\n\n")
    (tmp_path / "in" / "a.nhdr").write_bytes(head)
    with pytest.raises(ReadError, match="outside its own folder"):
        read(tmp_path / "in" / "a.nhdr")


def test_objects_in_an_npy_are_refused_and_never_loaded(tmp_path):
    np.save(tmp_path / "a.npy", np.array([{"a": 1}, None]), allow_pickle=True)
    with pytest.raises(ReadError, match="Python objects"):
        read(tmp_path / "a.npy")
