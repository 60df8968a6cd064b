"""BCCD: two blood smears with boxes, one list."""

HEAD = '<annotation verified="no"><folder>JPEGImages</folder>'
BOX = "<object><name>{}</name><bndbox><xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax><ymax>{}</ymax></bndbox></object>"


def make(root, picture):
    for number in range(2):
        picture(root / f"BCCD/JPEGImages/BloodImage_0000{number}.jpg", number)
    folder = root / "BCCD/Annotations"
    folder.mkdir()
    (folder / "BloodImage_00000.xml").write_text(
        f"{HEAD}{BOX.format('WBC', 2, 3, 10, 9)}{BOX.format('RBC', 1, 1, 4, 5)}{BOX.format('RBC', 5, 5, 9, 9)}</annotation>"
    )
    (folder / "BloodImage_00001.xml").write_text(
        f"{HEAD}{BOX.format('RBC', 1, 2, 3, 4)}</annotation>"
    )
    lists = root / "BCCD/ImageSets/Main"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("BloodImage_00000\n")
    (lists / "test.txt").write_text("BloodImage_00001\n")
    boxes = [("WBC", 2, 3, 8, 6), ("RBC", 1, 1, 3, 4), ("RBC", 5, 5, 4, 4)]
    names = ("kind", "x", "y", "width", "height")
    boxes = [dict(zip(names, box, strict=True)) for box in boxes]
    one = {"kind": "RBC", "x": 1, "y": 2, "width": 2, "height": 2}
    start = "BCCD/JPEGImages/BloodImage_0000"
    return {}, [
        {"path": f"{start}0.jpg", "WBC": 1, "RBC": 1, "boxes": boxes, "orig_split": "train"},
        {"path": f"{start}1.jpg", "WBC": 0, "RBC": 1, "boxes": [one], "orig_split": "test"},
    ]
