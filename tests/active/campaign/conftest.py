"""A campaign on spots that are bright on the left or on the right."""

import polars as pl
import pytest

from medgraft.active.campaign.settings import Choosing, opened
from medgraft.active.campaign.start import start
from medgraft.index import Index
from medgraft.ledger import Campaign, Class
from tests.train.conftest import make_spots, one_thread, quick

__all__ = ["one_thread"]

QUESTION = Campaign("spots", (Class("left"), Class("right")))


@pytest.fixture
def spots(tmp_path):
    return make_spots(tmp_path)


@pytest.fixture
def begin(spots, tmp_path):
    """Start a campaign on the spots, which are labelled in the index but not in the campaign."""

    def make(name="campaign", question=QUESTION, *, recipe=None, **choosing):
        chosen = Choosing(**{"batch": 6, "measure": 9, "views": 2, **choosing})
        return start(spots, tmp_path / name, question, chosen, recipe or quick(epochs=1))

    return make


@pytest.fixture
def answer(spots):
    """Have readers answer all that waits for them, rightly but for the images named."""
    truth = dict(Index.load(spots).frame.select("image_id", "side").iter_rows())

    def read(folder, readers=("anna",), wrong=()):
        with opened(folder.path) as campaign:
            for name in readers:
                campaign.ledger.admit(name)
                while (leased := campaign.ledger.next(name)) is not None:
                    label = truth[leased.image_id]
                    if leased.image_id in wrong:
                        label = "left" if label == "right" else "right"
                    campaign.ledger.answer(name, leased.image_id, label, seconds=2.0)
            return campaign.ledger.labels()

    return read


def parts(spots):
    return {
        split: set(rows["image_id"]) for (split,), rows in Index.load(spots).frame.group_by("split")
    }


def batch(folder, number):
    """Images of a batch, in the order of the queue."""
    with opened(folder.path) as campaign:
        rows = campaign.ledger.labels().filter(pl.col("batch") == number)
    return rows["image_id"].to_list()
