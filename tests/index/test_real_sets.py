"""The real sets that engineers work on are recognised, or given by one flag, with groups."""

import os
from pathlib import Path

import pytest

from medgraft.index.build import build
from medgraft.index.layouts import Asked, choose, layouts

DATA = Path(os.environ.get("MEDGRAFT_DATA", Path(__file__).parents[3] / "shared" / "data"))
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason=f"the real data are not at '{DATA}'")

SETS = [  # folder, what is asked, layout, images, patients or groups
    ("cxr-kermany", {}, "csv", 5856, 3118),
    ("histo-idc", {}, "csv", 3000, 90),
    ("mammo-mias", {"path": "png256/{ref}.png"}, "mias", 322, 161),
    ("pneumoniamnist", {}, "medmnist", 5856, 0),
    ("seg-wbc", {}, "csv", 300, 0),
    ("vol-hippocampus", {}, "csv", 101, 0),
    ("vol-ct-totalseg/example_ct_dicom", {}, "dicom_tree", 1, 0),
]


@pytest.mark.parametrize(
    ("name", "asked", "layout", "images", "people"), SETS, ids=lambda v: str(v)[:30]
)
def test_a_real_set_is_found_whole(name, asked, layout, images, people):
    root, wishes = DATA / name, Asked(**asked)
    part, why = choose("auto", root, wishes)
    assert part.name == layout, why
    frame = part.find(root, wishes).frame
    assert frame.height == images
    known = frame["patient_id"].drop_nulls().n_unique() if "patient_id" in frame.columns else 0
    assert known == people


def test_without_a_table_the_films_of_children_have_the_same_patients():
    """The layout made from names alone agrees with the table that was made by hand."""
    root = DATA / "cxr-kermany"
    by_name = layouts.get("kermany").find(root, Asked()).frame.sort("path")
    by_table = layouts.get("csv").find(root, Asked()).frame.sort("path")
    assert by_name.select("path", "label", "patient_id").equals(
        by_table.select("path", "label", "patient_id")
    )


def test_films_of_the_full_size_are_decoded_with_their_lesions():
    built = build(DATA / "mammo-mias", asked=Asked(path="full1024/{ref}.png"), decode=False)
    assert len(built.index) == 24
    one = built.index.frame.filter(built.index.frame["path"].str.ends_with("mdb001.png"))
    if one.height:
        assert one["lesions"].to_list() == [
            [
                {
                    "abnormality": "CIRC",
                    "severity": "benign",
                    "x": 535,
                    "y": 1024 - 425,
                    "radius": 197,
                }
            ]
        ]
