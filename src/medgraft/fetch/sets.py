"""Which published sets may be taken by anybody, and where one has to ask for the others.

Addresses, MD5 sums and licences are those that the makers publish: of MedMNIST in its `info.py`
(version 2), of the Medical Segmentation Decathlon on the mirror that MONAI reads.
"""

from __future__ import annotations

from dataclasses import dataclass

from medgraft.registry import unknown_name


@dataclass(frozen=True)
class Open:
    """A set that may be taken without an account.

    Attributes:
        name: By which `medgraft fetch` knows it.
        what: What it shows, in a clause.
        url: Of its one file.
        md5: Of that file, as published.
        licence: Its name.
        terms: Address of its text.
        layout: As which `medgraft index` reads it.
        unpack: Whether the file is a tar archive that becomes a folder.
    """

    name: str
    what: str
    url: str
    md5: str
    licence: str
    terms: str
    layout: str
    unpack: bool = False

    @property
    def file(self) -> str:
        """Name of the file."""
        return self.url.partition("?")[0].rpartition("/")[2]


@dataclass(frozen=True)
class OnRequest:
    """A set for which its makers want to know who asks.

    Attributes:
        name: By which it is known here.
        what: What it shows, in a clause.
        where: Page on which to ask for it.
        how: What is asked.
        layout: As which `medgraft index` reads it.
    """

    name: str
    what: str
    where: str
    how: str
    layout: str


CC_BY = ("CC BY 4.0", "https://creativecommons.org/licenses/by/4.0/")
CC_BY_NC = ("CC BY-NC 4.0", "https://creativecommons.org/licenses/by-nc/4.0/")
CC_BY_SA = ("CC BY-SA 4.0", "https://creativecommons.org/licenses/by-sa/4.0/")
MEDMNIST = {  # name: MD5 of the file with 28 pixels a side, and what it shows
    "pathmnist": ("a8b06965200029087d5bd730944a56c1", "tissue of the colon, 9 classes"),
    "chestmnist": ("02c8a6516a18b556561a56cbdd36c4a8", "chest films, 14 findings"),
    "dermamnist": ("0744692d530f8e62ec473284d019b0c7", "skin lesions, 7 classes"),
    "octmnist": ("c68d92d5b585d8d81f7112f81e2d0842", "retinal OCT, 4 classes"),
    "pneumoniamnist": ("28209eda62fecd6e6a2d98b1501bb15f", "chest films of children, 2 classes"),
    "retinamnist": ("bd4c0672f1bba3e3a89f0e4e876791e4", "fundus photographs, 5 grades"),
    "breastmnist": ("750601b1f35ba3300ea97c75c52ff8f6", "ultrasound of the breast, 2 classes"),
    "bloodmnist": ("7053d0359d879ad8a5505303e11de1dc", "blood cells, 8 classes"),
    "tissuemnist": ("ebe78ee8b05294063de985d821c1c34b", "cells of the kidney, 8 classes"),
    "organamnist": ("866b832ed4eeba67bfb9edee1d5544e6", "axial slices of CT, 11 organs"),
    "organcmnist": ("0afa5834fb105f7705a7d93372119a21", "coronal slices of CT, 11 organs"),
    "organsmnist": ("e5c39f1af030238290b9557d9503af9d", "sagittal slices of CT, 11 organs"),
}
DECATHLON = {  # name of the task: MD5 of its tar file, and what it shows
    "Task01_BrainTumour": ("240a19d752f0d9e9101544901065d872", "MRI, tumours of the brain"),
    "Task02_Heart": ("06ee59366e1e5124267b774dbd654057", "MRI, left atrium"),
    "Task03_Liver": ("a90ec6c4aa7f6a3d087205e23d4e6397", "CT, liver and tumours"),
    "Task04_Hippocampus": ("9d24dba78a72977dbd1d2e110310f31b", "MRI, hippocampus"),
    "Task05_Prostate": ("35138f08b1efaef89d7424d2bcc928db", "MRI, zones of the prostate"),
    "Task06_Lung": ("8afd997733c7fc0432f71255ba4e52dc", "CT, tumours of the lung"),
    "Task07_Pancreas": ("4f7080cfca169fa8066d17ce6eb061e4", "CT, pancreas and tumours"),
    "Task08_HepaticVessel": ("641d79e80ec66453921d997fbf12a29c", "CT, vessels of the liver"),
    "Task09_Spleen": ("410d4a301da4e5b2f6f86ec3ddba524e", "CT, spleen"),
    "Task10_Colon": ("bad7a188931dc2f6acf72b08eb6202d0", "CT, cancer of the colon"),
}
ZENODO = "https://zenodo.org/record/6496656/files/{}.npz?download=1"
MIRROR = "https://msd-for-monai.s3-us-west-2.amazonaws.com/{}.tar"
OPEN: tuple[Open, ...] = (
    *(
        Open(name, f"{what}, 28 x 28", ZENODO.format(name), md5,
             *(CC_BY_NC if name == "dermamnist" else CC_BY), "medmnist")
        for name, (md5, what) in MEDMNIST.items()
    ),
    *(
        Open(f"msd_{task.partition('_')[2].lower()}", what, MIRROR.format(task), md5, *CC_BY_SA,
             "msd", unpack=True)
        for task, (md5, what) in DECATHLON.items()
    ),
)  # fmt: skip
AGREEMENT = "an account and a data use agreement"
ON_REQUEST: tuple[OnRequest, ...] = (
    OnRequest("chexpert", "chest films, 14 findings with uncertain ones",
              "https://stanfordmlgroup.github.io/competitions/chexpert/", AGREEMENT, "chexpert"),
    OnRequest("chestxray14", "chest films, 14 findings",
              "https://nihcc.app.box.com/v/ChestXray-NIHCC", "a browser; no account", "chestxray14"),
    OnRequest("cbis_ddsm", "mammograms with outlines",
              "https://www.cancerimagingarchive.net/collection/cbis-ddsm/",
              "the archive's own download program; no account", "cbis_ddsm"),
    OnRequest("inbreast", "mammograms with outlines",
              "https://doi.org/10.1016/j.acra.2011.09.014", "a letter to its authors", "inbreast"),
    OnRequest("ddsm", "mammograms with outlines",
              "http://www.eng.usf.edu/cvprg/mammography/database.html", "its own FTP server", "ddsm"),
    OnRequest("mias", "mammograms", "https://www.repository.cam.ac.uk/handle/1810/250394",
              "agreement to its licence", "mias"),
    OnRequest("luna16", "CT of the lung, nodules", "https://luna16.grand-challenge.org/",
              "an account", "luna16"),
    OnRequest("lidc", "CT of the lung, four readings",
              "https://www.cancerimagingarchive.net/collection/lidc-idri/",
              "the archive's own download program; no account", "lidc"),
    OnRequest("isic", "skin lesions", "https://challenge.isic-archive.com/data/",
              "a browser; no account", "isic"),
    OnRequest("aptos", "fundus photographs",
              "https://www.kaggle.com/c/aptos2019-blindness-detection", "an account", "aptos"),
    OnRequest("siim_pneumothorax", "chest films with masks",
              "https://www.kaggle.com/c/siim-acr-pneumothorax-segmentation", "an account",
              "siim_pneumothorax"),
    OnRequest("pcam", "patches of lymph nodes", "https://github.com/basveeling/pcam",
              "a browser; no account", "pcam"),
    OnRequest("camelyon16", "slides of lymph nodes", "https://camelyon16.grand-challenge.org/Data/",
              "an account", "camelyon16"),
    OnRequest("brats", "MRI, tumours of the brain", "https://www.synapse.org/brats", AGREEMENT,
              "brats"),
    OnRequest("lits", "CT, tumours of the liver", "https://competitions.codalab.org/competitions/17094",
              "an account", "lits"),
)  # fmt: skip


def find(name: str) -> Open | OnRequest:
    """The set of that name.

    Raises:
        UnknownNameError: With names that look alike.
    """
    known: dict[str, Open | OnRequest] = {one.name: one for one in OPEN}
    known |= {one.name: one for one in ON_REQUEST}
    if name not in known:
        raise unknown_name("data set", name, known)
    return known[name]
