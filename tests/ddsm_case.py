"""Cases of DDSM, with films of a dozen pixels, in the exact shape in which it was published."""

import imagecodecs
import numpy as np

HEAD = (
    "ics_version 1.0\nfilename {case}\nDATE_OF_STUDY 2 7 1995\nPATIENT_AGE 42\nFILM \n"
    "FILM_TYPE REGULAR\nDENSITY 4\nDATE_DIGITIZED 7 22 1997 \nDIGITIZER {digitizer}\nSELECTED\n"
)
MASS = "LESION_TYPE MASS SHAPE IRREGULAR MARGINS SPICULATED\n"
CALCIFICATION = "LESION_TYPE CALCIFICATION TYPE PLEOMORPHIC DISTRIBUTION CLUSTERED\n"


def overview(folder, case, views, digitizer="LUMISYS"):
    """Write an .ics file; `views` maps names to (rows, columns, bits, microns, outlined)."""
    lines = [
        f"{view} LINES {rows} PIXELS_PER_LINE {columns} BITS_PER_PIXEL {bits} RESOLUTION {microns}"
        f" {'OVERLAY' if outlined else 'NON_OVERLAY'}"
        for view, (rows, columns, bits, microns, outlined) in views.items()
    ]
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{case.replace('_', '-')}.ics"
    path.write_text(
        HEAD.format(case=path.stem, digitizer=digitizer) + "\n".join(lines) + "\n", "ascii"
    )
    return path


def film(path, grey, bits, predictor=1, turned=False):
    """Write a lossless JPEG; `turned`: with rows and columns the wrong way round, as some are."""
    values = grey.reshape(grey.shape[::-1]) if turned else grey
    path.write_bytes(
        imagecodecs.jpeg8_encode(values, lossless=True, bitspersample=bits, predictor=predictor)
    )


def abnormality(number, pathology, *outlines, kind=MASS):
    """The text of one abnormality; an outline is (BOUNDARY or CORE, column, row, codes)."""
    text = f"ABNORMALITY {number}\n{kind}ASSESSMENT 4\nSUBTLETY 3\nPATHOLOGY {pathology}\n"
    text += f"TOTAL_OUTLINES {len(outlines)}\n"
    for name, column, row, codes in outlines:
        text += f"{name}\n{column} {row} {' '.join(codes)} #\n"
    return text


def overlay(path, *abnormalities):
    """Write an .OVERLAY file."""
    path.write_text(f"TOTAL_ABNORMALITIES {len(abnormalities)}\n" + "".join(abnormalities), "ascii")


def grey(rows, columns, bits, seed=0):
    """Values over the whole range."""
    values = np.random.default_rng(seed).integers(0, 2**bits, (rows, columns), dtype=np.uint16)
    values[0, :2] = 0, 2**bits - 1
    return values
