"""The command `medgraft active simulate`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import tyro
from pydantic import Field

from medgraft.cli._called import called
from medgraft.cli._nodes import Nodes
from medgraft.cli.train import Flags, value_of
from medgraft.train.recipe import Recipe, load_recipe


class Shared(Flags):
    """The recipe of every training as flags; --tune is its strategy."""

    strategy: tyro.conf.Suppress[tyro.conf.Fixed[str]] = "full"
    labels_per_class: tyro.conf.Suppress[tyro.conf.Fixed[int | None]] = None
    weights: str = Field(
        "imagenet", description="'none', 'imagenet', a .safetensors file or a run folder."
    )
    seed: int = Field(0, ge=0, description="The first seed; the others follow.")


@dataclass(frozen=True)
class Simulate:
    """Find out on labelled images whether choosing them would have saved labels.

    The training part of the index plays the pool: its labels are hidden, and each is told when it is
    bought. Every acquisition is played with every strategy and every seed, always beside an arm
    that buys at random; at the end all labels are learnt for comparison. The page says what was
    saved, with intervals over patients and seeds, or that nothing was. Ctrl-C stops; the same
    command goes on. With --tune head or linear:c=0.001 no stage ever learns, its maps are computed
    once, and a round takes a fraction of a second.

    Examples:
        medgraft active simulate films.parquet --out runs/cheap --tune linear:c=0.001 --strategy AFT --acquisition entropy,margin --batch 20 --rounds 15
        medgraft active simulate films.parquet --out runs/tuned --strategy "ACFT(HQ),AFT" --acquisition entropy --start 20 --seeds 3
        medgraft active simulate films.parquet --out /shared/runs/aift --acquisition aift --ray --address auto --gpus 1
    """

    index: Annotated[Path, tyro.conf.Positional]
    """Table written by `medgraft index`, with labels and a split."""
    out: Path
    """Folder of the simulation; new, or one to go on with."""
    acquisition: str = "entropy"
    """What chooses, separated by commas; see `medgraft list acquisitions`."""
    strategy: str = "ACFT(HQ)"
    """How the model goes on, separated by commas: RFT, AFT, ACFT(Q), ACFT(LQ), ACFT(HQ)."""
    tune: str = "full"
    """What of the network is tuned; see `medgraft list strategies`."""
    start: str = "cold"
    """'cold' (no label), or how many candidates are bought at random first."""
    batch: int = 20
    """Candidates bought in each round."""
    rounds: int = 10
    """Rounds of choosing."""
    seeds: int = 5
    """Repetitions, each with the seed after that of the one before."""
    candidate: str | None = None
    """Column whose values are bought as a whole, such as study_id; single images if not given."""
    views: int = 12
    """Augmented views of an image, for acquisitions that compare answers."""
    passes: int = 0
    """Passes with dropout instead of views."""
    among: int | None = None
    """Choose among so many open candidates, drawn anew in each round; all if not given."""
    least_steps: int = 100
    """Steps that each training has at least, however few its images."""
    stop: str = "plateau,agreement"
    """Stopping rules to try out, separated by commas; see `medgraft list stopping`."""
    cost_per_label: float | None = None
    """Price of a label: the page then says what was saved."""
    seconds_per_label: float | None = None
    """Time that a person takes for a label: likewise."""
    nodes: Nodes = field(default_factory=Nodes)
    settings: Shared = field(default_factory=Shared)
    recipe: Path | None = None
    """A recipe.yaml with defaults for the flags of train."""

    def run(self) -> None:
        """Play what is missing, write the page, print the answer."""
        from medgraft.active.elsewhere import passing_by
        from medgraft.active.simulate import simulate
        from medgraft.files import read_json
        from medgraft.report import write_simulation

        recipe = Recipe(**{**self.settings.model_dump(), "strategy": self.tune})
        asked = self._asked()
        with self.nodes.crew() as crew, passing_by(crew, self.out / "nodes") as nodes:
            folder = simulate(
                self.index, self.out, recipe, asked, command=called(), elsewhere=nodes
            )
        page = write_simulation(folder, replicates=recipe.replicates)
        _show(read_json(folder / "results.json"))
        print(f"\nreport: {page}")

    def _asked(self) -> Any:
        from pydantic import ValidationError

        from medgraft.active.settings import Settings
        from medgraft.errors import ArgumentError
        from medgraft.spec import first_problem, split

        try:
            return Settings(
                acquisitions=tuple(split(self.acquisition)),
                strategies=tuple(split(self.strategy)),
                start=_number(self.start),
                stop=tuple(split(self.stop)),
                **{key: getattr(self, key) for key in PLAIN},
            )
        except ValidationError as error:
            raise ArgumentError(f"{first_problem(error, Settings)}, in the flags.") from error


PLAIN = (
    "batch",
    "rounds",
    "seeds",
    "candidate",
    "views",
    "passes",
    "among",
    "least_steps",
    "cost_per_label",
    "seconds_per_label",
)


def defaults(arguments: list[str]) -> dict[str, Any]:
    """Defaults of the flags: from the recipe that --recipe names."""
    file = value_of(arguments, "--recipe")
    if file is None:
        return {}
    missing: Any = tyro.MISSING
    kept = load_recipe(Path(file))
    fixed = {"strategy": "full", "labels_per_class": None}
    settings = Shared(**{**kept.model_dump(), **fixed})
    return {"default": Simulate(index=missing, out=missing, settings=settings, tune=kept.strategy)}


def _number(start: str) -> int:
    from medgraft.errors import ArgumentError

    if start == "cold":
        return 0
    if not start.isdecimal() or int(start) < 2:
        raise ArgumentError(f"--start must be 'cold' or a number of 2 or more, got {start!r}.")
    return int(start)


def _show(found: dict[str, Any]) -> None:
    width = max(len(arm["arm"]) for arm in found["arms"])
    print(f"\n{found['answer']}\n")
    goals = [f"{100 * goal:.0f} %" for goal in found["goals"]] if found["full"] else []
    head = "".join(f"  {'labels to ' + goal:>15}" for goal in goals)
    print(f"{'arm':<{width}}  {'ALC':>5}{head}  saved at 95 %")
    for arm in found["arms"]:
        area = arm["alc"].get("linear", {}).get("area", {}).get("value")
        cells = "".join(f"  {_labels(one['value'], found):>15}" for one in arm["needed"])
        print(f"{arm['arm']:<{width}}  {_rounded(area)}{cells}  {_saved(arm)}".rstrip())


def _rounded(value: float | None) -> str:
    return "  -  " if value is None else f"{value:.3f}"


def _labels(value: float | None, found: dict[str, Any]) -> str:
    return f">{found['labels'][-1]:,}" if value is None else f"{value:,.0f}"


def _saved(arm: dict[str, Any]) -> str:
    one = next((one["saving"] for one in arm["needed"] if one["goal"] == 0.95), None)
    if arm["arm"] == arm["reference"] or one is None or one["value"] is None:
        return ""
    bound = f"{one['bound']} " if one["bound"] else ""
    ends = (
        ""
        if one["low"] is None
        else f" ({round(100 * one['low'])} to {round(100 * one['high'])} %)"
    )
    return f"{bound}{round(100 * one['value'])} %{ends}"
