"""CheXpert-v1.0-small: three films of two patients; the tables repeat the name of the folder."""

HEAD = (
    "Path,Sex,Age,Frontal/Lateral,AP/PA,No Finding,Enlarged Cardiomediastinum,Cardiomegaly,"
    "Lung Opacity,Lung Lesion,Edema,Consolidation,Pneumonia,Atelectasis,Pneumothorax,"
    "Pleural Effusion,Pleural Other,Fracture,Support Devices\n"
)
FOLDER = "CheXpert-v1.0-small"


def make(root, picture):
    films = (
        "train/patient00001/study1/view1_frontal.jpg",
        "train/patient00001/study1/view2_lateral.jpg",
        "valid/patient64541/study1/view1_frontal.jpg",
    )
    for number, path in enumerate(films):
        picture(root / path, number)
    (root / "train.csv").write_text(
        f"{HEAD}{FOLDER}/{films[0]},Female,68,Frontal,AP,1.0,,,,,,,,,0.0,-1.0,,,1.0\n"
        f"{FOLDER}/{films[1]},Female,68,Lateral,,1.0,,,,,,,,,0.0,,,,1.0\n"
    )
    (root / "valid.csv").write_text(
        f"{HEAD}{FOLDER}/{films[2]},Male,73,Frontal,PA,0.0,1.0,1.0,1.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0\n"
    )
    one = {"patient_id": "patient00001", "study_id": "patient00001/study1", "orig_split": "train"}
    said = {"No Finding": 1, "Pneumothorax": 0, "Edema": None, "age_years": 68.0, "sex": "Female"}
    return {}, [
        {"path": films[0], **one, "view": "AP", **said, "Pleural Effusion": -1},
        {"path": films[1], **one, "view": "lateral", **said, "Pleural Effusion": None},
        {
            "path": films[2],
            "patient_id": "patient64541",
            "study_id": "patient64541/study1",
            "orig_split": "val",
            "view": "PA",
            "No Finding": 0,
            "Pneumothorax": 0,
            "Edema": 0,
            "age_years": 73.0,
            "sex": "Male",
            "Pleural Effusion": 0,
        },
    ]
