"""The command `medgraft active score`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

if TYPE_CHECKING:
    from medgraft.active.acquisition import Score as ScorePart
    from medgraft.active.evidence import Evidence


@dataclass(frozen=True)
class Score:
    """Say which candidates of a table of predictions to label first.

    FILE (csv, tsv, parquet) has a row per candidate and view: a column names what is labelled as a
    whole (an image, or a group of frames or patches), and `p_<class>` holds the probability of each
    class. Candidates may have any number of views. One column alone is the probability that
    something is there. The highest score comes first, and is the one to label first.

    With --as-published, aift follows its authors' program (entropies summed, pairs counted twice)
    and shows the six scores of their table: entropy, diversity and both, of all views and of the majority.

    Examples:
        medgraft active score predictions.csv --candidate path --acquisition margin
        medgraft active score views.csv --acquisition aift:alpha=0.5 --json
        medgraft active score views.csv --acquisition aift --as-published
    """

    file: Annotated[Path, tyro.conf.Positional]
    """Table of predictions of any tool."""
    acquisition: str = "entropy"
    """A score from `medgraft list acquisitions`, with its options."""
    candidate: str = "candidate"
    """Column that names the candidate; rows with the same name are its views."""
    as_published: bool = False
    """For aift: the convention of the authors' program, and the scores of their table."""
    independent: bool = False
    """Classes may hold together (sigmoid), and need not sum to one."""
    json: bool = False
    """Print JSON."""

    def run(self) -> None:
        """Print candidates and scores, best first."""
        import numpy as np

        from medgraft.active.table import Pool
        from medgraft.evaluate.table import read_frame
        from medgraft.spec import write

        pool = Pool.of(
            read_frame(self.file), candidate=self.candidate, independent=self.independent
        )
        name, part = self._part()
        scores = part.scores(pool.evidence)
        more = self._published(part, pool.evidence)
        views = pool.evidence.views
        candidates = [
            {
                "candidate": pool.names[i],
                "views": int(views[i]),
                "score": float(scores[i]),
                **{column: float(values[i]) for column, values in more.items()},
            }
            for i in np.argsort(-scores, kind="stable")
        ]
        found = {
            "acquisition": write(name, part),
            "classes": pool.classes,
            "independent": pool.evidence.independent,
            "candidates": candidates,
        }
        print(json.dumps(found, indent=2) if self.json else _table(candidates))

    def _part(self) -> tuple[str, ScorePart]:
        from medgraft.active.acquisition import Score as Kind
        from medgraft.active.acquisition import acquisitions
        from medgraft.errors import ArgumentError
        from medgraft.spec import build, parse

        part = build(acquisitions, self.acquisition)
        name, options = parse(self.acquisition)
        if not isinstance(part, Kind):
            scores = [
                one for one in acquisitions.names() if issubclass(acquisitions.get(one), Kind)
            ]
            raise ArgumentError(
                f"--acquisition must score candidates one at a time, but {name} chooses a set."
                f" Scores: {', '.join(scores)}."
            )
        return name, _published(part, options) if self.as_published else part

    def _published(self, part: ScorePart, evidence: Evidence) -> dict[str, Any]:
        from medgraft.active.acquisition.aift import Aift, published_table

        if not self.as_published or not isinstance(part, Aift):
            return {}
        return published_table(evidence, part.alpha)


def _published(part: ScorePart, given: dict[str, Any]) -> ScorePart:
    """The part in the convention of the authors' program, unless the flag contradicts it."""
    from medgraft.active.acquisition.aift import PUBLISHED, Aift
    from medgraft.errors import ArgumentError

    if not isinstance(part, Aift):
        raise ArgumentError("--as-published is for aift, but --acquisition names another score.")
    wrong = [key for key in PUBLISHED if key in given and given[key] != PUBLISHED[key]]
    if wrong:
        raise ArgumentError(
            f"--as-published means {wrong[0]}={PUBLISHED[wrong[0]]}, but --acquisition says"
            f" {wrong[0]}={given[wrong[0]]}. Leave one of them out."
        )
    return Aift.as_published(**part.model_dump(exclude=set(PUBLISHED)))


def _table(candidates: list[dict[str, Any]]) -> str:
    columns = [name for name in candidates[0] if name not in ("candidate", "views")]
    widths = [max(len(name), 10) for name in columns]
    first = max(len("candidate"), *(len(one["candidate"]) for one in candidates))
    head = (f"{name:>{width}}" for name, width in zip(columns, widths, strict=True))
    lines = [f"{'candidate':<{first}}  views  {'  '.join(head)}"]
    for one in candidates:
        cells = (f"{one[name]:>{width}.4f}" for name, width in zip(columns, widths, strict=True))
        lines.append(f"{one['candidate']:<{first}}  {one['views']:>5}  {'  '.join(cells)}")
    return "\n".join(lines)
