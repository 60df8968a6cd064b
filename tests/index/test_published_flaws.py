"""What is wrong with published sets is known to their layouts, and said, not mended."""

import json
import re
import runpy
import shutil
from pathlib import Path

import h5py
import nibabel
import numpy as np
import polars as pl
import pytest
import SimpleITK as sitk
from PIL import Image
from pydicom import dcmread

from medgraft.errors import ArgumentError, TableError
from medgraft.index.build import build
from medgraft.index.layouts import Asked, layouts
from medgraft.index.masks import read_mask
from medgraft.read import read

EXAMPLES = Path(__file__).parent / "layouts"


@pytest.fixture
def tree(tmp_path, picture):
    """The example of a layout; returns its folder."""

    def make(name):
        runpy.run_path(str(EXAMPLES / f"example_{name}.py"))["make"](tmp_path, picture)
        return tmp_path

    return make


def reasons(index):
    return dict(zip(index.rejects["path"], index.rejects["reason"], strict=True))


def test_the_four_values_of_a_label_stay_four(tree):
    index = build(tree("chexpert"), workers=0).index
    column = index.frame.sort("path")["Pleural Effusion"]
    assert column.to_list() == [-1, None, 0]
    assert index.frame["No Finding"].to_list().count(1) == 2


def test_labels_can_be_chosen_and_a_wrong_one_is_named(tree):
    root = tree("chexpert")
    index = build(root, asked=Asked(label=("Edema", "Cardiomegaly")), workers=0).index
    assert index.labels == ("Edema", "Cardiomegaly")
    assert build(root, asked=Asked(label=("none",)), workers=0).index.labels == ()
    with pytest.raises(ArgumentError, match="Did you mean 'Edema'"):
        build(root, asked=Asked(label=("Edemma",)), workers=0)


def test_a_film_of_chexpert_that_is_missing_is_a_reject(tree):
    root = tree("chexpert")
    (root / "train/patient00001/study1/view2_lateral.jpg").unlink()
    found = reasons(build(root, workers=0).index)
    path = "CheXpert-v1.0-small/train/patient00001/study1/view2_lateral.jpg"
    assert found == {path: "train.csv names it, and there is no such file"}


def test_chexpert_is_found_with_or_without_the_folder_of_its_tables(tree):
    root = tree("chexpert")
    (root / "CheXpert-v1.0-small").mkdir()
    for part in ("train", "valid"):
        shutil.move(root / part, root / "CheXpert-v1.0-small" / part)
    index = build(root, workers=0).index
    assert len(index) == 3
    assert index.frame["path"].str.starts_with("CheXpert-v1.0-small/").all()


def test_a_path_that_leads_out_of_the_set_is_a_reject(tree):
    root = tree("chexpert")
    (root.parent / "secret.jpg").write_bytes(b"x")
    table = root / "train.csv"
    line = table.read_text().splitlines()[1].split(",", 1)[1]
    with table.open("a") as handle:
        handle.write(f"../secret.jpg,{line}\n/etc/passwd,{line}\n")
    index = build(root, workers=0).index
    assert sorted(reasons(index)) == ["../secret.jpg", "/etc/passwd"]
    assert len(index) == 3


def test_impossible_ages_of_chestxray14_are_counted(tree):
    root = tree("chestxray14")
    table = root / "Data_Entry_2017.csv"
    table.write_text(table.read_text().replace(",1,58,", ",1,411,"))
    built = build(root, workers=0)
    assert any(note.startswith("1 films have an age above 120") for note in built.notes)
    assert built.index.frame["age_years"].max() == 411


def test_the_second_copy_in_the_archive_of_kaggle_is_refused(tree):
    root = tree("kermany")
    shutil.copytree(root / "chest_xray", root / "copy")
    shutil.move(root / "copy", root / "chest_xray/chest_xray")
    index = build(root, workers=0).index
    assert len(index) == 5
    assert all("it repeats 'chest_xray/t" in reason for reason in reasons(index).values())
    assert index.rejects.height == 5


def test_patients_in_several_official_parts_are_counted(tree, picture):
    root = tree("kermany")
    picture(root / "chest_xray/test/PNEUMONIA/person1_virus_6.jpeg", 9)
    notes = build(root, workers=0).notes
    assert any(note.startswith("1 patients stand in several official parts") for note in notes)


def test_optical_coherence_tomography_is_the_same_layout(tmp_path, picture):
    for number, name in enumerate(("CNV/CNV-1016042-1", "CNV/CNV-1016042-2", "DRUSEN/DRUSEN-2-1")):
        picture(tmp_path / f"OCT2017/train/{name}.jpeg", number)
    index = build(tmp_path, workers=0).index
    assert index.layout == "kermany"
    assert index.frame["patient_id"].to_list() == ["1016042", "1016042", "2"]


def test_a_table_that_names_the_films_comes_before_what_their_names_say(tree):
    root = tree("kermany")
    (root / "mine.csv").write_text("file,label\nchest_xray/test/NORMAL/IM-0003-0001.jpeg,strange\n")
    assert build(root, workers=0).index.layout == "csv"


def test_patches_of_kaggle_say_that_their_slides_are_unknown(tree):
    built = build(tree("pcam_kaggle"), workers=0)
    assert "did not publish the slides" in built.notes[0]
    assert not built.index.patients_known


def test_lesions_without_place_and_copies_of_films_are_counted(tree, picture):
    root = tree("mias")
    picture(root / "small/mdb005.png", 90)
    picture(root / "mdb007.pgm", 91)
    built = build(root, workers=0)
    assert len(built.index) == 4
    assert reasons(built.index) == {"mdb007.pgm": "Info.txt does not describe it"}
    assert [note.split()[0] for note in built.notes] == ["1", "1", "1"]
    index = build(root, asked=Asked(path="{ref}.pgm"), workers=0).index
    assert sorted(index.frame["path"]) == ["mdb005.pgm", "mdb006.pgm", "mdb216.pgm"]
    with pytest.raises(TableError, match="--path must say how films are called"):
        build(root, asked=Asked(path="absent/{ref}.png"), workers=0)


def test_the_abnormality_of_the_worst_lesion_can_be_the_label(tree):
    index = build(tree("mias"), asked=Asked(label=("abnormality",)), workers=0).index
    assert index.frame.sort("path")["abnormality"].to_list() == ["CIRC", "NORM", "CALC"]


def test_a_challenge_with_classes_in_columns_and_lesions_in_another_table(tmp_path, picture):
    for number, part in enumerate(("Training", "Validation")):
        picture(tmp_path / f"ISIC2018_Task3_{part}_Input/ISIC_000000{number}.jpg", number)
        folder = tmp_path / f"ISIC2018_Task3_{part}_GroundTruth"
        folder.mkdir()
        (folder / f"ISIC2018_Task3_{part}_GroundTruth.csv").write_text(
            f"image,MEL,NV,BCC,AKIEC,BKL,DF,VASC\nISIC_000000{number},0.0,{1 - number}.0,{number}.0,0.0,0.0,0.0,0.0\n"
        )
    (tmp_path / "ISIC2018_Task3_Training_LesionGroupings.csv").write_text(
        "image,lesion_id,diagnosis_confirm_type\nISIC_0000000,HAM_1,histopathology\n"
    )
    built = build(tmp_path, workers=0)
    rows = built.index.frame.select("diagnosis", "group", "orig_split").rows()
    assert rows == [("NV", "HAM_1", "train"), ("BCC", None, "val")]
    assert built.notes == ("1 photographs have no lesion_id; each counts as a lesion of its own",)


def test_the_challenge_of_2020_has_patients_and_its_own_task(tmp_path, picture):
    for number in range(2):
        picture(tmp_path / f"train/ISIC_{number}.jpg", number)
    (tmp_path / "train.csv").write_text(
        "image_name,patient_id,sex,age_approx,anatom_site_general_challenge,diagnosis,benign_malignant,target\n"
        "ISIC_0,IP_1,male,45.0,torso,unknown,benign,0\nISIC_1,IP_2,female,,torso,melanoma,malignant,1\n"
    )
    index = build(tmp_path, asked=Asked(label=("benign_malignant",)), workers=0).index
    assert index.layout == "isic"
    assert index.frame["patient_id"].to_list() == ["IP_1", "IP_2"]
    assert index.frame["benign_malignant"].to_list() == ["benign", "malignant"]


def test_what_the_description_of_a_decathlon_task_gets_wrong_is_said(tree):
    root = tree("msd")
    told = json.loads((root / "dataset.json").read_text())
    told["numTraining"] = 260
    told["training"].append({"image": "../outside.nii.gz", "label": "./labelsTr/x.nii.gz"})
    (root / "dataset.json").write_text(json.dumps(told))
    (root / "labelsTr/hippocampus_003.nii.gz").unlink()
    built = build(root, workers=0)
    assert sorted(reasons(built.index)) == [
        "../outside.nii.gz",
        "./labelsTr/hippocampus_003.nii.gz",
    ]
    assert any("says that it has 260 training volumes, and lists 3" in n for n in built.notes)
    assert built.index.mask_classes.names == ("background", "Anterior", "Posterior")


def test_a_case_without_all_its_channels_is_refused(tree):
    root = tree("nnunet")
    (root / "imagesTs/la_001_0001.nii.gz").unlink()
    index = build(root, workers=0).index
    assert reasons(index) == {
        "imagesTs/la_001_0000.nii.gz": "its case has 1 channels, and dataset.json names 2"
    }
    assert index.mask_classes.names == ("background", "prostate")


def test_a_mask_with_a_number_of_no_class_is_a_reject(tree):
    root = tree("msd")
    mask = nibabel.Nifti1Image(np.full((6, 5, 4), 7, dtype=np.uint8), np.eye(4))
    nibabel.save(mask, root / "labelsTr/hippocampus_003.nii.gz")
    found = reasons(build(root, workers=0).index)
    assert (
        "holds 7, which is no class among background=0" in found["imagesTr/hippocampus_003.nii.gz"]
    )


def test_a_lesion_of_dermamnist_in_several_parts_is_said(tmp_path):
    image, label = np.zeros((1, 4, 4, 3), np.uint8), np.array([[4]])
    parts = {f"{p}_images": image + k for k, p in enumerate(("train", "val", "test"))}
    np.savez(
        tmp_path / "dermamnist.npz", **parts, **{f"{p.split('_')[0]}_labels": label for p in parts}
    )
    built = build(tmp_path, workers=0)
    assert set(built.index.frame["label"]) == {"melanoma"}
    assert any("one lesion stands in several parts" in note for note in built.notes)


@pytest.mark.parametrize("name", [n for n in layouts.names() if layouts.get(n).published])
def test_a_table_that_was_cut_short_is_one_line(tree, name):
    """Every text of a set is replaced by bytes: either the images still tell, or one line does."""
    root = tree(name)
    for file in [*root.rglob("*.csv"), *root.rglob("*.json"), *root.rglob("*.txt")]:
        file.write_bytes(b"\x00\xff\xfe garbage")
    try:
        build(root, layout=name, workers=0)
    except TableError as error:
        assert "\n" not in str(error)  # noqa: PT017 (either is right)


def test_a_mask_that_lies_with_its_cut_out_is_found_by_its_size_and_said(tree):
    notes = build(tree("cbis_ddsm"), workers=0).notes
    assert notes[0].startswith("1 masks are not the files that the tables name")
    assert notes[1] == "1 films show several abnormalities: the label is the worst of them"


def test_the_mask_of_a_film_of_cbis_ddsm_is_that_of_all_its_abnormalities(tree):
    root = tree("cbis_ddsm")
    folders = [root / f"CBIS-DDSM/Mass-Training_P_00009_LEFT_CC_{k}/3.12{k}" for k in (1, 2)]
    for folder in folders:  # masks and cut-outs lie in each other's folders
        (folder / f"4.12{folder.name[-1]}").rename(folder / "away")
        (folder / f"5.12{folder.name[-1]}").rename(folder / f"4.12{folder.name[-1]}")
        (folder / "away").rename(folder / f"5.12{folder.name[-1]}")
    built = build(root, workers=0)
    row = built.index.frame.filter(patient_id="P_00009").row(0, named=True)
    masks = [read(str(root / path)).array[0] for path in row["mask_path"].split("//")]
    union = np.eye(12, 10, 1, dtype=bool) | np.eye(12, 10, 2, dtype=bool)
    assert [int((mask > 0).sum()) for mask in masks] == [9, 8]
    np.testing.assert_array_equal(
        read_mask(built.index.file(row["mask_path"])).array[0], union * np.uint8(255)
    )
    assert row["mask_counts"] == [120 - 17, 17]
    assert built.notes[0].startswith("3 masks are not the files that the tables name")


def test_files_of_cbis_ddsm_are_found_by_their_tags_where_folders_are_called_by_dates(tree):
    root = tree("cbis_ddsm")
    before = build(root, workers=0).index.frame.sort("patient_id")
    for number, file in enumerate(sorted((root / "CBIS-DDSM").rglob("*.dcm"))):
        study, series = file.parent.parts[-2:]
        image = dcmread(file)
        image.StudyInstanceUID, image.SeriesInstanceUID = study, series
        image.save_as(file)
        patient = file.relative_to(root / "CBIS-DDSM").parts[0]
        place = root / "CBIS-DDSM" / patient / "07-20-2016-DDSM-NA" / f"1.000000-{series}"
        place.mkdir(parents=True, exist_ok=True)
        file.rename(place / f"1-{number}.dcm")
    after = build(root, workers=0)
    assert after.index.rejects.is_empty()
    same = ["patient_id", "pathology", "shape", "mask_counts"]
    assert after.index.frame.sort("patient_id").select(same).equals(before.select(same))


def test_a_film_of_cbis_ddsm_without_one_of_its_masks_has_none(tree):
    root = tree("cbis_ddsm")
    next((root / "CBIS-DDSM").glob("Mass-Training_P_00009_LEFT_CC_2/*/4.*/1-1.dcm")).unlink()
    built = build(root, workers=0)
    assert built.index.frame.filter(patient_id="P_00009")["mask_path"].to_list() == [None]
    assert "1 films lack the mask of an abnormality, and so have none" in built.notes


def test_a_film_of_cbis_ddsm_that_stands_for_masses_and_for_calcifications_is_said(tree):
    root = tree("cbis_ddsm")
    table = (root / "mass_case_description_train_set.csv").read_text()
    head, first, *_ = table.splitlines()
    (root / "calc_case_description_train_set.csv").write_text(
        f"{head}\n{first.replace('Mass-', 'Calc-').replace(',mass,', ',calcification,')}\n"
    )
    for folder in sorted((root / "CBIS-DDSM").glob("Mass-Training_P_00001*")):
        copy = root / "CBIS-DDSM" / folder.name.replace("Mass", "Calc")
        shutil.copytree(folder, copy)
        for name in sorted(copy.rglob("[1-5].*"), reverse=True):
            if name.is_dir():
                name.rename(name.with_name(f"9{name.name}"))
    text = (root / "calc_case_description_train_set.csv").read_text()
    table = re.sub(r"/([1-5]\.\d+)", r"/9\1", text)
    (root / "calc_case_description_train_set.csv").write_text(table)
    built = build(root, workers=0)
    assert len(built.index) == 4
    assert any(note.startswith("1 views of a breast stand several times") for note in built.notes)


def test_a_film_of_cbis_ddsm_without_its_mask_or_its_file_is_said(tree):
    root = tree("cbis_ddsm")
    next((root / "CBIS-DDSM").glob("Mass-Training_P_00001_LEFT_CC_1/*/4.*/1-1.dcm")).unlink()
    next((root / "CBIS-DDSM").glob("Mass-Training_P_00004_RIGHT_MLO/*/*/1-1.dcm")).unlink()
    built = build(root, workers=0)
    assert built.index.rejects["reason"].to_list() == [
        "0 files lie in the folder that the tables name, and one must"
    ]
    assert "1 films lack the mask of an abnormality, and so have none" in built.notes
    assert len(built.index) == 2


def test_what_ddsm_promises_and_does_not_hold_costs_a_reject(tree):
    root = tree("ddsm")
    ill = root / "cases/cancers/cancer_01/case0001"
    (ill / "C_0001_1.RIGHT_CC.OVERLAY").rename(ill / "C_0001_1.RIGHT_CC.OVERLAY.gz")
    (ill / "C_0001_1.LEFT_CC.LJPEG").unlink()
    (ill / "C_0001_1.RIGHT_MLO.OVERLAY").write_text("TOTAL_ABNORMALITIES 1\nABNORMALITY 1\n")
    shutil.copy(ill / "C_0001_1.LEFT_MLO.LJPEG", ill / "C_0002_1.LEFT_MLO.LJPEG")
    index = build(root, workers=0).index
    found = {path.rpartition("/")[2]: reason for path, reason in reasons(index).items()}
    assert len(index) == 5
    assert found.pop("C_0001_1.RIGHT_MLO.LJPEG").startswith("its outlines cannot be used: an abn")
    assert found.pop("C_0001_1.RIGHT_CC.LJPEG").startswith("its overview promises outlines in")
    assert found == {
        "C_0001_1.LEFT_CC.LJPEG": "its overview promises it, and there is no such file",
        "C_0002_1.LEFT_MLO.LJPEG": "no overview (.ics) describes it",
    }
    assert "Unpack it with gunzip." in index.rejects["remedy"].to_list()


def test_ddsm_says_what_is_unproven_or_in_the_wrong_volume(tree):
    root = tree("ddsm")
    (root / "cases/cancers/cancer_01").rename(root / "cases/cancers/benign_01")
    for file in root.rglob("*.RIGHT_MLO.OVERLAY"):
        file.write_text(file.read_text().replace("BENIGN", "UNPROVEN"))
    built = build(root, asked=Asked(label=("pathology", "category", "abnormality")), workers=0)
    assert [note.split(" films ")[0] for note in built.notes] == ["1", "1", "1"]
    assert "show only what is unproven" in built.notes[1]
    assert "what their volume should not hold" in built.notes[2]
    rows = {
        (r["study_id"], r["view"], r["laterality"]): r for r in built.index.frame.rows(named=True)
    }
    assert rows["C_0001_1", "MLO", "R"]["pathology"] is None
    assert rows["C_0001_1", "MLO", "R"]["category"] == "benign"
    assert rows["C_0001_1", "CC", "R"]["abnormality"] == "mass"
    assert rows["B_3600_1", "CC", "R"]["category"] == "normal"


def test_films_of_ddsm_can_be_indexed_by_their_density(tree):
    root = tree("ddsm")
    index = build(root, asked=Asked(path="{film}#optical_density"), workers=0).index
    assert index.frame["path"].str.ends_with(".LJPEG#optical_density").all()
    assert index.frame.filter(pl.col("volume") == "cancer_01")["high"].round(1).max() == 4.1
    with pytest.raises(ArgumentError, match=r"--path must be '\{film\}' or"):
        build(root, asked=Asked(path="{ref}"), workers=0)


def test_what_inbreast_says_twice_and_differently_is_counted(tree):
    root = tree("inbreast")
    table = root / "INbreast.csv"
    text = table.read_text().replace(";R;CC;201001;20586908;", ";L;CC;201001;20586908;")
    table.write_text(text.replace(";2;3\n", ";2;\n") + "removed;removed;L;CC;201001;999;1;1\n")
    built = build(root, asked=Asked(label=("suspicious", "birads", "density")), workers=0)
    assert reasons(built.index) == {"999": "INbreast.csv names it, and there is no such film"}
    assert [note.split(" films ")[0] for note in built.notes] == ["1", "1", "2"]
    assert built.index.frame["birads"].to_list() == ["4b", "1", None]


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (b"(6.000000", b"(7.000000", "outside of the 9 x 7 pixels"),
        (b"(6.0,", b"(-1.0,", "outside of the 9 x 7 pixels"),
        (b"(6.0,", b"(six,", "must be two numbers"),
        (b"<key>Point_px", b"<key>Point_mm", "with Point_px"),
        (b"<plist", b'<!DOCTYPE plist [<!ENTITY a "b">]><plist', "ntity"),
    ],
)
def test_outlines_of_inbreast_that_cannot_be_cost_their_film_a_reject(tree, old, new, reason):
    root = tree("inbreast")
    file = root / "AllXML/20586908.xml"
    text = file.read_bytes().replace(b"(6.0, 8.0)", b"(6.000000, 8.0)") if b"000" in old else None
    text = (text or file.read_bytes()).replace(old, new)
    if b"ENTITY" in new:
        text = text.replace(
            b'<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">',
            b"",
        )
    file.write_bytes(text)
    found = list(reasons(build(root, workers=0).index).values())
    assert len(found) == 1
    assert reason in found[0]


def candidates(root, *lines, name="candidates_V2.csv"):
    head = "seriesuid,coordX,coordY,coordZ,class\n"
    (root / name).write_text(head + "".join(f"{line}\n" for line in lines))


def test_candidates_of_luna16_are_patches_grouped_by_scan_in_official_folds(tree):
    root = tree("luna16")
    long = "1.3.6.1.4.1.14519.5.2.1.6279.6001.100225287222365663678666836860"
    candidates(
        root,
        f"{long},-9.3,-18.6,-27.5,1",
        f"{long},-9.3,-18.6,-27.5,1",
        f"{long},-8.0,-18.0,-25.0,0",
        "1.3.6.1,-10,-20,-30,0",
        "1.3.6.1,999,-20,-30,0",
        "1.3.6.1,far,-20,-30,0",
        "1.3.6.1,1,2,3,7",
        "1.9.9,1,2,3,1",
    )
    built = build(root, asked=Asked(label=("candidate",)), workers=0)
    frame = built.index.frame.sort("path")
    assert frame["candidate"].to_list() == [0, 1, 0]
    assert frame["group"].to_list() == [long, long, "1.3.6.1"]
    assert frame["fold"].to_list() == [0, 0, 3]
    assert frame["path"][1] == f"subset0/{long}.mhd#at/-9.3,-18.6,-27.5/48mm"
    assert frame["image_id"].n_unique() == 2  # so small a scan is all of both its cubes
    undecoded = build(root, asked=Asked(label=("candidate",)), decode=False, workers=0).index
    assert undecoded.frame["image_id"].n_unique() == len(undecoded)
    found = sorted(built.index.rejects["reason"])
    assert found[0].startswith("a line of candidates_V2.csv holds no place")
    assert found[2:3] == ["candidates_V2.csv names it, and there is no such scan"]
    assert "outside of 4 x 5 x 6" in found[3]
    assert [note[:2] for note in built.notes[1:]] == ["1 ", "2 "]
    assert "annotated nodules are no candidate" in built.notes[2]


def test_candidates_that_are_out_of_use_are_taken_only_where_there_are_no_others(tree):
    root = tree("luna16")
    (root / "candidates_V2.csv").unlink()
    candidates(root, "1.3.6.1,-10,-20,-30,0", name="candidates.csv")
    (root / "annotations.csv").write_text(
        "seriesuid,coordX,coordY,coordZ,diameter_mm\n1.3.6.1,-10,-20,-30,4\n"
    )
    built = build(root, asked=Asked(label=("candidate",)), workers=0)
    assert built.notes[-1].startswith("candidates.csv is out of use")
    assert "1 annotated nodules are no candidate" in built.notes[1]
    with pytest.raises(ArgumentError, match="or candidate"):
        build(root, asked=Asked(label=("nodule", "candidate")), workers=0)
    assert build(root, asked=Asked(label=("none",)), workers=0).index.labels == ()


def test_readings_of_lidc_without_series_and_series_without_readings_are_said(tree):
    root = tree("lidc")
    first, second, third = sorted(root.rglob("069.xml"))
    third.write_text(second.read_text())
    (root / "LIDC-XML-only").mkdir()
    (root / "LIDC-XML-only/999.xml").write_text(first.read_text().replace("6001.0", "6001.77"))
    built = build(root, asked=Asked(label=("malignant", "nodule")), workers=0)
    assert built.index.frame["nodule"].to_list() == [1, 1]
    assert sorted(reasons(built.index).values()) == [
        "no CT series has the UID '1.3.6.1.4.1.14519.5.2.1.6279.6001.77'",
        "no XML file reads it",
    ]
    assert [note.split()[0] for note in built.notes] == ["malignancy", "1", "1"]
    assert "read a series that another file reads" in built.notes[2]


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("<xCoord>1</xCoord>", "<xCoord>NaN</xCoord>", "has no column, row or z"),
        ("<xCoord>1</xCoord>", "<xCoord>one</xCoord>", "could not convert"),
        ("?>", '?><!DOCTYPE a [<!ENTITY b "c">]>', "it defines the entity 'b'"),
        ("</LidcReadMessage>", "", "no element found"),
    ],
)
def test_readings_of_lidc_that_cannot_be_cost_one_scan(tree, old, new, reason):
    root = tree("lidc")
    file = min(root.rglob("069.xml"))
    file.write_text(file.read_text().replace(old, new, 1))
    index = build(root, workers=0).index
    assert len(index) == 2
    assert any(reason in text for text in reasons(index).values())


def test_thousands_of_readings_of_one_scan_are_refused_at_once(tree):
    root = tree("lidc")
    file = min(root.rglob("069.xml"))
    one = "<unblindedReadNodule></unblindedReadNodule>"
    file.write_text(file.read_text().replace("<nonNodule>", one * 30_000 + "<nonNodule>", 1))
    index = build(root, workers=0).index
    assert any("at most 1000 readings" in text for text in reasons(index).values())


def test_the_archives_of_brats_2013_and_2015_name_cases_by_their_folders(tmp_path):
    for number, (case, truth) in enumerate(
        (
            ("Image_Data/HG/0001", "VSD.Brain_3more.XX.XX.OT"),
            ("Synthetic_Data/HG/0001", "VSD.Gray_matter_of_neuraxis_5more.XX.O.OT"),
            ("HGG/brats_tcia_pat153_0109", "VSD.Brain_3more.XX.O.OT.7"),
            ("HGG/brats_tcia_pat153_0181", "VSD.Brain_3more.XX.O.OT.7"),
            ("LGG/brats_2013_pat0001_1", "VSD.Brain_3more.XX.O.OT.7"),
        )
    ):
        for kind in ("MR_Flair", "MR_T1", "MR_T1c", "MR_T2", "OT"):
            folder = truth if kind == "OT" else f"VSD.Brain.XX.O.{kind}"
            name = f"{folder}.9" if not folder.endswith(".7") else folder
            values = np.arange(24, dtype=np.uint8).reshape(2, 3, 4) % 5 + (
                number if "MR" in kind else 0
            )
            path = tmp_path / case / folder / f"{name}.mha"
            path.parent.mkdir(parents=True)
            sitk.WriteImage(sitk.GetImageFromArray(values), path)
    built = build(tmp_path, workers=0)
    index = built.index
    assert index.layout == "brats"
    assert index.frame.height == 20
    assert index.rejects.is_empty()
    assert index.mask_classes.values == (0, 1, 2, 3, 4)
    people = dict(index.frame.group_by("patient_id").agg(pl.col("group").n_unique()).iter_rows())
    assert people == {
        "HG/0001": 1,
        "Synthetic_Data/HG/0001": 1,
        "HGG/brats_tcia_pat153": 2,
        "LGG/brats_2013_pat0001": 1,
    }
    assert set(index.frame["grade"]) == {"HGG", "LGG"}
    assert built.notes[0].startswith("1 cases were computed, not scanned")


def test_patients_of_two_cohorts_of_brats_2023_are_not_one(tmp_path):
    for cohort in ("GLI", "MET"):
        for scan in ("000", "001"):
            case = f"BraTS-{cohort}-00001-{scan}"
            for kind in ("t1n", "t1c", "t2w", "t2f"):
                image = nibabel.Nifti1Image(
                    np.arange(8, dtype=np.int16).reshape(2, 2, 2), np.eye(4)
                )
                (tmp_path / case).mkdir(exist_ok=True)
                nibabel.save(image, tmp_path / case / f"{case}-{kind}.nii.gz")
    index = build(tmp_path, decode=False, workers=0).index
    assert set(index.frame["patient_id"]) == {"GLI-00001", "MET-00001"}
    assert index.frame["group"].n_unique() == 4


def with_table(root, change):
    """Change all lines of the tables of a set but the first; returns whether there are any."""
    tables = sorted(root.rglob("*.csv"))
    for table in tables:
        head, *lines = table.read_text().splitlines()
        table.write_text("\n".join([head, *change(lines)]) + "\n")
    return bool(tables)


TABLED = (
    "aptos",
    "cbis_ddsm",
    "chestxray14",
    "chexpert",
    "inbreast",
    "isic",
    "luna16",
    "pcam_kaggle",
)


@pytest.mark.parametrize("name", TABLED)
def test_lines_that_a_table_repeats_make_no_further_rows(tree, name):
    root = tree(name)
    before = build(root, workers=0).index.frame
    assert with_table(root, lambda lines: [*lines, *lines])
    again = build(root, workers=0).index.frame
    assert again["path"].is_unique().all()
    assert again["path"].sort().equals(before["path"].sort())


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("aptos", ",2", ",3"),
        ("chestxray14", "No Finding", "Mass"),
        ("chexpert", "-1.0", "1.0"),
        ("inbreast", ";4b", ";1"),
        ("isic", ",mel,", ",nv,"),
        ("pcam_kaggle", ",1", ",0"),
    ],
)
def test_images_that_a_table_describes_in_two_ways_are_rejects(tree, name, old, new):
    root = tree(name)
    before = len(build(root, workers=0).index)

    def contradicted(lines):
        return [*lines, *[line.replace(old, new) for line in lines if old in line][:1]]

    with_table(root, contradicted)
    index = build(root, workers=0).index
    assert len(index) == before - 1
    told = reasons(index).values()
    assert [r for r in told if "which differ" in r or "several diagnoses" in r], told


@pytest.mark.parametrize(
    ("name", "old", "new", "reason"),
    [
        ("aptos", ",2", ",2.5", "calls it '2.5', which is no class of the set"),
        ("pcam_kaggle", ",1", ",yes", "calls it 'yes', which is no class of the set"),
        ("chestxray14", "No Finding", "Mass|Ghost", "none of the set: 'Mass|Ghost'"),
    ],
)
def test_a_label_that_is_none_of_the_set_costs_its_image(tree, name, old, new, reason):
    root = tree(name)
    with_table(root, lambda lines: [line.replace(old, new) for line in lines])
    index = build(root, workers=0).index
    assert index.rejects.height == 1
    assert reason in index.rejects["reason"][0]


def test_a_finding_of_chexpert_that_is_no_number_is_refused(tree):
    root = tree("chexpert")
    with_table(root, lambda lines: [line.replace("-1.0", "maybe") for line in lines])
    with pytest.raises(TableError, match="must hold 1, 0, -1 or nothing, and holds 'maybe'"):
        build(root, workers=0)


def test_what_is_no_table_is_one_line_that_says_so(tree):
    root = tree("aptos")
    text = (root / "train.csv").read_text()
    (root / "train.csv").write_text(text, encoding="utf-16")
    with pytest.raises(TableError, match="first line holds null bytes, as in UTF-16"):
        build(root, layout="aptos", workers=0)
    (root / "train.csv").write_text("a" * 200_000 + "\n" + text)
    assert layouts.get("aptos").recognise(root) is None
    with pytest.raises(TableError, match="must be a table"):
        build(root, layout="aptos", workers=0)
    (root / "train.csv").unlink()
    with pytest.raises(TableError, match=r"the table '.*train.csv' must exist"):
        build(root, layout="aptos", workers=0)


@pytest.mark.parametrize("name", ["chexpert", "medmnist", "mias", "msd", "nnunet"])
def test_a_set_whose_description_is_gone_or_cut_short_is_one_line(tree, name):
    root = tree(name)
    told = [f for f in root.iterdir() if f.suffix in (".csv", ".npz", ".txt", ".json")]
    for file in told:
        file.write_bytes(file.read_bytes()[:20])
    with pytest.raises(TableError, match=r"Fetch it again|fetch it again|Add|add"):
        build(root, layout=name, workers=0)
    for file in told:
        file.unlink()
    with pytest.raises(TableError, match="SOURCE"):
        build(root, layout=name, workers=0)


def test_a_description_of_coco_that_is_cut_short_is_a_reject(tree):
    root = tree("coco")
    file = root / "valid/_annotations.coco.json"
    file.write_text(file.read_text()[:50])
    index = build(root, workers=0).index
    assert reasons(index)["valid/_annotations.coco.json"].startswith("it is no JSON object:")
    assert set(index.frame["orig_split"]) == {"train"}


@pytest.mark.parametrize(
    ("name", "old"),
    [("inbreast", ".dcm"), ("lidc", ".xml"), ("montgomery_shenzhen", ".png"), ("voc", ".xml")],
)
def test_suffixes_in_capitals_are_the_same_suffixes(tree, name, old):
    root = tree(name)
    before = len(build(root, workers=0).index)
    for file in root.rglob(f"*{old}"):
        file.rename(file.with_suffix(old.upper()))
    built = build(root, workers=0)
    assert (built.layout, len(built.index)) == (name, before)


def test_masks_of_single_lungs_are_joined_whatever_number_they_use(tree):
    root = tree("montgomery_shenzhen")
    index = build(root, workers=0).index
    assert index.mask_classes.values == (0, 255)
    one, both = 20, 19 + 18
    counts = index.frame.sort("path")["mask_counts"].to_list()
    assert counts == [[480 - one, one], [480 - both, both], None]
    for file in (root / "MontgomerySet/ManualMask").rglob("*.png"):
        Image.fromarray(np.asarray(Image.open(file)) > 0).save(file)  # one bit a pixel
    mixed = build(root, workers=0)
    assert mixed.notes == ("1 masks of Montgomery number lungs otherwise and were left out",)
    assert mixed.index.frame["mask_path"].count() == 1
    shutil.rmtree(root / "ChinaSet_AllFiles")
    alone = build(root, workers=0).index
    assert alone.mask_classes.values == (0, 1)
    assert alone.frame.sort("path")["mask_counts"].to_list() == [[480 - both, both], None]
    next((root / "MontgomerySet/ManualMask/leftMask").iterdir()).unlink()
    half = build(root, workers=0)
    assert half.notes == ("1 films lack the mask of a lung, and so have none",)
    assert half.index.mask_classes is None


@pytest.mark.parametrize("values", [[b"a"], [0.5], [float("nan")], [300], [2], [-1]])
def test_labels_of_patches_that_are_neither_0_nor_1_are_refused(tree, values):
    root = tree("pcam")
    file = root / "camelyonpatch_level_2_split_train_y.h5"
    with h5py.File(file) as old:
        shape = old["y"].shape
    with h5py.File(file, "w") as new:
        new["y"] = np.resize(np.array(values), shape)
    with pytest.raises(TableError, match="must be 0 or 1"):
        build(root, workers=0)


def test_descriptions_with_strange_values_are_one_line(tree):
    root = tree("coco")
    file = root / "train/_annotations.coco.json"
    told = json.loads(file.read_text())
    told["images"][0]["id"] = []
    file.write_text(json.dumps(told))
    with pytest.raises(TableError, match="must each have an id and a file_name"):
        build(root, workers=0)
    (root / "dataset.json").write_text(json.dumps({"training": [{"image": "a" * 5000}]}))
    assert layouts.get("msd").recognise(root) is None


def test_a_box_without_a_place_is_refused(tree):
    root = tree("voc")
    file = min(root.rglob("*.xml"))
    file.write_text(re.sub(r"<xmin>.*?</xmin>", "<xmin>nan</xmin>", file.read_text(), count=1))
    index = build(root, workers=0).index
    assert any("its box must have four numbers" in reason for reason in reasons(index).values())


def test_a_box_of_coco_that_is_no_number_is_refused(tree):
    root = tree("coco")
    file = root / "train/_annotations.coco.json"
    told = json.loads(file.read_text())
    told["annotations"][0]["bbox"] = [float("nan"), 1, 2, 3]
    file.write_text(json.dumps(told))
    with pytest.raises(TableError, match="a category_id and a bbox"):
        build(root, workers=0)


@pytest.mark.parametrize("name", ["lidc", "voc", "camelyon16"])
def test_why_a_file_cannot_be_used_is_told_whole_and_without_the_folders_above(
    tmp_path, picture, name
):
    root = tmp_path / "Dr. Who"
    root.mkdir()
    runpy.run_path(str(EXAMPLES / f"example_{name}.py"))["make"](root, picture)
    file = min(root.rglob("*.xml"))
    file.write_bytes(file.read_bytes()[:-9])
    told = list(reasons(build(root, workers=0).index).values())
    assert any(reason.startswith(f"'{file.name}' must be XML: ") for reason in told), told
    assert not any("Who" in reason for reason in told)
