"""Pictures by Pillow, and by imagecodecs where Pillow cannot write them."""

import imagecodecs
import numpy as np
from PIL import Image
from sampling import Sample, ramp


def make(folder):
    grey, colour = ramp(5, 7, kind="uint8"), ramp(5, 7, 3, kind="uint8")
    deep, deep_colour = ramp(5, 7, kind="uint16"), ramp(5, 7, 3, kind="uint16")
    made = []
    for suffix in ("png", "bmp", "gif"):
        Image.fromarray(grey).save(folder / f"grey.{suffix}")
        made.append(Sample(folder / f"grey.{suffix}", grey[None]))
    for suffix in ("png", "bmp"):
        Image.fromarray(colour).save(folder / f"colour.{suffix}")
        made.append(Sample(folder / f"colour.{suffix}", colour.transpose(2, 0, 1)))
    for name, array in (("deep", deep), ("deep-colour", deep_colour)):
        path = folder / f"{name}.png"
        path.write_bytes(imagecodecs.png_encode(array))
        made.append(Sample(path, array[None] if array.ndim == 2 else array.transpose(2, 0, 1)))
    smooth = np.add.outer(np.arange(16), np.arange(24)).astype(np.uint8) * 6
    Image.fromarray(smooth).save(folder / "grey.jpg", quality=100)
    made.append(
        Sample(
            folder / "grey.jpg", imagecodecs.jpeg8_decode((folder / "grey.jpg").read_bytes())[None]
        )
    )
    coded = imagecodecs.jpeg8_encode(deep, level=95, bitspersample=12)
    (folder / "twelve.jpg").write_bytes(coded)
    made.append(Sample(folder / "twelve.jpg", imagecodecs.jpeg8_decode(coded)[None]))
    mask = Image.fromarray(grey > 100)
    mask.save(folder / "mask.png")
    return [*made, Sample(folder / "mask.png", (grey > 100).astype(np.uint8)[None])]
