"""HAM10000: two photographs of one lesion in two folders, one of another, with its mask."""

import numpy as np
from PIL import Image


def make(root, picture):
    paths = (
        "HAM10000_images_part_1/ISIC_0027419.jpg",
        "HAM10000_images_part_1/ISIC_0025030.jpg",
        "HAM10000_images_part_2/ISIC_0031633.jpg",
    )
    for number, path in enumerate(paths):
        picture(root / path, number)
    mask = "HAM10000_segmentations_lesion_tschandl/ISIC_0031633_segmentation.png"
    (root / mask).parent.mkdir()
    Image.fromarray(np.eye(24, 20, dtype=np.uint8) * 255).save(root / mask)
    (root / "HAM10000_metadata.csv").write_text(
        "lesion_id,image_id,dx,dx_type,age,sex,localization\n"
        "HAM_0000118,ISIC_0027419,bkl,histo,80.0,male,scalp\n"
        "HAM_0000118,ISIC_0025030,bkl,histo,80.0,male,scalp\n"
        "HAM_0002730,ISIC_0031633,mel,histo,,female,back\n"
    )
    one = {"group": "HAM_0000118", "diagnosis": "bkl", "age_years": 80.0, "mask_path": None}
    other = {"group": "HAM_0002730", "diagnosis": "mel", "age_years": None, "mask_path": mask}
    return {}, [{"path": paths[0], **one}, {"path": paths[1], **one}, {"path": paths[2], **other}]
