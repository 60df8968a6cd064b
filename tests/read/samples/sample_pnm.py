"""Netpbm pictures, written by hand from their definition."""

from sampling import Sample, ramp


def make(folder):
    grey, deep, colour = (
        ramp(5, 7, kind="uint8"),
        ramp(5, 7, kind="uint16"),
        ramp(5, 7, 3, kind="uint8"),
    )
    bits = (grey > 100).astype("uint8")
    text = " ".join(map(str, deep.ravel()))
    packed = bytes(int("".join(map(str, row)) + "0", 2) for row in bits)
    files = {
        "grey.pgm": (b"P5\n# a film\n7 5\n255\n" + grey.tobytes(), grey[None]),
        "twelve.pgm": (b"P5 7 5 4095\n" + deep.astype(">u2").tobytes(), deep[None]),
        "text.pgm": (f"P2\n7 5\n4095\n{text}\n".encode(), deep[None]),
        "colour.ppm": (b"P6\n7 5\n255\n" + colour.tobytes(), colour.transpose(2, 0, 1)),
        "bits.pbm": (b"P4\n7 5\n" + packed, 1 - bits[None]),
        "text.pbm": (b"P1\n7 5\n" + b" ".join(b"%d" % b for b in bits.ravel()), 1 - bits[None]),
    }
    for name, (content, _) in files.items():
        (folder / name).write_bytes(content)
    return [Sample(folder / name, array) for name, (_, array) in files.items()]
