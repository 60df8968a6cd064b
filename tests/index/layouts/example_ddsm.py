"""DDSM: a case with cancer (two abnormalities in one film), a normal one, in their volumes."""

from tests import ddsm_case as ddsm

SQUARE = ("BOUNDARY", 1, 1, "2224446660" + "0")


def make(root, picture):
    rows = []
    ill, well = root / "cases/cancers/cancer_01/case0001", root / "cases/normals/normal_09/case3600"
    sizes = {"LEFT_CC": (9, 8), "LEFT_MLO": (10, 7), "RIGHT_CC": (8, 9), "RIGHT_MLO": (11, 7)}
    for folder, case, bits in ((ill, "C_0001_1", 12), (well, "B_3600_1", 16)):
        outlined = {"RIGHT_CC", "RIGHT_MLO"} if folder == ill else set()
        views = {v: (*size, bits, 50, v in outlined) for v, size in sizes.items()}
        ddsm.overview(folder, case, views)
        (folder / f"TAPE_{case}.COMB.16_PGM").write_bytes(b"P5 1 1 65535\n\0\0")
        for number, (view, size) in enumerate(sizes.items()):
            path = folder / f"{case}.{view}.LJPEG"
            ddsm.film(path, ddsm.grey(*size, bits, number), bits, turned=number == 1)
            row = {
                "path": str(path.relative_to(root)),
                "patient_id": case[:6],
                "study_id": case,
                "view": view.partition("_")[2],
                "laterality": view[0],
                "modality": "MG",
                "pathology": "normal",
                "mask_path": None,
                "mask_counts": None,
                "volume": folder.parent.name,
                "age_years": 42.0,
                "digitizer": "LUMISYS",
            }
            rows.append(row)
            if view in outlined:
                mask = path.with_suffix(".OVERLAY")
                marks = [ddsm.abnormality(1, "BENIGN", ("BOUNDARY", 5, 5, "2460"))]
                marks += [ddsm.abnormality(2, "MALIGNANT", SQUARE)] * (view == "RIGHT_CC")
                ddsm.overlay(mask, *marks)
                marked = 20 if view == "RIGHT_CC" else 4
                row["mask_path"] = str(mask.relative_to(root))
                row["mask_counts"] = [size[0] * size[1] - marked, marked]
                row["pathology"] = "malignant" if view == "RIGHT_CC" else "benign"
    return {}, rows
