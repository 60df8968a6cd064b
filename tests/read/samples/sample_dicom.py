"""DICOM by pydicom's writer: one file of every transfer syntax that it or imagecodecs encodes."""

import imagecodecs
import numpy as np
from pydicom import uid
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from sampling import Sample, ramp

GREY = {"uncompressed": uid.ExplicitVRLittleEndian, "implicit": uid.ImplicitVRLittleEndian}


def dataset(array, syntax=uid.ExplicitVRLittleEndian, bits=None, **tags):
    """A secondary capture; `array` is (rows, columns), (frames, rows, columns) or (rows, columns, 3)."""
    colour = array.ndim == 3 and array.shape[-1] == 3
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = syntax
    ds.file_meta.MediaStorageSOPClassUID = uid.SecondaryCaptureImageStorage
    ds.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4"
    ds.SOPClassUID, ds.SOPInstanceUID = uid.SecondaryCaptureImageStorage, "1.2.3.4"
    ds.PatientID, ds.Modality = "P1", "OT"
    ds.Rows, ds.Columns = array.shape[:2] if colour or array.ndim == 2 else array.shape[1:]
    if array.ndim == 3 and not colour:
        ds.NumberOfFrames = len(array)
    ds.SamplesPerPixel = 3 if colour else 1
    ds.PhotometricInterpretation = "RGB" if colour else "MONOCHROME2"
    if colour:
        ds.PlanarConfiguration = 0
    ds.BitsAllocated = 8 * array.dtype.itemsize
    ds.BitsStored = bits or ds.BitsAllocated
    ds.HighBit = ds.BitsStored - 1
    ds.PixelRepresentation = int(array.dtype.kind == "i")
    ds.PixelSpacing = [0.5, 0.25]
    if syntax.is_encapsulated:
        ds.PixelData = None
    else:
        order = "<" if syntax.is_little_endian else ">"
        raw = array.astype(array.dtype.newbyteorder(order)).tobytes()
        ds.PixelData = raw + b"\0" * (len(raw) % 2)
        ds["PixelData"].VR = "OW" if ds.BitsAllocated > 8 else "OB"
    for keyword, value in tags.items():
        setattr(ds, keyword, value)
    return ds


def save(ds, path):
    if ds.file_meta.TransferSyntaxUID.is_encapsulated:
        ds["PixelData"].VR = "OB"
        ds["PixelData"].is_undefined_length = True
    ds.save_as(path, enforce_file_format=True)
    return path


def coded(array, syntax, frame, bits=None, **tags):
    ds = dataset(array, syntax, bits, **tags)
    ds.PixelData = encapsulate([frame])
    return ds


def make(folder):
    grey, deep = ramp(5, 7, kind="uint8"), ramp(5, 7, kind="uint16")
    colour, signed = ramp(5, 7, 3, kind="uint8"), ramp(5, 7) - 2000
    film = ramp(3, 5, 7, kind="uint16")
    jpeg8, ljpeg = imagecodecs.jpeg8_encode, imagecodecs.ljpeg_encode
    lossy = imagecodecs.jpeg8_decode(jpeg8(grey, level=90))
    twelve = jpeg8(deep, level=95, bitspersample=12)
    files = {
        "explicit": (dataset(signed), signed),
        "implicit": (dataset(deep, uid.ImplicitVRLittleEndian), deep),
        "big": (dataset(deep, uid.ExplicitVRBigEndian), deep),
        "deflated": (dataset(deep, uid.DeflatedExplicitVRLittleEndian), deep),
        "twelve": (dataset(deep, bits=12), deep),
        "colour": (dataset(colour), colour),
        "film": (dataset(film), film),
        "jpeg": (coded(grey, uid.JPEGBaseline8Bit, jpeg8(grey, level=90)), lossy),
        "jpeg12": (
            coded(deep, uid.JPEGExtended12Bit, twelve, bits=12),
            imagecodecs.jpeg8_decode(twelve),
        ),
        "lossless": (
            coded(deep, uid.JPEGLosslessSV1, ljpeg(deep, bitspersample=12), bits=12),
            deep,
        ),
        "jpegls": (coded(deep, uid.JPEGLSLossless, imagecodecs.jpegls_encode(deep)), deep),
        "j2k": (
            coded(
                deep,
                uid.JPEG2000Lossless,
                imagecodecs.jpeg2k_encode(deep, level=0, codecformat="j2k", reversible=True),
            ),
            deep,
        ),
    }
    rle = dataset(deep)
    rle.compress(uid.RLELossless, generate_instance_uid=False)
    files["rle"] = (rle, deep)
    made = []
    for name, (ds, array) in files.items():
        array = np.moveaxis(array, -1, 0) if array.shape[-1] == 3 else array[None]
        spacing = (0.5, 0.25) if name != "film" else None
        made.append(Sample(save(ds, folder / f"{name}.dcm"), array, spacing))
    return made
