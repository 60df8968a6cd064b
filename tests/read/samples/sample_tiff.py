"""TIFF by tifffile."""

import tifffile
from sampling import Sample, ramp


def make(folder):
    grey, deep, colour = (
        ramp(33, 17, kind="uint8"),
        ramp(33, 17, kind="uint16"),
        ramp(33, 17, 3, kind="uint8"),
    )
    stack, real = ramp(3, 33, 17, kind="uint16"), ramp(33, 17).astype("float32") / 7
    files = {
        "grey": (grey, {}),
        "deflate": (deep, {"compression": "deflate"}),
        "lzw-tiles": (deep, {"compression": "lzw", "tile": (16, 16)}),
        "big-endian": (deep, {"byteorder": ">"}),
        "bigtiff": (deep, {"bigtiff": True}),
        "stack": (stack, {"photometric": "minisblack"}),
        "float": (real, {}),
    }
    made = []
    for name, (array, options) in files.items():
        tifffile.imwrite(folder / f"{name}.tif", array, **options)
        made.append(Sample(folder / f"{name}.tif", array[None]))
    tifffile.imwrite(folder / "colour.tif", colour, photometric="rgb")
    planes = colour.transpose(2, 0, 1)
    tifffile.imwrite(folder / "planes.tif", planes, photometric="rgb", planarconfig="separate")
    tifffile.imwrite(folder / "white.tif", grey, photometric="miniswhite")
    return [
        *made,
        Sample(folder / "colour.tif", planes),
        Sample(folder / "planes.tif", planes),
        Sample(folder / "white.tif", 255 - grey[None]),
    ]
