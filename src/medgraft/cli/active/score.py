"""The command `medgraft active score`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro


@dataclass(frozen=True)
class Score:
    """Say which candidates of a table of predictions to label first.

    FILE (csv, tsv, parquet) has a row per candidate and view: `candidate` names what is labelled as a
    whole (an image, or a group of frames or patches), and `p_<class>` holds the probability of each
    class. Candidates may have any number of views. One column alone is the probability that
    something is there.

    Examples:
        medgraft active score predictions.csv --acquisition entropy
        medgraft active score predictions.csv --acquisition margin --json
    """

    file: Annotated[Path, tyro.conf.Positional]
    """Table of predictions of any tool."""
    acquisition: str = "entropy"
    """A score from `medgraft list acquisitions`, with its options."""
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

        pool = Pool.of(read_frame(self.file), independent=self.independent)
        name, score = self._score()
        scores = score.scores(pool.evidence)
        order = np.argsort(-scores, kind="stable")
        views = pool.evidence.views
        found: dict[str, Any] = {
            "acquisition": write(name, score),
            "classes": pool.classes,
            "independent": pool.evidence.independent,
            "candidates": [
                {"candidate": pool.names[i], "views": int(views[i]), "score": float(scores[i])}
                for i in order
            ],
        }
        print(json.dumps(found, indent=2) if self.json else _table(found["candidates"]))

    def _score(self) -> tuple[str, Any]:
        from medgraft.active.acquisition import Score as Kind
        from medgraft.active.acquisition import acquisitions
        from medgraft.errors import ArgumentError
        from medgraft.spec import build, parse

        part = build(acquisitions, self.acquisition)
        name, _ = parse(self.acquisition)
        if not isinstance(part, Kind):
            scores = [
                one for one in acquisitions.names() if issubclass(acquisitions.get(one), Kind)
            ]
            raise ArgumentError(
                f"--acquisition must score candidates one at a time, but {name} chooses a set."
                f" Scores: {', '.join(scores)}."
            )
        return name, part


def _table(candidates: list[dict[str, Any]]) -> str:
    width = max(len("candidate"), *(len(one["candidate"]) for one in candidates))
    lines = [f"{'candidate':<{width}}  views  {'score':>10}"]
    lines += [
        f"{one['candidate']:<{width}}  {one['views']:>5}  {one['score']:>10.4f}"
        for one in candidates
    ]
    return "\n".join(lines)
