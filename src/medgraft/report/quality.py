"""The page of what samples are worth, from what the judging saved."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medgraft.files import read_json, write_text
from medgraft.report.contracts import Measured
from medgraft.report.pictures import embedded
from medgraft.report.template import fill_page
from medgraft.report.words import count, p_value, percent, settings_without_folders, without_folders

SURE = 0.01  # a generator is accused of copying below this p
MEANINGS = {
    "frechet": "Fréchet distance: 0 would be the same distribution; falls with the number of images",
    "kernel": "kernel distance: 0 is the same distribution, whatever the number of images",
    "precision": "share of images that lie where training images do; outliers among those widen it",
    "recall": "share of training images that look like one of these",
    "density": "training images that each looks like, beside what is usual; 1 is usual",
    "coverage": "share of training images that one of these lies close to",
    "spread": "how far these lie from one another; 1 is as far as training images",
    "twins": "share with another one closer than 99 % of training images have",
    "copies": "share closer to a training image than 99 % of unseen images are",
}


@dataclass(frozen=True)
class Row:
    """One measure as it is printed.

    Attributes:
        name: Of the measure.
        meaning: In a few words.
        samples: Value and interval of the samples.
        unseen: Of unseen real images.
    """

    name: str
    meaning: str
    samples: str
    unseen: str


def table(found: dict[str, Any]) -> list[Row]:
    """The measures of quality.json, in the order of their meanings."""
    return [
        Row(
            name,
            meaning,
            _told(Measured(**found["generated"][name])),
            _told(Measured(**found["real"][name])),
        )
        for name, meaning in MEANINGS.items()
    ]


def _told(entry: Measured) -> str:
    if entry.value is None:
        return "undefined"
    if entry.low is None or entry.high is None:
        return short(entry.value)
    return f"{short(entry.value)} ({short(entry.low)} to {short(entry.high)})"


def short(value: float) -> str:
    """A number of any size to three digits, its sign readable.

    Examples:
        >>> short(123.4), short(0.98765), short(-0.000123), short(0.0)
        ('123', '0.988', '−0.000123', '0')
    """
    return f"{value:.3g}".replace("-", "−")


@dataclass(frozen=True)
class Judged:
    """What a page says of samples.

    Attributes:
        found: What quality.json holds.
        answer: In a sentence.
        copying: Whether the model memorises, in a sentence or two.
        warnings: What a reader must know.
        rows: The table of measures.
        sheet: Samples above their nearest training images, as a data URL.
    """

    found: dict[str, Any]
    answer: str
    copying: str
    warnings: list[str]
    rows: list[Row]
    sheet: str


def read_judged(folder: Path) -> Judged:
    """What a folder of `medgraft generate quality` says.

    Raises:
        TableError: If quality.json is missing or not JSON.
    """
    found: dict[str, Any] = read_json(folder / "quality.json")
    return Judged(
        found,
        answer(found),
        copying(found),
        _warnings(found),
        table(found),
        embedded((folder / "nearest.png").read_bytes()),
    )


def write_quality(folder: Path) -> Path:
    """Write quality.html beside quality.json.

    Returns:
        Path of the page.

    Raises:
        TableError: If quality.json is missing or not JSON.
        OutputError: If the folder cannot be written.
    """
    judged = read_judged(folder)
    found, page = judged.found, folder / "quality.html"
    write_text(
        page,
        fill_page(
            "quality.html.j2",
            judged=judged,
            model=found["model"].partition(":")[0],
            name=Path(found["run"]).resolve().name,
            warnings=judged.warnings,
            others=_others(Path(found["run"])),
            facts=_facts(found),
        ),
    )
    return page


def answer(found: dict[str, Any]) -> str:
    """What came of it, in one sentence."""
    made, real = found["generated"], found["real"]
    apart = Measured(**made["kernel"])
    floor = Measured(**real["kernel"])
    shares = {
        name: (percent(made[name]["value"]), percent(real[name]["value"]))
        for name in ("precision", "coverage")
    }
    told = (
        f"{shares['precision'][0]} of the samples lie where real images do (of unseen images {shares['precision'][1]});"
        f" {shares['coverage'][0]} of the training images have a sample close by (an unseen image:"
        f" {shares['coverage'][1]})"
    )
    if apart.low is not None and floor.high is not None and apart.low <= floor.high:
        return f"{told}. The kernel distance does not tell samples from real images."
    return f"{told}. As a whole, samples can be told from real images."


def copying(found: dict[str, Any]) -> str:
    """Whether it memorises, in a sentence or two."""
    told = found["copying"]
    share = f"{percent(told['share'])} ({percent(told['low'])} to {percent(told['high'])}, {p_value(told['p'])})"
    what = (
        "The chance that a sample lies nearer to its nearest training image than an unseen image lies to"
        f" its own is {share}; without copying it is 50 %."
    )
    if told["p"] < SURE:
        return f"It memorises. {what}"
    if told["high"] < 0.5:
        return f"Nothing says that it memorises: samples keep farther away than unseen images do. {what}"
    return f"Nothing says that it memorises. {what}"


def _warnings(found: dict[str, Any]) -> list[str]:
    said = ["These are samples of synthetic phantoms."] if found["synthetic"] else []
    made, real = found["generated"], found["real"]
    if found["copying"]["p"] < SURE or _above(made["copies"], real["copies"]):
        said.append(
            "Samples repeat training images: whoever gets them gets images of patients. Look at the"
            " pairs below."
        )
    if _above(made["twins"], real["twins"]):
        said.append("Samples repeat one another: more of them do not show more.")
    if found["network"]["weights"] == "none":
        said.append(
            "The network has random weights: its distances say little about what people see."
        )
    each = found["images"]["each"]
    if each < 200:
        said.append(
            f"There are {each} images in each set: intervals are wide, and the Fréchet distance is too large."
        )
    return said


def _above(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether the whole interval of one lies above that of the other."""
    return one["low"] is not None and other["high"] is not None and one["low"] > other["high"]


def _others(run: Path) -> list[dict[str, str]]:
    """Reconstructions and interpolations that the run itself has drawn."""
    record = run / "generation.json"
    if not record.is_file():
        return []
    return [
        {
            "title": one["title"],
            "caption": one["caption"],
            "source": embedded((run / "examples" / one["file"]).read_bytes()),
        }
        for one in read_json(record)["pictures"]
        if one["file"].partition(".")[0] in ("reconstructions", "interpolations")
        and (run / "examples" / one["file"]).is_file()
    ]


def _facts(found: dict[str, Any]) -> dict[str, str]:
    network = found["network"]
    stage = f"stage {network['stage']}, {count(network['columns'], 'number')} per image"
    return {
        "Model": found["model"],
        "Images of each set": count(found["images"]["each"]),
        "Nearest looked for among": count(found["images"]["training"], "training image"),
        "Unseen images": f"of the {found['split']} part",
        "Network": f"{network['backbone']}, weights {without_folders(network['weights'])}, {stage}",
        "Neighbours": str(found["neighbours"]),
        "Intervals": f"95 %, {count(found['replicates'], 'replicate')}, real images by {found['unit']}",
        "Seed": str(found["seed"]),
        "Command": settings_without_folders(" ".join(found["command"])),
    }
