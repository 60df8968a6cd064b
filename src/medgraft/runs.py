"""A run is a folder; this file knows the names of what lies in it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from medgraft.errors import TableError


@dataclass(frozen=True)
class RunFolder:
    """Paths of a run.

    Attributes:
        path: The folder.
    """

    path: Path

    @classmethod
    def existing(cls, path: Path) -> RunFolder:
        """The run at `path`.

        Raises:
            TableError: If the folder holds no run.
        """
        run = cls(Path(path))
        if not run.record.is_file():
            raise TableError(
                f"'{path}' must be a run folder (one that holds run.json), and is not."
                " Give the folder that `medgraft train --out` wrote."
            )
        return run

    @property
    def record(self) -> Path:
        """What was asked: command, versions, hardware, seed, seconds per phase, input hashes."""
        return self.path / "run.json"

    @property
    def recipe(self) -> Path:
        """The whole recipe, defaults written out."""
        return self.path / "recipe.yaml"

    @property
    def index(self) -> Path:
        """The rows used, with their split."""
        return self.path / "index.parquet"

    @property
    def rejects(self) -> Path:
        """Rows that could not be used, with their reasons."""
        return self.path / "rejects.csv"

    @property
    def weights(self) -> Path:
        """The weights of the network."""
        return self.path / "weights.safetensors"

    @property
    def weights_record(self) -> Path:
        """What the weights are: backbone, stages, channels, preparation, labels, provenance."""
        return self.path / "weights.json"

    @property
    def members(self) -> Path:
        """Weights of the other networks of an ensemble, from 2.safetensors on."""
        return self.path / "members"

    @property
    def history(self) -> Path:
        """A row per epoch: step, losses, rates, images per second, validation scores."""
        return self.path / "history.csv"

    @property
    def checkpoint(self) -> Path:
        """Resume state; removed when the run ends."""
        return self.path / "checkpoint"

    @property
    def predictions(self) -> Path:
        """One row per image of every split: image_id, path, patient_id, split, y_*, p_*."""
        return self.path / "predictions.parquet"

    @property
    def segmentation(self) -> Path:
        """Of a run that learnt masks: one row per test image and class, with every measure."""
        return self.path / "segmentation.parquet"

    @property
    def evaluation(self) -> Path:
        """Metrics with intervals."""
        return self.path / "evaluation.json"

    @property
    def forgetting(self) -> Path:
        """Of a run that goes on from another: what it still knows of what that one knew."""
        return self.path / "forgetting.json"

    @property
    def pretext(self) -> Path:
        """How well a pretraining does its task; other runs have none."""
        return self.path / "pretext.json"

    @property
    def generation(self) -> Path:
        """How a generative model came out; other runs have none."""
        return self.path / "generation.json"

    @property
    def quality(self) -> Path:
        """Folder of what samples are worth, if `medgraft generate quality` was asked."""
        return self.path / "quality"

    @property
    def examples(self) -> Path:
        """Small pictures for the report and examples.json, which says what each one is."""
        return self.path / "examples"

    @property
    def explain(self) -> Path:
        """Heat maps of the costliest answers and explain.json, which says what each one is."""
        return self.path / "explain"

    @property
    def truncation(self) -> Path:
        """Of a run that was made smaller: what it weighs, and both networks side by side."""
        return self.path / "truncation"

    @property
    def figures(self) -> Path:
        """SVG figures."""
        return self.path / "figures"

    @property
    def report(self) -> Path:
        """The page."""
        return self.path / "report.html"

    @property
    def card(self) -> Path:
        """The model card."""
        return self.path / "card.md"
