"""What uncertain labels (-1) and blank ones teach: a policy per label, of training images alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl
import torch
from torch import Tensor
from torch.nn import functional as F

from medgraft.errors import ArgumentError, TableError
from medgraft.files import read_json
from medgraft.index import Index
from medgraft.index.target import Target
from medgraft.nets.heads import THREE_WAY
from medgraft.registry import unknown_name
from medgraft.runs import RunFolder
from medgraft.train.donor import check_donor

IGNORE, SELF_TRAINED, MULTI_CLASS = "ignore", "self_trained", "multi_class"
POLICIES = (IGNORE, "zeros", "ones", "prevalence", SELF_TRAINED, MULTI_CLASS)
SOFT = ("prevalence", SELF_TRAINED)  # targets between 0 and 1
UNCERTAIN = -1.0


@dataclass(frozen=True)
class Uncertain:
    """What is made of the training labels of a run.

    The policies are those of Irvin et al. 2019 (arXiv:1901.07031), and the prevalence as a soft
    target. Validation and test labels are never touched: what is uncertain there is left out.

    Attributes:
        policies: Of each label, in the order of the target.
        donors: Of each label with the policy "self_trained", the run that is asked.
        blank: "ignore", or "zeros": a blank label counts as absent.
    """

    policies: tuple[str, ...]
    donors: dict[str, Path] = field(default_factory=dict)
    blank: str = IGNORE

    @classmethod
    def of(cls, asked: Sequence[str], blank: str, target: Target) -> Uncertain:
        """The policy of each label.

        Args:
            asked: Entries POLICY (of all labels that no entry names) or LABEL=POLICY.
            blank: See above.
            target: The labels.

        Raises:
            ArgumentError: If the labels are exclusive classes, a label has two policies, or
                "self_trained" names no run.
            UnknownNameError: If there is no such policy or label.

        Examples:
            >>> target = Target("independent", ("Edema", "Mass"), ("Edema", "Mass"))
            >>> Uncertain.of(["ones", "Mass=zeros"], "ignore", target).policies
            ('ones', 'zeros')
        """
        pairs = [_read(entry) for entry in asked]
        names = [label for label, _ in pairs]
        if len(set(names)) < len(names):
            raise ArgumentError(f"uncertain must name every label once, got {list(asked)}.")
        for label in names:
            if label is not None and label not in target.names:
                raise unknown_name("label", label, target.names)
        chosen = dict(pairs)
        found = [chosen.get(name, chosen.get(None, IGNORE)) for name in target.names]
        if target.kind != "independent" and {*found, blank} != {IGNORE}:
            raise ArgumentError(
                "uncertain and blank are about labels of 1, 0, -1 and nothing, but these are"
                f" classes, of which each image has one; got {list(asked)} and {blank!r}."
            )
        return cls(
            tuple(policy.partition(":")[0] for policy in found),
            {
                name: Path(policy.partition(":")[2])
                for name, policy in zip(target.names, found, strict=True)
                if policy.startswith(SELF_TRAINED)
            },
            blank,
        )

    @property
    def three_way(self) -> tuple[int, ...]:
        """Columns of the labels that are learnt as three classes."""
        return tuple(k for k, policy in enumerate(self.policies) if policy == MULTI_CLASS)

    @property
    def soft(self) -> bool:
        """Whether some targets are neither 1 nor 0, which a head that is fitted cannot take."""
        return any(policy in (*SOFT, MULTI_CLASS) for policy in self.policies)

    def head(self, name: str) -> str:
        """Name of the head that gives these answers, see `medgraft.nets.heads`."""
        columns = ";".join(map(str, self.three_way))
        return f"{name}{THREE_WAY}{columns}" if columns else name

    def taught(self, truth: np.ndarray, index: Index, target: Target) -> np.ndarray:
        """The targets of training images.

        Args:
            truth: 1, 0, -1 uncertain, NaN blank, shape (N, K).
            index: The same N rows.
            target: The labels.

        Returns:
            Shape (N, K), float32, in [0, 1]; NaN teaches nothing; -1 stays where the label is
            learnt as three classes.

        Raises:
            TableError: If a run that is asked has no answer for an uncertain image.
        """
        found = truth.astype(np.float32)
        for k, policy in enumerate(self.policies):
            unsure = truth[:, k] == UNCERTAIN
            if policy != MULTI_CLASS:
                found[unsure, k] = self._value(policy, target.names[k], truth[:, k], index, unsure)
        if self.blank == "zeros":
            found[np.isnan(truth)] = 0
        return found

    def _value(
        self, policy: str, label: str, truth: np.ndarray, index: Index, unsure: np.ndarray
    ) -> np.ndarray | float:
        """What stands for the uncertain entries of one label."""
        if policy == SELF_TRAINED:
            return _answers(RunFolder(self.donors[label]), label, index, unsure)
        if policy == "prevalence":
            known = truth[truth >= 0]
            return float(known.mean()) if len(known) else np.nan
        return {IGNORE: np.nan, "zeros": 0.0, "ones": 1.0}[policy]

    def check_donors(self, index: Index) -> None:
        """Refuse answers of a run that learnt from test images, or that did not ignore -1.

        Raises:
            TableError, ArgumentError, LeakageError: With the run.
        """
        for label, folder in self.donors.items():
            donor = RunFolder.existing(folder)
            check_donor(donor, index, same_archive=True)
            names = read_json(donor.weights_record)["labels"]
            if label not in names:
                raise ArgumentError(
                    f"self_trained needs a run that knows {label!r}, but '{folder}' knows"
                    f" {', '.join(names)}. Train one on the same labels, with uncertain ignore."
                )


def _read(entry: str) -> tuple[str | None, str]:
    """Label (None for all) and policy of an entry.

    Examples:
        >>> _read("self_trained:runs/a=b"), _read("Pleural Effusion=ones")
        ((None, 'self_trained:runs/a=b'), ('Pleural Effusion', 'ones'))
    """
    label, equals, policy = entry.partition("=")
    if not equals or label.partition(":")[0] in POLICIES:
        label, policy = "", entry
    name, _, run = policy.partition(":")
    if name not in POLICIES:
        raise unknown_name("policy for uncertain labels", name, POLICIES)
    if (name == SELF_TRAINED) != bool(run):
        raise ArgumentError(
            f"self_trained, and no other policy, names a run: self_trained:RUN, got {entry!r}."
        )
    return label or None, policy


def _answers(run: RunFolder, label: str, index: Index, unsure: np.ndarray) -> np.ndarray:
    """Probabilities of a label that a run gave for some images."""
    told = pl.read_parquet(run.predictions, columns=["image_id", f"p_{label}"])
    wanted = index.frame.filter(pl.Series(unsure)).select("image_id")
    joined = wanted.join(
        told.unique("image_id", keep="first"), on="image_id", how="left", maintain_order="left"
    )
    missing = joined[f"p_{label}"].null_count()
    if missing:
        raise TableError(
            f"self_trained needs an answer for every uncertain image, but '{run.path}' has none of"
            f" {label!r} for {missing} of {len(wanted)}. Train it on the same index."
        )
    return joined[f"p_{label}"].to_numpy()


def three_way_cross_entropy(raw: Tensor, targets: Tensor) -> tuple[Tensor, float]:
    """Cross-entropy of negative, uncertain and positive, summed over what is known.

    Args:
        raw: Logits of negative, uncertain, positive, shape (B, M, 3).
        targets: 0, -1 or 1, shape (B, M); NaN is left out and has no gradient.

    Returns:
        The sum, and the number of entries that counted.

    Raises:
        ArgumentError: If a target is anything else, such as one that mixing has blended.
    """
    known = ~torch.isnan(targets)
    values = targets[known]
    if not torch.isin(values, torch.tensor([-1.0, 0.0, 1.0], device=values.device)).all():
        raise ArgumentError(
            "labels that are learnt as three classes (multi_class) must be 1, 0 or -1. Take"
            " augmentations that mix images out, or another policy."
        )
    classes = torch.where(values == 1, 2, torch.where(values == 0, 0, 1))
    return F.cross_entropy(raw[known], classes, reduction="sum"), float(known.sum())
