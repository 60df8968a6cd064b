"""The command `medgraft split`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

if TYPE_CHECKING:
    from medgraft.index.table import Index


@dataclass(frozen=True)
class Split:
    """Divide an index so that no patient, group or image is in two parts.

    Labels are spread evenly, as are images without one; the same seed gives the same split, whatever the order of the
    rows. The split is written into the index.

    Example:
        medgraft split films.parquet --test 0.2 --val 0.1 --seed 0
    """

    index: Annotated[Path, tyro.conf.Positional]
    """Index written by `medgraft index`."""
    test: float = 0.2
    """Share of the images kept for the one final test."""
    val: float = 0.1
    """Share of the images that choose epochs and thresholds."""
    seed: int = 0
    """Another seed gives another split."""
    folds: int | None = None
    """Write a column `fold` for cross-validation with so many folds, instead of a split."""
    fold: int | None = None
    """Of the folds, the one that tests; the next one validates, the others train."""
    original: bool = False
    """Take over the split that the data came with, if it is sound."""
    out: Path | None = None
    """Write to another index instead of this one."""
    force: bool = False
    """Replace a split that exists."""

    def run(self) -> None:
        """Split, save, and say what came out."""
        from medgraft.index.split import missing_classes
        from medgraft.index.summary import table, unlabelled
        from medgraft.index.table import Index

        index = Index.load(self.index)
        self._refuse_to_replace(index)
        index = self._divided(index)
        out = self.out or self.index
        index.save(out)
        index.save_rejects(out)
        if self.folds:
            print(_fold_table(index))
        if not self.folds or self.fold is not None:
            print(table(index))
        if index.labels and (blank := unlabelled(index, index.frame)):
            print(
                f"note: {blank} of {len(index)} images have no label; they are spread evenly like a"
                " class of their own, and nothing is learned from them"
            )
        for part, name in missing_classes(index):
            print(
                f"warning: {part} has no image of {name!r}; what needs one will be undefined there"
            )
        if not index.patients_known:
            print("warning: patients are unknown, so the split is by image")
        print(f"written  {out}")

    def _divided(self, index: Index) -> Index:
        from medgraft.index.split import adopt, folds, split, use_fold

        if self.original:
            return adopt(index)
        if self.folds is not None:
            index = folds(index, count=self.folds, seed=self.seed)
        if self.fold is not None:
            return use_fold(index, self.fold)
        return index if self.folds else split(index, test=self.test, val=self.val, seed=self.seed)

    def _refuse_to_replace(self, index: Index) -> None:
        from medgraft.errors import OutputError

        makes_split = not self.folds or self.fold is not None
        exists = makes_split and index.frame["split"].count() > 0
        exists |= bool(self.folds) and "fold" in index.frame.columns
        if exists and not self.force and self.out is None:
            raise OutputError(
                f"'{self.index}' must not have been split yet, but it has; another split makes"
                " earlier test results worthless. Pass --force to replace it, or --out to keep both."
            )
        if self.out is not None and self.out.exists() and not self.force:
            raise OutputError(f"--out must not exist yet, but '{self.out}' does. Pass --force.")


def _fold_table(index: Index) -> str:
    from medgraft.index.summary import aligned, class_counts

    rows = index.frame.partition_by("fold", as_dict=True)
    classes = list(class_counts(index, index.frame))
    lines = [["fold", "images", *classes]]
    for (fold,), frame in sorted(rows.items()):
        counts = class_counts(index, frame)
        lines.append([str(fold), str(frame.height), *(str(counts[name]) for name in classes)])
    return aligned(lines)
