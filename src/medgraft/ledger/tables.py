"""What a ledger says, as a table for training and for people."""

from __future__ import annotations

import json
from collections.abc import Sequence

import polars as pl

from medgraft.ledger.campaign import Campaign

Row = tuple[str, int, str, str | None]  # image_id, batch, status, labels as JSON


def labels(campaign: Campaign, rows: Sequence[Row]) -> pl.DataFrame:
    """One row per queued image: image_id, batch, status, and the label or labels.

    Examples:
        >>> from medgraft.ledger import Class
        >>> one = Campaign("films", (Class("a"), Class("b")), kind="independent")
        >>> labels(one, [("x", 1, "agreed", '["b"]'), ("y", 1, "open", None)]).rows()
        [('x', 1, 'agreed', 0, 1), ('y', 1, 'open', None, None)]
    """
    ids, batches, status, said = zip(*rows, strict=True) if rows else ((), (), (), ())
    found = [None if text is None else json.loads(text) for text in said]
    if campaign.kind == "exclusive":
        columns = {"label": pl.Series([one and one[0] for one in found], dtype=pl.String)}
    else:
        columns = {
            name: pl.Series(
                [None if one is None else int(name in one) for one in found], dtype=pl.Int64
            )
            for name in campaign.names
        }
    return pl.DataFrame(
        {
            "image_id": pl.Series(ids, dtype=pl.String),
            "batch": pl.Series(batches, dtype=pl.Int64),
            "status": pl.Series(status, dtype=pl.String),
            **columns,
        }
    )
