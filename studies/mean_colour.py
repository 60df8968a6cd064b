"""How far the mean colour of a patch goes: the bar that a network on few labels must clear.

    .venv/bin/python studies/mean_colour.py histo-idc.parquet

Logistic regression on three numbers per image, tuned on few labels of each class, judged on the
test part: five draws for each number of labels. Takes seconds.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from medgraft.index import Index
from medgraft.read import read

LABELS, SEEDS = (10, 25, 50, 100), 5


def mean_colour(path: Path) -> np.ndarray:
    """Mean of each channel, shape (C,)."""
    values = read(path).array
    return np.asarray(values.reshape(len(values), -1).mean(axis=1, dtype=np.float64))


def main() -> None:
    """Print a line for each number of labels."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("index", type=Path)
    index = Index.load(parser.parse_args().index)
    frame = index.frame
    colours = np.array([mean_colour(Path(index.root, path)) for path in frame["path"]])
    (name,) = index.labels
    truth = frame[name].to_numpy().astype(int)
    learnt, judged = ((frame["split"] == part).to_numpy() for part in ("train", "test"))
    for count in LABELS:
        scores = []
        for seed in range(SEEDS):
            rng = np.random.default_rng(seed)
            places = [np.flatnonzero(learnt & (truth == k)) for k in (0, 1)]
            few = np.concatenate([rng.choice(some, count, replace=False) for some in places])
            model = make_pipeline(StandardScaler(), LogisticRegression())
            model.fit(colours[few], truth[few])
            scores.append(roc_auc_score(truth[judged], model.predict_proba(colours[judged])[:, 1]))
        each = ", ".join(f"{score:.3f}" for score in scores)
        print(f"{count:4} labels of each class: AUROC {np.mean(scores):.3f} ({each})")


if __name__ == "__main__":
    main()
