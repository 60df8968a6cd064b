"""MedMNIST: eighteen sets of small pictures and volumes, each an NPZ with its official parts."""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl

from medgraft.errors import TableError
from medgraft.index.layouts import Asked, Found, layout
from medgraft.index.layouts._published import LABEL, pick, signs
from medgraft.index.layouts.npz import archives, pairs, rows

ORGANS = (
    "bladder",
    "femur-left",
    "femur-right",
    "heart",
    "kidney-left",
    "kidney-right",
    "liver",
    "lung-left",
    "lung-right",
    "pancreas",
    "spleen",
)
ORGANS_3D = (  # in another order than the pictures
    "liver",
    "kidney-right",
    "kidney-left",
    "femur-right",
    "femur-left",
    "bladder",
    "heart",
    "lung-right",
    "lung-left",
    "spleen",
    "pancreas",
)
CLASSES: dict[str, tuple[str, ...]] = {
    "pathmnist": (
        "adipose",
        "background",
        "debris",
        "lymphocytes",
        "mucus",
        "smooth muscle",
        "normal colon mucosa",
        "cancer-associated stroma",
        "colorectal adenocarcinoma epithelium",
    ),
    "dermamnist": (
        "actinic keratoses and intraepithelial carcinoma",
        "basal cell carcinoma",
        "benign keratosis-like lesions",
        "dermatofibroma",
        "melanoma",
        "melanocytic nevi",
        "vascular lesions",
    ),
    "octmnist": ("choroidal neovascularization", "diabetic macular edema", "drusen", "normal"),
    "pneumoniamnist": ("normal", "pneumonia"),
    "retinamnist": ("0", "1", "2", "3", "4"),
    "breastmnist": ("malignant", "normal, benign"),
    "bloodmnist": (
        "basophil",
        "eosinophil",
        "erythroblast",
        "immature granulocytes",
        "lymphocyte",
        "monocyte",
        "neutrophil",
        "platelet",
    ),
    "tissuemnist": (
        "Collecting Duct, Connecting Tubule",
        "Distal Convoluted Tubule",
        "Glomerular endothelial cells",
        "Interstitial endothelial cells",
        "Leukocytes",
        "Podocytes",
        "Proximal Tubule Segments",
        "Thick Ascending Limb",
    ),
    "organamnist": ORGANS,
    "organcmnist": ORGANS,
    "organsmnist": ORGANS,
    "organmnist3d": ORGANS_3D,
    "nodulemnist3d": ("benign", "malignant"),
    "adrenalmnist3d": ("normal", "hyperplasia"),
    "fracturemnist3d": (
        "buckle rib fracture",
        "nondisplaced rib fracture",
        "displaced rib fracture",
    ),
    "vesselmnist3d": ("vessel", "aneurysm"),
    "synapsemnist3d": ("inhibitory synapse", "excitatory synapse"),
}
FINDINGS = {  # each present or absent by itself
    "chestmnist": (
        "atelectasis",
        "cardiomegaly",
        "effusion",
        "infiltration",
        "mass",
        "nodule",
        "pneumonia",
        "pneumothorax",
        "consolidation",
        "edema",
        "emphysema",
        "fibrosis",
        "pleural",
        "hernia",
    )
}
FLAWS = {
    "dermamnist": "DermaMNIST was parted by photograph, so one lesion stands in several parts",
    "tissuemnist": "TissueMNIST was parted by cell, so all three tissues stand in all parts",
}
NAME = re.compile(r"^(?P<set>[a-z]+mnist(?:3d)?)(?:_(?:64|128|224))?$")


def recognise(source: Path) -> str | None:
    """An archive called as one of the sets, with its official parts."""
    for archive in archives(source):
        if _set(archive) and {"train_images", "test_images"} <= {i for i, _ in pairs(archive)}:
            return f"{archive.name} is called as a set of MedMNIST"
    return None


@layout(
    "medmnist",
    recognise=recognise,
    source="MedMNIST v2 and v3, every size (Yang et al. 2023, arXiv:2110.14795)",
    takes=LABEL,
    published=True,
)
def medmnist(source: Path, asked: Asked) -> Found:
    """Rows of the arrays, their classes by name; the official part stands in `orig_split`.

    ChestMNIST has fourteen findings of 1 and 0, every other set one column `label`. No set
    names patients.
    """
    known = [(archive, name) for archive in archives(source) if (name := _set(archive))]
    if len(known) != 1:
        listed = ", ".join(sorted(archive.name for archive, _ in known)) or "none"
        raise TableError(
            f"'{source}' must hold one set of MedMNIST, and holds {listed}."
            " Name one of the files as SOURCE."
        )
    archive, name = known[0]
    root = source if source.is_dir() else source.parent
    names = list(FINDINGS.get(name, ["label"]))
    arrays = pairs(archive)
    if not arrays:
        raise TableError(
            f"'{archive}' must hold arrays such as train_images and train_labels, and holds none: it"
            " may be cut short. Fetch it again."
        )
    frame = pl.concat(rows(archive, *pair, names) for pair in arrays)
    labels = pick(asked, names)
    if name in FINDINGS:
        frame = frame.with_columns(signs(frame, labels, archive))
    else:
        frame = frame.with_columns(_named(frame["label"], CLASSES[name], archive))
    frame = frame.select("path", "orig_split", *labels)
    notes = ["MedMNIST names no patients; its parts were made from those of the source sets"]
    return Found(frame, root, labels, notes=[*notes, *filter(None, [FLAWS.get(name)])])


def _set(archive: Path) -> str | None:
    """The set that an archive is called after; other sizes end in ``_64``, ``_128``, ``_224``."""
    found = NAME.match(archive.name.lower().removesuffix(".npz"))
    name = found["set"] if found else ""
    return name if name in CLASSES | FINDINGS else None


def _named(column: pl.Series, classes: tuple[str, ...], archive: Path) -> pl.Series:
    names = {str(number): name for number, name in enumerate(classes)}
    strange = sorted(set(column) - set(names))
    if strange:
        raise TableError(
            f"the labels of '{archive}' must be whole numbers below {len(classes)},"
            f" got {strange[0]!r}. Fetch the archive again, or index it with --layout npz."
        )
    return column.replace_strict(names, return_dtype=pl.String)
