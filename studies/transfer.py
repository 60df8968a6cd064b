"""All strategies, from random and from ImageNet weights; writes its tables into docs/results.md.

    .venv/bin/python studies/transfer.py --data ../shared/data --out runs/transfer

Every table is one experiment of `medgraft transfer`, all in this process. A run that is finished
is not repeated, so the study can be stopped and started again. `--only cxr-kermany-10-resnet18`
runs those whose name holds the word; `--tables` only writes the page from what is there.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from results_page import circumstances, put

from medgraft.cli.__main__ import main as medgraft
from medgraft.report import write_transfer
from medgraft.study.arms import read_arms
from medgraft.study.transfer import transfer
from medgraft.train.recipe import Recipe

ROOT = Path(__file__).parents[1]

# --- settings: all that decides how long it takes and how good it gets ---------------------

SEEDS = 3
REPLICATES = 1000

ARCHIVES: dict[str, dict[str, Any]] = {
    "cxr-kermany": {
        "index": "--layout csv --table labels.csv --path file --label label --patient group",
        "labels": (100, 10),
        "recipe": {"size": 96, "augment": ("films",), "test": 0.2, "val": 0.02},
    },
    "histo-idc": {
        "index": "--layout csv --table labels.csv --path file --label label --patient patient",
        "labels": (100,),
        "recipe": {"size": 64, "augment": ("patches",), "test": 0.2, "val": 0.1},
    },
}

NETWORKS: dict[str, dict[str, Any]] = {
    "mobilenetv2_100": {
        "weights": "weights/mobilenetv2_100_imagenet.safetensors",
        "recipe": {"backbone": "mobilenetv2_100"},
        "last": "conv_head",
        "from": "block6",
        "gradual": "gradual:stages=3",
    },
    "resnet18": {
        "weights": "weights/resnet18_to_layer3_imagenet.safetensors",
        "recipe": {"backbone": "resnet18", "after": "layer3"},
        "last": "layer3",
        "from": "layer3",
        "gradual": "gradual",
    },
}

SHARED: dict[int, dict[str, Any]] = {  # by labelled images per class
    100: {"batch_size": 32, "epochs": 10, "rate": 1e-3},
    10: {"batch_size": 10, "epochs": 15, "rate": 1e-3},
}

# Strategy, and settings of its own (as in --arms) from ImageNet weights; random weights have the
# shared ones, but for the epochs. Rates of two-phase and fine-tune are options of their own.
STRATEGIES: dict[str, dict[int, str]] = {
    "full": {100: "", 10: ""},
    "head": {100: "rate=1e-2", 10: "rate=1e-2"},
    "from:{from}": {100: "", 10: ""},
    "{gradual}": {100: "", 10: ""},
    "two-phase": {100: "epochs=5", 10: "epochs=8"},
    "fine-tune": {100: "", 10: ""},
    "linear": {100: "", 10: ""},
    "svm": {100: "", 10: ""},
}

# -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Experiment:
    """One archive with so many labels, and one network."""

    archive: str
    labels: int
    network: str

    @property
    def name(self) -> str:
        """The name of its folder."""
        return f"{self.archive}-{self.labels}-{self.network}"

    def rows(self) -> list[tuple[str, str, str]]:
        """For each strategy: its name, its arm from random weights, its arm from ImageNet."""
        network = NETWORKS[self.network]
        return [
            (strategy, self._random(strategy, settings), _arm(strategy, settings))
            for strategy, settings in (
                (raw.format(**network), by_labels[self.labels])
                for raw, by_labels in STRATEGIES.items()
            )
        ]

    def _random(self, strategy: str, settings: str) -> str:
        return "vanilla" if strategy == "full" else _arm(f"{strategy}+none", settings)

    def arms(self) -> str:
        """All of them, as --arms takes them."""
        return ",".join(
            arm for _, random, pretrained in self.rows() for arm in (random, pretrained)
        )

    def recipe(self, data: Path) -> Recipe:
        """What the arms share."""
        archive, network = ARCHIVES[self.archive], NETWORKS[self.network]
        return Recipe(
            weights=str(data / network["weights"]),
            labels_per_class=self.labels,
            replicates=0,  # intervals are those of the means over seeds
            **archive["recipe"],
            **network["recipe"],
            **SHARED[self.labels],
        )

    def command(self) -> str:
        """The command that makes this experiment alone."""
        archive, network = ARCHIVES[self.archive], NETWORKS[self.network]
        given = {**archive["recipe"], **network["recipe"], **SHARED[self.labels]}
        flags = [
            f"--{key.replace('_', '-')} {' '.join(value) if isinstance(value, tuple) else value}"
            for key, value in given.items()
        ]
        return " ".join(
            [
                f"medgraft transfer {self.archive}.parquet --weights {network['weights']}",
                f"--labels-per-class {self.labels} --seeds {SEEDS}",
                *flags,
                f"--arms {self.arms()} --out runs/{self.name}",
            ]
        )


def _arm(tuned: str, settings: str) -> str:
    return f"{tuned}@{settings}" if settings else tuned


def experiments(only: str) -> Iterator[Experiment]:
    """Those whose name holds a word."""
    for archive, asked in ARCHIVES.items():
        for labels in asked["labels"]:
            for network in NETWORKS:
                one = Experiment(archive, labels, network)
                if only in one.name:
                    yield one


def run(one: Experiment, data: Path, out: Path) -> None:
    """Make what is missing of one experiment."""
    index = out / f"{one.archive}.parquet"
    if not index.is_file():
        given = shlex.split(ARCHIVES[one.archive]["index"])
        status = medgraft(["index", str(data / one.archive), *given, "--out", str(index)])
        if status:
            raise SystemExit(status)
    recipe = one.recipe(data)
    print(f"\n{one.name}", file=sys.stderr)
    began = time.monotonic()
    transfer(
        index,
        out / one.name,
        recipe,
        read_arms(one.arms(), weights=recipe.weights),
        seeds=SEEDS,
        command=sys.argv,
    )
    print(write_transfer(out / one.name, replicates=REPLICATES))
    print(f"{time.monotonic() - began:.0f} s", file=sys.stderr)


# --- tables ---------------------------------------------------------------------------------


def section(one: Experiment, out: Path) -> str:
    """The part of the page about one experiment."""
    found = json.loads((out / one.name / "transfer.json").read_text())
    record = json.loads(
        (out / one.name / found["arms"][0]["runs"][0]["folder"] / "run.json").read_text()
    )
    heads = ("strategy", "random", "ImageNet", "minus vanilla", "p", "trainable", "seconds")
    return "\n".join(
        [
            f"### {one.archive}, {one.labels} labelled images per class, {one.network}",
            "",
            "```",
            one.command(),
            "```",
            "",
            f"{found['answer']} {found['n_images']:,} test images of {found['n_patients']:,} patients.",
            "",
            f"| {' | '.join(heads)} |",
            f"|{' --- |' * len(heads)}",
            *(row(found, *names) for names in one.rows()),
            "",
            circumstances(record),
            "",
        ]
    )


def row(found: dict[str, Any], strategy: str, random: str, pretrained: str) -> str:
    """One line: AUROC from both kinds of weights, the gain over vanilla, what it took."""
    arms = {arm["arm"]: arm for arm in found["arms"]}
    tests = {one["arm"]: one for one in found["differences"]}
    cells = [strategy, auroc(arms[random]), auroc(arms[pretrained])]
    test = tests.get(pretrained)
    if test is None or test["delong"]["p"] is None:
        cells += ["–", "–"]
    else:
        entry, p = test["metrics"]["auroc"], test["delong"]["p_holm"]
        cells.append(f"{entry['value']:+.3f} ({entry['low']:+.3f} to {entry['high']:+.3f})")
        cells.append("< 0.001" if p < 0.001 else f"{p:.3f}")
    trainable = arms[pretrained]["trainable"] or arms[random]["trainable"]
    cells.append("–" if trainable is None else f"{trainable:,}")
    cells.append(" / ".join(seconds(arms[name]) for name in (random, pretrained)))
    return f"| {' | '.join(cells)} |".replace("+-", "−").replace("-0.", "−0.")


def auroc(arm: dict[str, Any]) -> str:
    """Mean over seeds, its interval by patient, and the seeds."""
    entry = arm["metrics"].get("auroc")
    if entry is None or entry["value"] is None:
        return "broke"
    each = ", ".join(f"{run['metrics']['auroc']:.3f}" for run in arm["runs"] if run["metrics"])
    return f"**{entry['value']:.3f}** ({entry['low']:.3f}–{entry['high']:.3f}); {each}"


def seconds(arm: dict[str, Any]) -> str:
    """Of training, mean over seeds."""
    mean = arm["seconds"]["mean"]
    return "–" if mean is None else f"{mean:.1f}"


def main() -> None:
    """Run what is missing and rewrite the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "transfer")
    parser.add_argument("--only", default="", help="a word that the name of an experiment holds")
    parser.add_argument("--tables", action="store_true", help="write the page, train nothing")
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    if not asked.tables:
        for one in experiments(asked.only):
            run(one, asked.data.resolve(), asked.out)
    done = [one for one in experiments("") if (asked.out / one.name / "transfer.json").is_file()]
    put("\n".join(section(one, asked.out) for one in done), "transfer")


if __name__ == "__main__":
    main()
