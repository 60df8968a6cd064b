"""A square and a lone point, as OsiriX writes them."""

import plistlib

import numpy as np
from sampling import Sample


def plist(*outlines):
    """A property list of ROIs; an outline is a name and its points."""
    rois = [
        {
            "Area": 0.5,
            "IndexInImage": index,
            "Name": name,
            "NumberOfPoints": len(points),
            "Point_px": [f"({x:f}, {y:f})" for x, y in points],
            "Type": 15,
        }
        for index, (name, points) in enumerate(outlines)
    ]
    image = {"ImageIndex": 0, "NumberOfROIs": len(rois), "ROIs": rois}
    return plistlib.dumps({"Images": [image]})


def make(folder):
    path = folder / "20586908.xml"
    path.write_bytes(
        plist(("Mass", [(2, 1), (5.4, 1), (5, 3.6), (2, 4)]), ("Calcification", [(7, 6)]))
    )
    wanted = np.zeros((7, 8), dtype=np.uint8)
    wanted[1:5, 2:6] = 1
    wanted[6, 7] = 1
    return [Sample(path, wanted[None])]
