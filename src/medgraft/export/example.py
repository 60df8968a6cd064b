"""A short program that uses an exported file without medgraft, to be written beside it."""

from __future__ import annotations

from typing import Any

from medgraft.prepare import canonical, default_steps, pipeline

LUMINANCE = "0.299, 0.587, 0.114"

START = '''\
"""Ask @NAME@ about @WHAT@. Needs @NEEDS@ only:

    python @NAME@.example.py @FILES@
"""

import json
import sys
from pathlib import Path

'''

SESSION = """\
session = onnxruntime.InferenceSession(
    str(Path(__file__).with_name(@NAME!@)), providers=["CPUExecutionProvider"]
)
notes = {key: json.loads(text) for key, text in session.get_modelmeta().custom_metadata_map.items()}
"""

PICTURES = (
    START
    + '''\
import numpy as np
import onnxruntime
from PIL import Image, ImageOps


def resized(pixels, size):
    """Along the first axis: means where it shrinks, linear where it grows."""
    old, scale = len(pixels), len(pixels) / size
    centre, edge, reach = (np.arange(size)[:, None] + 0.5) * scale, np.arange(old), max(scale, 1) / 2
    share = (np.minimum(centre + reach, edge + 1) - np.maximum(centre - reach, edge)).clip(0)
    share = (share / share.sum(axis=1, keepdims=True)).astype(np.float32)
    result = np.zeros((size, *pixels.shape[1:]), np.float32)
    for place in range(old):  # in this order it rounds as it did in training
        rows = share[:, place] > 0
        result[rows] += share[rows, place, None, None] * pixels[place]
    return result


def prepared(file):
    """An 8-bit grey or RGB picture as (1, C, side, side) in [0, 1]."""
    with Image.open(file) as picture:
        if picture.mode not in ("L", "RGB") or "transparency" in picture.info:
            sys.exit(f"{file} must be an 8-bit grey or RGB picture, and is {picture.mode}")
        upright = ImageOps.exif_transpose(picture) if picture.format == "JPEG" else picture
        pixels = np.asarray(upright, np.float32).reshape(upright.height, upright.width, -1)
    if notes["channels"] == 1 and pixels.shape[2] == 3:
        red, green, blue = (pixels * np.float32([@LUMINANCE@])).transpose(2, 0, 1)
        pixels = (red + green + blue)[..., None]
    pixels = np.repeat(pixels, notes["channels"] // pixels.shape[2], axis=2)
    longer, (rows, columns) = max(pixels.shape[:2]), pixels.shape[:2]
    top, left = (longer - rows) // 2, (longer - columns) // 2
    square = np.zeros((longer, longer, notes["channels"]), np.float32)
    square[top : top + rows, left : left + columns] = pixels * np.float32(1 / 255)
    size, steps = notes["input_size"][0], np.float32(notes["scale"])
    small = resized(resized(square, size).swapaxes(0, 1), size).swapaxes(0, 1)
    return (np.rint(small.clip(0, 1) * steps) / steps).transpose(2, 0, 1)[None]


'''
    + SESSION
    + """\
for file in sys.argv[1:]:
    (probabilities,) = session.run(["probabilities"], {"images": prepared(file)})[0]
    print(json.dumps({"file": file, **dict(zip(notes["labels"], probabilities.tolist()))}))
"""
)

ARRAYS = (
    START
    + """\
import numpy as np
import onnxruntime

"""
    + SESSION
    + """\
# The array is float32 (B, @SHAPE@) in [0, 1], which you prepare by these steps of medgraft:
# @STEPS@
# and then round to the nearest 1 / @SCALE@.
for file in sys.argv[1:]:
    for probabilities in session.run(["probabilities"], {"images": np.load(file)})[0]:
        print(json.dumps({"file": file, **dict(zip(notes["labels"], probabilities.tolist()))}))
"""
)


def is_plain(record: dict[str, Any]) -> bool:
    """Whether a run prepared its images by the default steps alone, to a square.

    Those are few enough to be written out in numpy.
    """
    size, channels = record["input_size"], record["channels"]
    if len(size) != 2 or size[0] != size[1] or channels not in (1, 3):
        return False
    return list(record["steps"]) == canonical(pipeline(default_steps(size[0], channels)))


def example(name: str, record: dict[str, Any]) -> str:
    """The program for the file `name`.

    For plain preparation it takes 8-bit pictures and prepares them as medgraft does. Pillow's own
    resizing would not do: it counts a pixel at the end of a mean fully or not at all. For any
    other preparation it takes prepared arrays, and says which steps must be done by hand.
    """
    plain = is_plain(record)
    text = PICTURES if plain else ARRAYS
    filled = {
        "@NAME!@": repr(name),
        "@NAME@": "".join(c if c.isprintable() and c not in '"\\' else "_" for c in name),
        "@WHAT@": "pictures" if plain else "prepared arrays",
        "@NEEDS@": "numpy, Pillow and onnxruntime" if plain else "numpy and onnxruntime",
        "@FILES@": "a.png b.jpg" if plain else "images.npy",
        "@LUMINANCE@": LUMINANCE,
        "@SHAPE@": ", ".join(map(str, (record["channels"], *record["input_size"]))),
        "@STEPS@": ascii(list(record["steps"])),
        "@SCALE@": str(record["scale"]),
    }
    for mark, value in filled.items():
        text = text.replace(mark, value)
    return text
