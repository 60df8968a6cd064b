"""ChestX-ray14: the first table of entries, films in two of the twelve folders, official lists."""

HEAD = (
    "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
    "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y],\n"
)


def make(root, picture):
    paths = ("images_001/images/00000001_000.png", "images_002/images/00000002_000.png")
    for number, path in enumerate(paths):
        picture(root / path, number)
    (root / "Data_Entry_2017.csv").write_text(
        f"{HEAD}00000001_000.png,Cardiomegaly|Emphysema,0,1,58,M,PA,2682,2749,0.143,0.143,\n"
        "00000002_000.png,No Finding,0,2,080Y,F,AP,2500,2048,0.168,0.168,\n"
    )
    (root / "train_val_list.txt").write_text("00000001_000.png\n")
    (root / "test_list.txt").write_text("00000002_000.png")
    return {}, [
        {
            "path": paths[0],
            "patient_id": "1",
            "view": "PA",
            "sex": "M",
            "age_years": 58.0,
            "orig_split": "train",
            "Cardiomegaly": 1,
            "Emphysema": 1,
            "Hernia": 0,
        },
        {
            "path": paths[1],
            "patient_id": "2",
            "view": "AP",
            "sex": "F",
            "age_years": 80.0,
            "orig_split": "test",
            "Cardiomegaly": 0,
            "Emphysema": 0,
            "Hernia": 0,
        },
    ]
