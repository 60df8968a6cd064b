"""APTOS 2019: two graded photographs and one of the test part."""


def make(root, picture):
    for number, path in enumerate(
        (
            "train_images/000c1434d8d7.png",
            "train_images/001639a390f0.png",
            "test_images/0005cfc8afb6.png",
        )
    ):
        picture(root / path, number)
    (root / "train.csv").write_text("id_code,diagnosis\n000c1434d8d7,2\n001639a390f0,0\n")
    (root / "test.csv").write_text("id_code\n0005cfc8afb6\n")
    return {}, [
        {"path": "train_images/000c1434d8d7.png", "diagnosis": "2"},
        {"path": "train_images/001639a390f0.png", "diagnosis": "0"},
        {"path": "test_images/0005cfc8afb6.png", "diagnosis": None},
    ]
