"""How a campaign chooses and learns: `campaign.yaml`, and the flags that write it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from medgraft.active.folder import CampaignFolder
from medgraft.errors import ArgumentError, TableError
from medgraft.files import write_text
from medgraft.spec import first_problem
from medgraft.train.recipe import Recipe

if TYPE_CHECKING:
    from medgraft.ledger.ledger import Ledger


class Choosing(BaseModel):
    """What decides which images are proposed."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    acquisition: str = Field(
        "aift", description="How to choose once there is a model; see `medgraft list acquisitions`."
    )
    cold: str | None = Field(
        None,
        description="How to choose before: typiclust, core_set or random; if not given, typiclust on"
        " the features of --weights, and random without any.",
    )
    batch: int = Field(20, ge=1, description="Images to learn from in each batch.")
    measure: int = Field(
        40,
        ge=0,
        description="Images of the test and val parts, drawn by chance, that the first batch has"
        " labelled too: the curve is measured on them.",
    )
    candidate: str | None = Field(
        None,
        description="Column of the index whose values are bought as a whole, such as study_id;"
        " --batch and --measure then count such groups. Single images if not given.",
    )
    views: int = Field(
        8, ge=1, description="Looks at each image: as it is, and augmented for the others."
    )
    continual: str = Field(
        "AFT(LQ)",
        description="How models go on: AFT(LQ) begins with --weights in each round; ACFT(LQ),"
        " ACFT(HQ), ACFT(Q) with the model before; RFT(LQ) draws images by chance.",
    )
    stop: tuple[str, ...] = Field(
        ("plateau", "agreement"),
        description="Rules that say when to stop; see `medgraft list stopping`.",
    )
    known: bool = Field(
        default=False,
        description="Take the labels that the index has; without it they are left out.",
    )


class Settings(Choosing):
    """What `campaign.yaml` holds."""

    ledger: str = Field(description="Identity of the ledger.")
    recipe: Recipe = Field(description="How a model is trained.")


def save_settings(settings: Settings, path: Path) -> None:
    """Write a campaign.yaml with every default spelled out."""
    import yaml

    data = settings.model_dump(mode="json")
    write_text(path, yaml.safe_dump(data, sort_keys=False, allow_unicode=True))


def load_settings(path: Path) -> Settings:
    """Read a campaign.yaml.

    Raises:
        TableError: If there is none.
        ArgumentError: If it is not YAML, a key is unknown or a value is out of range.
    """
    import yaml

    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise TableError(
            f"'{path.parent}' must be a campaign (a folder that holds campaign.yaml), and is not."
            " `medgraft active start` begins one."
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ArgumentError(f"'{path}' must be YAML, and is not: {error}") from error
    try:
        return Settings.model_validate(data)
    except ValidationError as error:
        raise ArgumentError(f"{first_problem(error, Settings)}, in '{path}'.") from error


@dataclass(frozen=True)
class Open:
    """A campaign that is being worked on.

    Attributes:
        folder: Where it lies.
        settings: How it chooses and learns.
        ledger: What its readers said.
    """

    folder: CampaignFolder
    settings: Settings
    ledger: Ledger


@contextmanager
def opened(path: Path) -> Iterator[Open]:
    """A campaign and its ledger, closed afterwards.

    Raises:
        TableError: If the folder holds no campaign, or the ledger is that of another one.
    """
    folder = CampaignFolder(Path(path))
    settings = load_settings(folder.settings)
    ledger = folder.open_ledger()
    try:
        if ledger.identity != settings.ledger:
            raise TableError(
                f"the ledger of '{path}' must be the one that it began with, {settings.ledger}, but"
                f" {ledger.database.name} is another, {ledger.identity}. Put the right one back."
            )
        yield Open(folder, settings, ledger)
    finally:
        ledger.close()
