"""COCO: two pictures in a part of their own, one without a box; a category that never occurs."""

import json


def make(root, picture):
    for number in range(2):
        picture(root / f"train/cell_{number}.png", number)
    picture(root / "valid/cell_0.png", 7)
    categories = [{"id": 1, "name": "platelet"}, {"id": 2, "name": "blast"}]
    train = {
        "images": [{"id": k, "file_name": f"cell_{k}.png"} for k in range(2)],
        "annotations": [{"image_id": 0, "category_id": 1, "bbox": [1, 2, 3.5, 4]}],
        "categories": categories,
    }
    valid = {
        "images": [{"id": 0, "file_name": "cell_0.png"}],
        "annotations": [],
        "categories": categories,
    }
    (root / "train/_annotations.coco.json").write_text(json.dumps(train))
    (root / "valid/_annotations.coco.json").write_text(json.dumps(valid))
    box = {"kind": "platelet", "x": 1.0, "y": 2.0, "width": 3.5, "height": 4.0}
    return {}, [
        {
            "path": "train/cell_0.png",
            "platelet": 1,
            "blast": 0,
            "boxes": [box],
            "orig_split": "train",
        },
        {"path": "train/cell_1.png", "platelet": 0, "blast": 0, "boxes": [], "orig_split": "train"},
        {"path": "valid/cell_0.png", "platelet": 0, "blast": 0, "boxes": [], "orig_split": "val"},
    ]
