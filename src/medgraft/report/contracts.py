"""What a report reads, checked: evaluation.json, run.json and examples.json.

Keys that are not named here are left alone, so that a run written by a later version can still
be shown; a key that is missing or of the wrong kind is an error that names file and key.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from medgraft.errors import TableError
from medgraft.files import read_json
from medgraft.spec import first_problem


class Part(BaseModel):
    """Base of everything read from JSON: frozen, and unknown keys are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Measured(Part):
    """One metric and its interval.

    Attributes:
        value: The metric, or None where the rows do not define it.
        low: Lower end of the interval, or None.
        high: Upper end of the interval, or None.
        undefined_replicates: How many bootstrap replicates did not define the metric.
        reason: Why `value` is None, or over which classes it is a mean.
    """

    value: float | None = None
    low: float | None = None
    high: float | None = None
    undefined_replicates: int = 0
    reason: str | None = None


Metrics = dict[str, Measured]
Matrix = list[list[float]]


class Evaluation(Part):
    """evaluation.json, as docs/explanation/architecture.md describes it."""

    split: str | None = None
    n_images: int
    n_patients: int | None = None
    replicates: int = 0
    unit: Literal["patient", "image"] = "image"
    confidence: float = 0.95
    kind: Literal["exclusive", "independent", "segmentation"]
    names: list[str] = Field(min_length=1)
    positive: str | None = None
    metrics: Metrics
    classes: dict[str, Metrics] = {}
    confusion: Matrix | list[Matrix] | dict[str, Matrix] | None = None
    threshold: float | dict[str, float | None] | None = None
    threshold_rule: str | None = None
    threshold_split: str | None = None
    left_out: dict[str, dict[str, int]] = {}
    distance_unit: str | None = None
    tolerance_mm: float | None = None
    empty: dict[str, dict[str, int]] = {}
    notes: list[str] = []

    @model_validator(mode="after")
    def _positive_is_a_name(self) -> Evaluation:
        if self.positive is not None and self.positive not in self.names:
            raise ValueError(f"positive must be one of names {self.names}, got {self.positive!r}")
        return self

    @property
    def of_masks(self) -> bool:
        """Whether pixels were judged, and not images."""
        return self.kind == "segmentation"

    @property
    def shown(self) -> list[str]:
        """The classes that have a curve: the positive one of two, or every one."""
        return [self.positive] if self.positive is not None else self.names

    def of_class(self, name: str) -> Metrics:
        """The metrics of one class; of the positive one of two, the metrics themselves."""
        return self.metrics if name == self.positive else self.classes.get(name, {})

    def threshold_of(self, name: str) -> float | None:
        """The operating threshold of one class, or None where the likeliest class wins."""
        if isinstance(self.threshold, dict):
            return self.threshold.get(name)
        return self.threshold if name == self.positive or self.kind == "independent" else None


class SplitPart(Part):
    """How much of the data one part of the split holds."""

    images: int
    patients: int | None = None
    classes: dict[str, int] = {}


class Data(Part):
    """What the run was given."""

    images: int | None = None
    patients: int | None = None
    patients_known: bool = True
    synthetic: bool = False
    layout: str | None = None
    rejected: int = 0
    splits: dict[str, SplitPart] = {}


class Record(Part):
    """run.json, as docs/explanation/architecture.md describes it."""

    medgraft: str | None = None
    command: list[str] = []
    started: str | None = None
    finished: str | None = None
    status: str | None = None
    seed: int | None = None
    hardware: dict[str, Any] = {}
    versions: dict[str, Any] = {}
    seconds: dict[str, float] = {}
    inputs: dict[str, str | None] = {}
    data: Data = Data()
    compute: dict[str, Any] = {}
    network: dict[str, Any] = {}
    best: dict[str, Any] = {}
    test_read: str | None = None
    resumed: int = 0
    notes: list[str] = []


class Example(Part):
    """One picture of examples/, and what the network made of it; of a volume a strip of slices."""

    file: str
    image_id: str = ""
    path: str = ""
    patient_id: str | None = None
    split: str | None = None
    actual: str | list[str] | None = None
    predicted: str | list[str] | None = None
    probability: float | None = None
    correct: bool
    slices: list[int] = []
    of: int = 1

    @property
    def files(self) -> list[str]:
        """What lies beside examples.json."""
        return [self.file]


class View(Part):
    """One picture of an image of examples/ and the outlines of both masks to be laid over it.

    Of a volume all three are strips: its slices in one plane, under one another.
    """

    plane: str
    image: str
    truth: str
    answer: str
    shape: tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]]
    slices: list[int] = []
    of: int = 1
    apart_mm: float | None = None
    differ: list[int] = []
    sides: tuple[str, str, str, str] | None = None

    @model_validator(mode="after")
    def _of_each_slice(self) -> Self:
        if self.slices and len(self.differ) != len(self.slices):
            raise ValueError(f"differ must have {len(self.slices)} numbers, one per slice")
        return self


class Overlay(Part):
    """One image of examples/ in one plane or several, with the outlines of both masks."""

    path: str = ""
    patient_id: str | None = None
    rank: Literal["worst", "middle", "best"]
    dice: float
    classes: dict[str, float] = {}
    views: list[View] = []  # of pictures that were drawn in another way there are none

    @property
    def files(self) -> list[str]:
        """What lies beside examples.json."""
        return [name for view in self.views for name in (view.image, view.truth, view.answer)]


class Heated(Part):
    """One picture of explain/, the heat over it, and what the answer cost."""

    file: str
    heat: str
    image_id: str = ""
    path: str = ""
    patient_id: str | None = None
    actual: str
    predicted: str
    explained: str
    loss: float = Field(ge=0)
    probability: float = Field(ge=0, le=1)
    plane: int | None = None


class Explanation(Part):
    """explain/explain.json: the costliest answers of a run, costliest first."""

    stage: str
    cells: list[int] = Field(min_length=1)
    split: str
    networks: int = 1
    items: list[Heated] = []


class Changed(Measured):
    """A difference, and whether its whole interval lies on one side of zero."""

    excludes_zero: bool | None = None


class LookedBack(Part):
    """One metric of the network that was gone on from, of the one that went on, and after - before."""

    before: Measured
    after: Measured
    difference: Changed


class Forgetting(Part):
    """forgetting.json: what a network that went on learning still knows of what it knew.

    Attributes:
        run: Name of the run that it went on from.
        images: Validation images of that run that were asked again.
        left_out: Those whose patients are trained on now.
        knew: Images that the run had right.
        kept: Those of them that the new network has right.
        reason: Why nothing was measured, or None.
    """

    run: str
    images: int = 0
    left_out: int = 0
    unit: str = "image"
    knew: int = 0
    kept: int = 0
    metrics: dict[str, LookedBack] = {}
    reason: str | None = None


class PretextDone(Part):
    """pretext.json: how well a pretraining does its task."""

    task: str
    kind: Literal["restoring", "classifying", "contrasting"]
    source: str = ""
    as_published: bool = False
    split: str
    images: int = 0
    unit: str = "image"
    loss: float | None = None
    accuracy: float | None = None
    untouched: float | None = None
    classes: int | None = None


class PretextPicture(Part):
    """One image of a pretraining: as it was, as the network saw it, and what it answered."""

    split: str
    image: str
    input: str
    second: str | None = None
    restored: str | None = None
    filled: str | None = None
    error: float | None = None
    actual: int | None = None
    answered: int | None = None
    similarity: float | None = None
    found: int | None = Field(None, ge=0, le=2)


class SheetPicture(Part):
    """A sheet of images of a generative model."""

    file: str
    title: str
    caption: str


class GenerationDone(Part):
    """generation.json: what a generative model draws."""

    model: str
    source: str = ""
    images: int
    classes: list[str] = []
    spread: float | None = None
    distinct: float | None = None
    collapsed: bool = False
    troubles: list[str] = []
    pictures: list[SheetPicture] = []


class ArmAsked(Part):
    """One way of tuning, as experiment.json has it."""

    name: str
    strategy: str
    weights: str
    settings: dict[str, Any] = {}


class RunMade(Part):
    """One run of an experiment: its folder inside that of the experiment, and why it failed."""

    arm: str
    seed: int
    folder: str
    failure: str | None = None


class Experiment(Part):
    """experiment.json: what was asked of `medgraft transfer`, and which run is which."""

    reference: str
    seeds: list[int] = Field(min_length=1)
    labels_per_class: int | None = None
    arms: list[ArmAsked] = Field(min_length=1)
    runs: list[RunMade]


class StartAsked(Part):
    """What tunings begin with, as experiment.json of `medgraft pretrain-study` has it.

    Attributes:
        name: As it was written.
        task: What was learnt before; None for random weights.
        plain: The task whose restoring it does and adds the patterns to; None without patterns.
        settings: Recipe keys of its own.
    """

    name: str
    task: str | None = None
    plain: str | None = None
    settings: dict[str, Any] = {}


class StartedRun(Part):
    """One run of it: a pretraining (labels 0), or a tuning."""

    start: str
    labels: int = Field(ge=0)
    seed: int
    folder: str
    failure: str | None = None


class PretrainingStudy(Part):
    """experiment.json: what was asked of `medgraft pretrain-study`, and which run is which."""

    task: Literal["classification", "segmentation"]
    labels: list[int] = Field(min_length=1)
    seeds: list[int] = Field(min_length=1)
    pretrainings: int
    least_steps: int = 1
    starts: list[StartAsked] = Field(min_length=1)
    runs: list[StartedRun]


class NetworkCost(Part):
    """One network of a study: what it costs, and what is published of it."""

    backbone: str
    after: str | None = None
    parameters: int = Field(gt=0)
    operations: int = Field(gt=0)
    memory_bytes: int = Field(gt=0)
    images_per_second: float = Field(gt=0)
    family: str | None = None
    top1: float | None = None
    source: str | None = None


class NetworkCosts(Part):
    """What the networks of a study cost, by the names of the networks."""

    networks: dict[str, NetworkCost]
    threads: int = 1


class StudyRun(Part):
    """One run of a study.

    Attributes:
        network: Architecture, last stage and side of its images, in words.
        weights: "none", "imagenet" or the name of a file.
        others: Recipe keys that differ between runs beside network, weights and seed.
        seed: Its seed.
        folder: Inside that of the study.
        failure: Why it broke.
        attempts: How often the last call began it.
    """

    network: str
    backbone: str
    after: str | None = None
    weights: str
    others: dict[str, Any] = {}
    seed: int
    folder: str
    failure: str | None = None
    attempts: int = 0


class Study(Part):
    """experiment.json of `medgraft study`."""

    title: str = ""
    protocol: str | None = None
    replicates: int = 1000
    score: list[str] | None = None
    planned: int
    launch: dict[str, Any] = {}
    cost: NetworkCosts | None = None
    runs: list[StudyRun]


class Weighed(Part):
    """One network of truncation.json.

    Attributes:
        stage: Its last.
        parameters: Buffers are not counted.
        operations: Multiplications with an addition for one image.
        images_per_second: Of prediction.
        heat_stage: Whose maps its heat maps weight.
        cells: Spatial shape of those maps.
    """

    stage: str
    parameters: int = Field(gt=0)
    operations: int = Field(gt=0)
    images_per_second: float = Field(gt=0)
    heat_stage: str
    cells: list[int] = Field(min_length=1)


class Truncation(Part):
    """truncation.json: a network and what was made of it by leaving stages out."""

    whole: Weighed
    smaller: Weighed
    ratios: dict[str, float]
    batch: int
    input: list[int]
    device: str
    threads: int


class ArmPlayed(Part):
    """One arm of a simulation.

    Attributes:
        name: As it is called on the page.
        acquisition: Spec of what chose.
        strategy: Spec of how the model went on.
        reference: Name of the arm that goes on alike and buys at random.
        folder: Where its seeds lie, inside that of the simulation.
    """

    name: str
    acquisition: str
    strategy: str
    reference: str
    folder: str


class Asked(Part):
    """Settings of a simulation that its page speaks of."""

    start: int = 0
    batch: int
    rounds: int
    views: int = 0
    passes: int = 0
    among: int | None = None
    candidate: str | None = None
    cost_per_label: float | None = None
    seconds_per_label: float | None = None


class Simulation(Part):
    """simulation.json: what was asked of `medgraft active simulate`, and how far it has come."""

    command: list[str] = []
    finished: str | None = None
    settings: Asked
    arms: list[ArmPlayed] = Field(min_length=1)
    seeds: list[int] = Field(min_length=1)
    kind: Literal["exclusive", "independent"]
    names: list[str] = Field(min_length=1)
    positive: str | None = None
    patients_known: bool = True
    synthetic: bool = False
    candidates: int
    pool: int
    validation: int
    test: int
    frozen: bool = False
    sizes: dict[str, float] = {}
    stops: dict[str, dict[str, list[int | None]]] = {}
    notes: list[str] = []


class RoundPlayed(Part):
    """A row of rounds.json."""

    labels: int
    images: int
    classes: dict[str, int]
    trained_on: int
    wrong: int = 0
    score: float | None = None
    agreement: float | None = None
    knew: int = 0
    kept: int = 0
    knew_validation: int = 0
    kept_validation: int = 0
    seconds: dict[str, float] = {}


Contract = TypeVar("Contract", bound=Part)


def read_part(kind: type[Contract], path: Path) -> Contract:
    """Read a JSON file that holds one object of this kind.

    Raises:
        TableError: If the file is missing, is not JSON, or a key is missing or wrong.
    """
    return checked(kind, read_json(path), path)


def checked(kind: type[Contract], data: Any, path: Path) -> Contract:
    """`data` as this kind.

    Raises:
        TableError: If a key is missing or of the wrong kind; the message names file and key.
    """
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        raise TableError(
            f"'{path}' must be as medgraft writes it: {first_problem(error, kind)}."
            " Write it again with `medgraft train` or `medgraft evaluate`."
        ) from error
