"""A campaign on spots that are bright on the left or on the right.

Trainings are dear, so the story of one campaign is played once; tests go on from copies of it.
"""

import shutil
from types import SimpleNamespace

import polars as pl
import pytest

from medgraft.active.campaign import training
from medgraft.active.campaign.propose import propose
from medgraft.active.campaign.settings import Choosing, load_settings, opened, save_settings
from medgraft.active.campaign.start import start
from medgraft.active.folder import CampaignFolder
from medgraft.errors import CheckRefusedError
from medgraft.index import Index
from medgraft.ledger import Campaign, Class
from tests.train.conftest import make_spots, one_thread, quick

__all__ = ["one_thread"]

QUESTION = Campaign("spots", (Class("left"), Class("right")))
COMMAND = ["medgraft", "active", "propose"]
SMALL = {"epochs": 1, "after": "layer1", "replicates": 20}


def go(folder, **more):
    return propose(folder.path, command=COMMAND, **more)


@pytest.fixture(scope="session")
def archive(tmp_path_factory):
    """Path of an index, see `make_spots`; nobody writes there."""
    return make_spots(tmp_path_factory.mktemp("archive"))


@pytest.fixture
def spots(archive, tmp_path):
    """An index of the archive that a test may write."""
    Index.load(archive).save(tmp_path / "spots.parquet")
    return tmp_path / "spots.parquet"


def begun(index, out, question=QUESTION, *, recipe=None, **choosing):
    """A campaign on the spots, which are labelled in the index but not in the campaign."""
    chosen = Choosing(**{"batch": 6, "measure": 9, "views": 2, **choosing})
    return start(index, out, question, chosen, recipe or quick(**SMALL))


@pytest.fixture
def begin(spots, tmp_path):
    """Start a campaign."""

    def make(name="campaign", question=QUESTION, **more):
        return begun(spots, tmp_path / name, question, **more)

    return make


@pytest.fixture(scope="session")
def answer(archive):
    """Have readers answer all that waits for them, rightly but for the images named."""
    truth = dict(Index.load(archive).frame.select("image_id", "side").iter_rows())

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


@pytest.fixture(scope="session")
def told(archive, answer, tmp_path_factory):
    """A campaign told once: a batch, refused to go on without answers, answers, a model that asks."""
    home = tmp_path_factory.mktemp("told")
    folder = begun(archive, home / "campaign")
    first = go(folder)
    with pytest.raises(CheckRefusedError) as refused:
        go(folder)
    answer(folder)
    asked = CampaignFolder(home / "asked")
    shutil.copytree(folder.path, asked.path)
    second = go(folder)
    return SimpleNamespace(
        folder=folder, asked=asked, first=first, second=second, refused=str(refused.value)
    )


@pytest.fixture
def asked(told, tmp_path):
    """A copy of the campaign whose first batch is answered."""
    return copied(told.asked, tmp_path / "asked")


@pytest.fixture
def trained(told, monkeypatch):
    """Trainings that are not done but copied; gives the recipes that were asked for."""
    found = []
    monkeypatch.setattr(training, "train", copying(told.second.run, found))
    return found


def copying(run, recipes):
    """In place of a training: a copy of another run."""

    def train(index, out, recipe, **_):
        recipes.append(recipe)
        shutil.copytree(run.path, out, dirs_exist_ok=True)

    return train


def copied(folder, path):
    shutil.copytree(folder.path, path)
    return CampaignFolder(path)


def changed(folder, **settings):
    """Write other settings into a campaign."""
    save_settings(load_settings(folder.settings).model_copy(update=settings), folder.settings)
    return folder


def parts(spots):
    return {
        split: set(rows["image_id"]) for (split,), rows in Index.load(spots).frame.group_by("split")
    }


def batch(folder, number):
    """Images of a batch, in the order of the queue."""
    with opened(folder.path) as campaign:
        rows = campaign.ledger.labels().filter(pl.col("batch") == number)
    return rows["image_id"].to_list()
