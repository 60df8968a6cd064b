"""CAMELYON16: a slide with tumour in part of its tissue, and a normal one."""

import numpy as np
from tests.slides import slide

SQUARE = '<Coordinate Order="{}" X="{}" Y="{}" />'


def xml(*outlines):
    """Outlines as ASAP writes them: group, then corners in pixels of level 0."""
    told = "".join(
        f'<Annotation Name="A" Type="Polygon" PartOfGroup="{group}" Color="#F4FA58"><Coordinates>'
        + "".join(SQUARE.format(k, x, y) for k, (x, y) in enumerate(corners))
        + "</Coordinates></Annotation>"
        for group, corners in outlines
    )
    return (
        '<?xml version="1.0"?><ASAP_Annotations><Annotations>'
        f'{told}</Annotations><AnnotationGroups><Group Name="Tumor" PartOfGroup="None" />'
        "</AnnotationGroups></ASAP_Annotations>"
    )


def make(root, picture):
    """Tissue covers 1024 x 2048 pixels of level 0: two patches of level 2, side by side."""
    wide = np.full((1024, 3072, 3), 245, dtype=np.uint8)
    wide[0:1024, 0:2048] = [180, 60, 140]
    wide[0:1024, 0:2048:2] = [170, 50, 150]
    slide(root / "training/tumor/tumor_001.tif", wide, levels=6, tile=256, compression="deflate")
    slide(
        root / "training/normal/normal_002.tif",
        wide[:, ::-1],
        levels=6,
        tile=256,
        compression="deflate",
    )
    (root / "training/lesion_annotations").mkdir()
    square = [(0, 0), (1023, 0), (1023, 1023), (0, 1023)]
    hole = [(0, 0), (127, 0), (127, 127), (0, 127)]
    (root / "training/lesion_annotations/tumor_001.xml").write_text(
        xml(("_0", square), ("_2", hole))
    )
    rows = []
    for name, columns, labels in (
        ("tumor/tumor_001", (0, 256), (1, 0)),
        ("normal/normal_002", (256, 512), (0, 0)),
    ):
        for column, label in zip(columns, labels, strict=True):
            rows.append(
                {
                    "path": f"training/{name}.tif#level/2/{column},0/256",
                    "group": name.rpartition("/")[2],
                    "patient_id": name.rpartition("/")[2],
                    "tumour": label,
                    "level": 2,
                    "column": column,
                    "row": 0,
                    "tissue": 1.0,
                    "orig_split": "train",
                }
            )
    return {}, rows
