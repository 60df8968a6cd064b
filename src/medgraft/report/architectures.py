"""What the networks of a study are worth: what study.json holds.

A group is all runs that differ in their seed alone. Every replicate draws the patients who were
tested, the same for all runs, and the seeds, the same for all groups that are compared.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from medgraft.errors import ArgumentError, ShapeError, TableError
from medgraft.evaluate.check import Units
from medgraft.evaluate.correlation import FEWEST, spearman
from medgraft.evaluate.measure import Measured, Writer, mean_over_labels, measure_table
from medgraft.evaluate.pareto import on_front
from medgraft.evaluate.repeats import minus, over_seeds
from medgraft.evaluate.table import Predictions
from medgraft.progress import track
from medgraft.report.arms import spread
from medgraft.report.contracts import NetworkCost, Study, StudyRun
from medgraft.report.pairs import CONFIDENCE, correct, delong_of_runs
from medgraft.report.rows import same_rows
from medgraft.report.saved import Saved

RANDOM = "none"
PROPERTIES = {
    "top1": "accuracy on ImageNet",
    "parameters": "parameters",
    "operations": "operations",
    "images_per_second": "images per second",
}
BOTH = (
    "Each replicate of an interval draws patients, the same for all runs, and seeds, the same for all"
    " that are compared. With few seeds such an interval is somewhat too narrow; with one it says"
    " nothing of chance in training."
)
TESTS = (
    "The p-values are of DeLong's test by patient, of the mean over seeds, corrected for the number"
    " of comparisons in their table (Holm). Pairs of networks have intervals alone, which are not corrected:"
    " where nothing differs, about one in twenty excludes zero."
)
NO_PROOF = (
    "The smallest network that is not significantly worse is no proof that nothing was lost: few"
    " patients or seeds make wide intervals. Read its difference with it."
)
RANKS = (
    "Rank correlations (Spearman) are over whole networks; each replicate of their intervals draws"
    " networks and patients. p-values are by the t distribution, and not corrected."
)


@dataclass(frozen=True)
class Name:
    """What the runs of a group have in common.

    Attributes:
        network: As the run says it.
        weights: Likewise.
        others: Other keys that differ in the study, as JSON.
    """

    network: str
    weights: str
    others: str

    @classmethod
    def of(cls, run: StudyRun) -> Name:
        """The group of a run."""
        return cls(run.network, run.weights, json.dumps(run.others, sort_keys=True))

    def told(self) -> dict[str, Any]:
        """As study.json has it."""
        return {**asdict(self), "others": json.loads(self.others)}


@dataclass(frozen=True)
class Judged:
    """A finished run on the rows of the study.

    Attributes:
        run: Which it is.
        rows: Its predictions of the labels that are scored, in the order of all other runs.
        score: AUROC, or its mean over labels, with its replicates.
        labels: AUROC of each label.
    """

    run: StudyRun
    rows: Predictions
    score: Measured
    labels: Mapping[str, Measured]


@dataclass(frozen=True)
class Board:
    """All that is compared.

    Attributes:
        groups: Finished runs by group and seed, in the order of the study.
        cost: Of each network.
        write: Makes entries of numbers.
    """

    groups: Mapping[Name, Mapping[int, Judged]]
    cost: Mapping[str, NetworkCost]
    write: Writer

    def mean(self, name: Name) -> Measured:
        """Score of a group."""
        return over_seeds([one.score for one in self.groups[name].values()])

    def shared(self, first: Name, second: Name) -> list[int]:
        """Seeds that both have finished."""
        return [seed for seed in self.groups[first] if seed in self.groups[second]]

    def gain(self, first: Name, second: Name) -> Measured | None:
        """First minus second on the seeds that both have; None without any."""
        one, two = self.groups[first], self.groups[second]
        seeds = self.shared(first, second)
        each = [minus(one[seed].score, two[seed].score) for seed in seeds]
        return over_seeds(each) if each else None

    def alike(self, *keys: str) -> Iterator[tuple[dict[str, Any], list[Name]]]:
        """Groups that share these of weights and others, and what they share."""
        found: dict[tuple[str, ...], list[Name]] = {}
        for name in self.groups:
            found.setdefault(tuple(getattr(name, key) for key in keys), []).append(name)
        for values, names in found.items():
            told = dict(zip(keys, values, strict=True))
            if "others" in told:
                told["others"] = json.loads(told["others"])
            yield told, names


def read_board(
    asked: Study, saved: Mapping[str, Saved], *, replicates: int, seed: int
) -> tuple[Board, int, Units]:
    """Every finished run judged on the rows of the first.

    Args:
        asked: The study.
        saved: Finished runs by folder, at least one.
        replicates: Bootstrap replicates.
        seed: Of the replicates.

    Returns:
        The runs, how many images they were judged on, and what was resampled.

    Raises:
        TableError: If the runs were not judged on the same rows.
    """
    runs = [run for run in asked.runs if run.folder in saved]
    names = [f"{run.network}, weights {run.weights}, seed {run.seed}" for run in runs]
    tables = same_rows([saved[run.folder] for run in runs], names)
    groups: dict[Name, dict[int, Judged]] = {}
    pairs = list(zip(runs, tables, strict=True))
    for run, table in track(pairs, what="judge runs", unit="run"):
        rows = table if asked.score is None else _only(table, asked.score)
        try:
            made = measure_table(rows, wanted=("auroc",), replicates=replicates, seed=seed)
        except (ArgumentError, ShapeError) as error:
            raise TableError(f"'{run.folder}' cannot be judged: {error}") from error
        labels = {name: table["auroc"] for name, table in made.classes.items()}
        if rows.positive is not None:  # the other class has the same area
            labels = {rows.positive: made.metrics["auroc"]}
        score = made.metrics["auroc"] if rows.positive else mean_over_labels(labels)
        groups.setdefault(Name.of(run), {})[run.seed] = Judged(run, rows, score, labels)
    order = dict.fromkeys(Name.of(run) for run in asked.runs)  # whichever of its runs broke
    groups = {name: groups[name] for name in order if name in groups}
    cost = asked.cost.networks if asked.cost else {}
    return (
        Board(groups, cost, Writer(made.units, CONFIDENCE, "linear")),
        made.asked.rows,
        made.units,
    )


def _only(rows: Predictions, names: Sequence[str]) -> Predictions:
    """The columns of some labels."""
    from dataclasses import replace

    places = [list(rows.names).index(name) for name in names]
    return replace(
        rows,
        names=tuple(names),
        truth=rows.truth[:, places],
        probability=rows.probability[:, places],
    )


def answers(
    asked: Study, saved: Mapping[str, Saved], *, replicates: int = 1000, seed: int = 0
) -> dict[str, Any]:
    """Every number of a study.

    Args:
        asked: What experiment.json holds.
        saved: Finished runs by folder, at least one.
        replicates: Bootstrap replicates.
        seed: Of the replicates.

    Returns:
        What study.json holds, see docs/reference/metrics.md.

    Raises:
        TableError: If the runs were not judged on the same rows.
    """
    board, images, units = read_board(asked, saved, replicates=replicates, seed=seed)
    first = next(iter(next(iter(board.groups.values())).values())).rows
    return {
        "title": asked.title,
        "protocol": asked.protocol,
        "launch": asked.launch,
        "n_images": images,
        "n_patients": units.count if units.name == "patient" else None,
        "unit": units.name,
        "replicates": replicates,
        "seed": seed,
        "confidence": CONFIDENCE,
        "labels": [first.positive] if first.positive is not None else list(first.names),
        "threads": asked.cost.threads if asked.cost else None,
        "networks": {name: cost.model_dump() for name, cost in board.cost.items()},
        "groups": [_group(name, board) for name in board.groups],
        "boosts": boosts(board),
        "changes": changes(board),
        "cuts": cuts(board),
        "families": families(board),
        "pairs": pairs(board),
        "correlations": correlations(board, seed),
        "front": front(board),
        "variance": variance(board),
        "notes": [BOTH, TESTS, NO_PROOF, RANKS],
    }


def _group(name: Name, board: Board) -> dict[str, Any]:
    runs = board.groups[name]
    labels = next(iter(runs.values())).labels
    return {
        **name.told(),
        **board.write.entry(board.mean(name)),
        "over_seeds": spread([one.score.value for one in runs.values()]),
        "labels": {
            label: board.write.entry(over_seeds([one.labels[label] for one in runs.values()]))
            for label in labels
        },
        "runs": [
            {
                "seed": seed,
                "folder": one.run.folder,
                **board.write.entry(one.score),
                "labels": {label: board.write.entry(value) for label, value in one.labels.items()},
            }
            for seed, one in runs.items()
        ],
    }


def _difference(first: Name, second: Name, board: Board) -> dict[str, Any] | None:
    gain = board.gain(first, second)
    return None if gain is None else _entry(gain, board)


def _entry(gain: Measured, board: Board) -> dict[str, Any]:
    entry = board.write.entry(gain)
    low, high = entry["low"], entry["high"]
    entry["excludes_zero"] = None if low is None else bool(low > 0 or high < 0)
    return entry


def _tested(
    first: Name, second: Name, board: Board, told: Mapping[str, Any]
) -> dict[str, Any] | None:
    """First minus second with DeLong's test over their shared seeds."""
    entry = _difference(first, second, board)
    if entry is None:
        return None
    seeds = board.shared(first, second)
    test = delong_of_runs(
        [board.groups[second][seed].rows for seed in seeds],
        [board.groups[first][seed].rows for seed in seeds],
    )
    return {**told, **entry, "seeds": seeds, "p": test["p"], "p_holm": None, "significant": None}


# --- pretraining, cuts, families -----------------------------------------------------------------


def boosts(board: Board) -> list[dict[str, Any]]:
    """What other weights than random ones gain, network by network."""
    found = []
    for name in board.groups:
        base = Name(name.network, RANDOM, name.others)
        if name.weights != RANDOM and base in board.groups:
            found.append(_tested(name, base, board, name.told()))
    return _corrected(found)


def changes(board: Board) -> list[dict[str, Any]]:
    """What other settings change: groups of one network and weights, minus the first of them."""
    found = []
    for _, names in board.alike("network", "weights"):
        first, *others = names
        for name in others:
            about = {
                **name.told(),
                "minus": json.loads(first.others),
                "labels": _label_changes(name, first, board),
            }
            found.append(_tested(name, first, board, about))
    return _corrected(found)


def _label_changes(first: Name, second: Name, board: Board) -> dict[str, Any]:
    one, two = board.groups[first], board.groups[second]
    seeds = board.shared(first, second)
    return {
        label: _entry(
            over_seeds([minus(one[seed].labels[label], two[seed].labels[label]) for seed in seeds]),
            board,
        )
        for label in (one[seeds[0]].labels if seeds else ())
    }


def cuts(board: Board) -> list[dict[str, Any]]:
    """Networks that lost stages beside the whole ones, and the smallest that is not worse."""
    found = []
    for told, names in board.alike("weights", "others"):
        known = [name for name in names if name.network in board.cost]
        for whole in known:
            cost = board.cost[whole.network]
            shorter = [
                name
                for name in known
                if board.cost[name.network].backbone == cost.backbone
                and _size(name) == _size(whole)
                and board.cost[name.network].after is not None
            ]
            if cost.after is None and shorter:
                found.append({**told, **_curve(whole, shorter, board)})
    return found


def _size(name: Name) -> str:
    """Of the images: networks that see others are not one curve."""
    return name.network.rpartition(", ")[2]


def _curve(whole: Name, shorter: Sequence[Name], board: Board) -> dict[str, Any]:
    points = [
        {"network": whole.network, **_entry_of(whole, board), "difference": None},
        *(
            {
                "network": name.network,
                **_entry_of(name, board),
                "difference": _tested(name, whole, board, {}),
            }
            for name in shorter
        ),
    ]
    _corrected([point["difference"] for point in points])
    fit = [point["network"] for point in points if not _worse(point["difference"])]
    smallest = min(fit, key=lambda network: board.cost[network].parameters)
    parameters = board.cost[whole.network].parameters
    return {
        "whole": whole.network,
        "points": sorted(points, key=lambda point: board.cost[point["network"]].parameters),
        "smallest": smallest,
        "ratio": round(parameters / board.cost[smallest].parameters, 3),
    }


def _entry_of(name: Name, board: Board) -> dict[str, Any]:
    return board.write.entry(board.mean(name))


def _worse(difference: Mapping[str, Any] | None) -> bool:
    if difference is None:  # the whole network
        return False
    return bool(difference["significant"] and difference["value"] < 0)


def families(board: Board) -> dict[str, list[dict[str, Any]]]:
    """Within a family, its largest network minus its smallest; across, means of families."""
    within: list[dict[str, Any] | None] = []
    across = []
    for told, names in board.alike("weights", "others"):
        members = _families(names, board)
        for family, own in members.items():
            ordered = sorted(own, key=lambda name: board.cost[name.network].parameters)
            small, large = ordered[0], ordered[-1]
            if small != large:
                about = {
                    **told, "family": family, "network": large.network, "minus": small.network,
                }  # fmt: skip
                within.append(_tested(large, small, board, about))
        means = {
            family: _mean_of([board.mean(name) for name in own]) for family, own in members.items()
        }
        for one, two in itertools.combinations(means, 2):
            gain = minus(means[one], means[two])
            across.append({**told, "family": one, "minus": two, **_entry(gain, board)})
    return {"within": _corrected(within), "across": across}


def _families(names: Sequence[Name], board: Board) -> dict[str, list[Name]]:
    found: dict[str, list[Name]] = {}
    for name in _whole(names, board):
        family = board.cost[name.network].family
        if family is not None:
            found.setdefault(family, []).append(name)
    return found


def _whole(names: Sequence[Name], board: Board) -> list[Name]:
    return [
        name
        for name in names
        if name.network in board.cost and board.cost[name.network].after is None
    ]


def _mean_of(scores: Sequence[Measured]) -> Measured:
    return Measured(
        float(np.mean([one.value for one in scores])),
        np.mean([one.drawn for one in scores], axis=0),
    )


def pairs(board: Board) -> list[dict[str, Any]]:
    """Every network minus every other one with the same weights and other keys."""
    found = []
    for told, names in board.alike("weights", "others"):
        for first, second in itertools.combinations(names, 2):
            entry = _difference(first, second, board)
            if entry is not None:
                found.append({**told, "network": first.network, "minus": second.network, **entry})
    return found


# --- what goes with the score --------------------------------------------------------------------


def correlations(board: Board, seed: int) -> list[dict[str, Any]]:
    """Rank correlations of score, and of what pretraining gains, with properties of networks."""
    found = []
    for told, names in board.alike("weights", "others"):
        own = [(name, board.mean(name)) for name in _whole(names, board)]
        found += _correlations("score", told, own, board, seed)
        gains = []
        for name, _ in own:
            base = Name(name.network, RANDOM, name.others)
            gain = board.gain(name, base) if base != name and base in board.groups else None
            gains += [] if gain is None else [(name, gain)]
        found += _correlations("boost", told, gains, board, seed)
    return found


def _correlations(
    what: str,
    told: Mapping[str, Any],
    scores: Sequence[tuple[Name, Measured]],
    board: Board,
    seed: int,
) -> list[dict[str, Any]]:
    found = []
    for key in PROPERTIES:
        known = [
            (value, score)
            for name, score in scores
            if (value := getattr(board.cost[name.network], key)) is not None
            and not np.isnan(score.value)
        ]
        if len(known) < FEWEST:
            continue
        drawn = np.stack([score.drawn for _, score in known])
        rank = spearman(
            [value for value, _ in known], [score.value for _, score in known], drawn, seed=seed
        )
        found.append({**told, "of": what, "with": key, **asdict(rank)})
    return found


def front(board: Board) -> list[dict[str, Any]]:
    """Networks that no other one beats in score and speed, and how surely."""
    found = []
    for told, names in board.alike("others"):
        own = [name for name in names if name.network in board.cost]
        if len(own) < 2:  # one network alone is beaten by no other
            continue
        scores = [board.mean(name) for name in own]
        speeds = np.array([board.cost[name.network].images_per_second for name in own])
        there = on_front(np.array([score.value for score in scores]), speeds)
        often = on_front(np.stack([score.drawn for score in scores]), speeds)
        for name, score, speed, on, share in zip(own, scores, speeds, there, often, strict=True):
            found.append(
                {
                    **told,
                    "network": name.network,
                    "weights": name.weights,
                    **board.write.entry(score),
                    "images_per_second": float(speed),
                    "on_front": bool(on),
                    "share_of_replicates": float(share.mean()) if len(share) else None,
                }
            )
    return found


def variance(board: Board) -> dict[str, Any]:
    """How far the score of one run depends on the patients who were tested, and on its seed."""
    found = []
    for name, runs in board.groups.items():
        drawn = [np.nanvar(one.score.drawn, ddof=1) for one in runs.values() if _known(one)]
        seeds = spread([one.score.value for one in runs.values()])["sd"]
        patients = float(np.sqrt(np.mean(drawn))) if drawn else None
        found.append(
            {**name.told(), "n_seeds": len(runs), "sd_seeds": seeds, "sd_patients": patients}
        )
    freedom = sum(one["n_seeds"] - 1 for one in found if one["sd_seeds"] is not None)
    pooled = sum((one["n_seeds"] - 1) * one["sd_seeds"] ** 2 for one in found if one["sd_seeds"])
    known = [one["sd_patients"] ** 2 for one in found if one["sd_patients"] is not None]
    return {
        "groups": found,
        "sd_seeds": float(np.sqrt(pooled / freedom)) if freedom else None,
        "sd_patients": float(np.sqrt(np.mean(known))) if known else None,
    }


def _known(one: Judged) -> bool:
    return bool((~np.isnan(one.score.drawn)).sum() > 1)


def _corrected(found: Sequence[dict[str, Any] | None]) -> list[dict[str, Any]]:
    """Holm's correction over the tests that there are."""
    there = [one for one in found if one is not None]
    correct(there)
    return there


Rows = Callable[[dict[str, Any]], Iterator[dict[str, Any]]]


def flat(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every number of study.json as rows of one table.

    Columns: `kind` (score, boost, change, cut, within, across, pair, correlation, front, variance, cost),
    `network`, `weights`, `others` (JSON), `label`, `seed`, `minus`, `what`, and the numbers `value`,
    `low`, `high`, `p`, `p_holm`. What a row has nothing to say of is null.
    """
    rows: list[dict[str, Any]] = []

    def add(kind: str, one: Mapping[str, Any], **more: Any) -> None:
        others = one.get("others")
        row = {key: one.get(key) for key in ("network", "weights", "minus")}
        row |= {key: one.get(key) for key in ("value", "low", "high", "p", "p_holm")}
        row["others"] = None if others is None else json.dumps(others, sort_keys=True)
        rows.append({"kind": kind, **dict.fromkeys(("label", "seed", "what")), **row, **more})

    for group in found["groups"]:
        add("score", group, what="mean over seeds")
        for label, entry in group["labels"].items():
            add("score", {**group, **entry}, what="mean over seeds", label=label)
        for run in group["runs"]:
            add("score", {**group, **run}, what="run", seed=run["seed"])
            for label, entry in run["labels"].items():
                add("score", {**group, **entry}, what="run", seed=run["seed"], label=label)
    for kind, entries in (
        ("boost", found["boosts"]),
        ("within", found["families"]["within"]),
        ("pair", found["pairs"]),
    ):
        for one in entries:
            add(kind, one, **({"minus": RANDOM} if kind == "boost" else {}))
    for one in found["changes"]:
        about = {"minus": json.dumps(one["minus"], sort_keys=True)}
        add("change", one, **about)
        for label, entry in one["labels"].items():
            add("change", {**one, "p": None, "p_holm": None, **entry}, label=label, **about)
    for one in found["families"]["across"]:
        add("across", one, what=one["family"])
    for curve in found["cuts"]:
        for point in curve["points"]:
            if point["difference"] is not None:
                about = {"network": point["network"], "minus": curve["whole"]}
                add("cut", {**curve, **point["difference"], **about})
    for one in found["correlations"]:
        add("correlation", {**one, "value": one["rho"]}, what=f"{one['of']} with {one['with']}")
    for one in found["front"]:
        add("front", {**one, "value": one["share_of_replicates"]}, low=None, high=None)
    for one in found["variance"]["groups"]:
        for key in ("sd_seeds", "sd_patients"):
            add("variance", {**one, "value": one[key]}, what=key)
    for network, cost in found["networks"].items():
        for key in (*PROPERTIES, "memory_bytes"):
            value = cost[key]
            add(
                "cost",
                {"network": network},
                what=key,
                value=None if value is None else float(value),
            )
    return rows
