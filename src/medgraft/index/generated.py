"""Images that a model made: nothing is ever judged on them."""

from __future__ import annotations

import polars as pl

from medgraft.errors import LeakageError

GENERATED = "generated"  # column of an index: true where an image was generated
JUDGED = ("val", "test")
SHOWN = 5


def check_generated(frame: pl.DataFrame) -> None:
    """Refuse generated images in the validation or test part.

    Raises:
        LeakageError: With their paths.
    """
    if GENERATED not in frame.columns:
        return
    wrong = frame.filter(pl.col(GENERATED) & pl.col("split").is_in(JUDGED))
    if wrong.is_empty():
        return
    paths = wrong["path"].to_list()
    shown = ", ".join(paths[:SHOWN]) + (", ..." if len(paths) > SHOWN else "")
    raise LeakageError(
        f"generated images must stand in the train part or in none, but {len(paths)} are in"
        f" {' and '.join(sorted(set(wrong['split'])))}: {shown}. A model is judged on real images:"
        " split those first, then add the generated ones with split 'train'.",
        paths,
    )
