"""PatchCamelyon of Kaggle: TIFF files without suffix in the table."""


def make(root, picture):
    names = ("f38a6374c348f90b587e046aac6079959adf3835", "c18f2d887b7ae4f6742ee445113fa1aef383ed77")
    for number, path in enumerate((*(f"train/{n}.tif" for n in names), "test/0b2ea2a822ad.tif")):
        picture(root / path, number)
    (root / "train_labels.csv").write_text(f"id,label\n{names[0]},0\n{names[1]},1\n")
    (root / "sample_submission.csv").write_text("id,label\n0b2ea2a822ad,0\n")
    return {}, [
        {"path": f"train/{names[0]}.tif", "label": 0, "group": None},
        {"path": f"train/{names[1]}.tif", "label": 1, "group": None},
        {"path": "test/0b2ea2a822ad.tif", "label": None, "group": None},
    ]
