"""MIAS: a film with two lesions, one without place, a normal one; text around the lines."""

INFO = """        MAMMOGRAPHIC IMAGE ANALYSIS SOCIETY
1st column: MIAS database reference number.
=================================================================

mdb005 F CIRC B 477 133 30
mdb005 F CIRC M 500 168 26
mdb006 F NORM
mdb216 D CALC M *NOTE 3*
"""


def make(root, picture):
    for film in (5, 6, 216):
        picture(root / f"mdb{film:03}.pgm", film)
    (root / "Info.txt").write_text(INFO)
    (root / "Licence.txt").write_text("research only")
    lesions = [
        {"abnormality": "CIRC", "severity": "benign", "x": 477, "y": 1024 - 133, "radius": 30},
        {"abnormality": "CIRC", "severity": "malignant", "x": 500, "y": 1024 - 168, "radius": 26},
    ]
    spread = {"abnormality": "CALC", "severity": "malignant", "x": None, "y": None, "radius": None}
    rows = [
        ("mdb005.pgm", "mias003", "R", "malignant", lesions),
        ("mdb006.pgm", "mias003", "L", "normal", []),
        ("mdb216.pgm", "mias108", "L", "malignant", [spread]),
    ]
    names = ("path", "patient_id", "laterality", "severity", "lesions")
    return {}, [dict(zip(names, row, strict=True)) | {"view": "MLO"} for row in rows]
