"""LIDC-IDRI: a scan with two nodules of three and of one reading, one rated evenly, a plain film."""

import runpy
from pathlib import Path

slice_of = runpy.run_path(str(Path(__file__).parent / "example_dicom_tree.py"))["slice_of"]


def roi(z, *points):
    edges = "".join(
        f"<edgeMap><xCoord>{x}</xCoord><yCoord>{y}</yCoord></edgeMap>" for x, y in points
    )
    return (
        f"<roi><imageZposition>{z}</imageZposition><imageSOP_UID>1.2</imageSOP_UID>"
        f"<inclusion>TRUE</inclusion>{edges}</roi>"
    )


def nodule(rating, *rois):
    told = f"<characteristics><subtlety>5</subtlety><malignancy>{rating}</malignancy></characteristics>"
    return (
        f"<unblindedReadNodule><noduleID>N</noduleID>{told if rating else ''}{''.join(rois)}"
        "</unblindedReadNodule>"
    )


def readings(uid, *sessions, root="LidcReadMessage"):
    """An XML file with the nodules of each radiologist."""
    told = "".join(
        f"<readingSession><annotationVersion>3.12</annotationVersion>{''.join(nodules)}"
        f"<nonNodule><nonNoduleID>1</nonNoduleID></nonNodule></readingSession>"
        for nodules in sessions
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<{root} uid="1" xmlns="http://www.nih.gov"><ResponseHeader><Version>1.8.1</Version>'
        f"<SeriesInstanceUid>{uid}</SeriesInstanceUid></ResponseHeader>{told}</{root}>"
    )


def make(root, picture):
    rows = []
    for number, patient in enumerate(("LIDC-IDRI-0001", "LIDC-IDRI-0002", "LIDC-IDRI-0003")):
        uid = f"1.3.6.1.4.1.14519.5.2.1.6279.6001.{number}"
        folder = f"LIDC-IDRI/{patient}/01-01-2000-30178/3000566.000000-03192"
        for z in range(3):
            name = f"{folder}/{z:06}.dcm"
            slice_of(root / name, 10 * number + z, patient, uid, z=float(z), modality="CT")
        rows.append({"path": folder, "patient_id": patient, "modality": "CT"})
        if number == 0:
            square = ((1, 1), (3, 1), (3, 3), (1, 3))
            near = nodule(4, roi(0, *square), roi(1, *square))
            other = nodule(5, roi(1, (2, 2), (4, 4)))
            apart = nodule(2, roi(2, (6, 6), (7, 7)))
            point = nodule("", roi(0, (5, 0)))
            told = readings(uid, [near], [near, point], [other], [apart])
        else:
            told = readings(uid, [nodule(3, roi(0, (1, 1), (2, 2)))] if number == 1 else [], [])
        (root / folder / "069.xml").write_text(told)
    film = root / "LIDC-IDRI/LIDC-IDRI-0001/01-01-2001-1/1.000000-2"
    slice_of(film / "000000.dcm", 90, "LIDC-IDRI-0001", "1.9", modality="DX")
    (film / "070.xml").write_text(readings("1.9", [], root="IdriReadMessage"))
    names = ("column", "row", "z_mm", "readings", "malignancy")
    places = [
        [
            ((2 + 2 + 3) / 3, (2 + 2 + 3) / 3, (0.5 + 0.5 + 1) / 3, 3, 13 / 3),
            (6.5, 6.5, 2.0, 1, 2.0),
        ],
        [(1.5, 1.5, 0.0, 1, 3.0)],
        [],
    ]
    for row, label, nodules in zip(rows, (1, -1, None), places, strict=True):
        row["malignant"] = label
        row["nodules"] = [dict(zip(names, one, strict=True)) for one in nodules]
    return {}, rows
