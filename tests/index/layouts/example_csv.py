"""A table with patients, sites, masks and blanks."""


def make(root, picture):
    for number, path in enumerate(["im/1.png", "im/2.png", "im/3.png", "mask/1.png"]):
        picture(root / path, number)
    (root / "labels.csv").write_text(
        "file,who,site,mask,sick,part\nim/1.png,007,A,mask/1.png,1.0,Training\n"
        "im/2.png,07,A,,0.0,\nim/3.png,,B,,,test\n"
    )
    asked = {
        "path": "file",
        "patient": "who",
        "group": "site",
        "mask": "mask",
        "label": ("sick",),
        "split": "part",
    }
    keys = ("path", "patient_id", "group", "mask_path", "sick", "split")
    values = [
        ("im/1.png", "007", "A", "mask/1.png", 1, "train"),
        ("im/2.png", "07", "A", None, 0, None),
        ("im/3.png", None, "B", None, None, "test"),
    ]
    return asked, [dict(zip(keys, row, strict=True)) for row in values]
