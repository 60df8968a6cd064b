"""images/ beside masks/, one image without a mask."""


def make(root, picture):
    for name, number in (("a", 1), ("b", 2), ("c", 3)):
        picture(root / f"images/{name}.png", number)
    import numpy as np
    from PIL import Image

    from medgraft.read import read

    (root / "masks").mkdir()
    for name in ("a", "b"):
        size = read(root / f"images/{name}.png").array.shape[1:]
        mask = np.zeros(size, np.uint8)
        mask[: size[0] // 2] = 255
        Image.fromarray(mask).save(root / f"masks/{name}_mask.png")
    return {}, [
        {"path": "images/a.png", "mask_path": "masks/a_mask.png"},
        {"path": "images/b.png", "mask_path": "masks/b_mask.png"},
        {"path": "images/c.png", "mask_path": None},
    ]
