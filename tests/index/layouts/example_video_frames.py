"""Three colonoscopies: polyps in part of one, frames named and numbered in two ways."""


def make(root, picture):
    told = {
        "train/polyp/video_1/0007.png": ("video_1", 7, "polyp", "train"),
        "train/normal/video_1/0001.png": ("video_1", 1, "normal", "train"),
        "train/normal/video_2/0001.png": ("video_2", 1, "normal", "train"),
        "test/polyp/Case3_frame_0012.png": ("Case3", 12, "polyp", "test"),
    }
    for number, path in enumerate(told):
        picture(root / path, number)
    names = ("group", "frame", "label", "orig_split")
    return {}, [
        {"path": path, "patient_id": row[0], **dict(zip(names, row, strict=True))}
        for path, row in told.items()
    ]
