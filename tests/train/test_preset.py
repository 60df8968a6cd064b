"""A recipe that names a preset trains on what the preset prepares, and records the steps."""

import hashlib

import polars as pl
import pytest
from PIL import Image

from medgraft.errors import ArgumentError, UnknownNameError
from medgraft.generate.job import check_choices, completed
from medgraft.generate.material import load_material
from medgraft.generate.recipe import Generating
from medgraft.index import Index
from medgraft.prepare import canonical, pipeline
from medgraft.prepare.presets import preset_steps
from medgraft.runs import RunFolder
from medgraft.study.arms import read_arms
from medgraft.study.synthetic import read_generating
from medgraft.train.recipe import load_recipe
from medgraft.train.setup import check_parts
from medgraft.train.train import train
from tests.prepare.mammograms import mammogram
from tests.train.conftest import quick


@pytest.fixture
def films(tmp_path):
    rows = []
    for number in range(16):
        film = mammogram((96, 80), air=0.02 + 0.04 * (number % 2), seed=number)
        film = film.mirrored() if number % 3 else film
        name = f"{number:02d}.png"
        Image.fromarray(film.scan().array[0]).save(tmp_path / name)
        rows.append(
            {
                "image_id": hashlib.sha256(name.encode()).hexdigest(),
                "path": name,
                "patient_id": str(number),
                "split": "test" if number < 4 else "val" if number < 8 else "train",
                "label": "ab"[number % 2],
                "bits": 8,
                "shape": [1, 96, 80],
            }
        )
    Index(pl.DataFrame(rows), tmp_path, labels=("label",), layout="csv").save(
        tmp_path / "index.parquet"
    )
    return tmp_path / "index.parquet"


def test_a_run_records_preset_and_steps_and_its_recipe_can_be_repeated(films, tmp_path):
    steps = tuple(canonical(pipeline(preset_steps("mammography", 32, 1))))
    recipe = quick(preset="mammography", epochs=1, replicates=0)
    train(films, tmp_path / "run", recipe, command=["test"])
    recorded = load_recipe(RunFolder(tmp_path / "run").recipe)
    assert (recorded.preset, recorded.steps) == ("mammography", steps)
    check_parts(recorded)


@pytest.mark.parametrize(
    ("changes", "error", "said"),
    [
        ({"preset": "mamography"}, UnknownNameError, "Did you mean 'mammography'"),
        ({"preset": "mammography", "steps": ("intensity",)}, ArgumentError, "steps must be those"),
        ({"preset": "mammography", "slices": 1}, ArgumentError, "preset prepares pictures"),
        ({"preset": "mammography:chest=right"}, ArgumentError, "chest"),
    ],
)
def test_a_preset_that_cannot_be_is_refused(changes, error, said):
    with pytest.raises(error, match=said):
        check_parts(quick(**changes))


def test_an_arm_of_an_experiment_may_have_a_preparation_of_its_own():
    (arm,) = read_arms("full@preset=mammography:contrast=clahe,epochs=3", weights="none")
    assert arm.settings == {"preset": "mammography:contrast=clahe", "epochs": 3}
    assert arm.recipe(quick(), 0).preset == "mammography:contrast=clahe"


def test_a_generator_learns_what_the_preset_prepares(films, tmp_path):
    recipe = Generating(preset="mammography", size=32, seed=0)
    material = load_material(films, recipe, tmp_path / "cache")
    assert list(material.steps) == preset_steps("mammography", 32, 1)
    with pytest.raises(UnknownNameError, match="Did you mean 'mammography'"):
        check_choices(completed(recipe.model_copy(update={"preset": "mamography"})))


def test_generators_of_a_study_have_the_preset_of_its_trainings():
    assert read_generating("epochs=1", quick(preset="mammography")).preset == "mammography"
