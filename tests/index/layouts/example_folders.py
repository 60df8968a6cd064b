"""Class folders inside folders for training and testing."""


def make(root, picture):
    for number, path in enumerate(["train/a/1.png", "train/b/deep/2.png", "test/a/3.png"]):
        picture(root / path, number)
    (root / "README.txt").write_text("no image")
    rows = [
        {"path": "train/a/1.png", "label": "a", "orig_split": "train"},
        {"path": "train/b/deep/2.png", "label": "b", "orig_split": "train"},
        {"path": "test/a/3.png", "label": "a", "orig_split": "test"},
    ]
    return {}, rows
