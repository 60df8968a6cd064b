"""Tiny generative models of a tiny archive, trained once for all tests."""

import pytest
import torch

from medgraft.generate.generators import find_model
from medgraft.generate.job import (
    completed,
    make_batches,
    make_objective,
    place,
    train_generator,
)
from medgraft.generate.material import load_material
from medgraft.generate.recipe import Generating
from medgraft.train.hardware import Compute
from medgraft.train.processes import Processes
from tests.train.conftest import make_spots

TINY = {
    "size": 32,
    "epochs": 2,
    "batch_size": 8,
    "rate": 0.01,  # eight steps must be seen in what is drawn
    "schedule": "constant",
    "precision": "float32",
    "memory_format": "contiguous",
    "threads": 1,
}


def tiny(model, **changes):
    name, _, options = model.partition(":")
    options = ",".join(filter(None, ["width=4,latent=6", options]))
    return Generating(**{**TINY, "model": f"{name}:{options}", **changes})


def train_tiny(index, out, model, *, resume=False, **changes):
    return train_generator(
        index, out, tiny(model, **changes), command=["medgraft", "generate"], resume=resume
    )


@pytest.fixture(scope="session")
def spots_index(tmp_path_factory):
    return make_spots(tmp_path_factory.mktemp("spots"))


@pytest.fixture(scope="session")
def trained(spots_index, tmp_path_factory):
    """From a model to its run, conditional or not; each is trained once."""
    made = {}

    def run(model, *, conditional=False):
        key = (model, conditional)
        if key not in made:
            out = tmp_path_factory.mktemp("generators") / "run"
            made[key] = train_tiny(spots_index, out, model, conditional=conditional)
        return made[key]

    return run


@pytest.fixture(scope="session")
def objective_of(spots_index, tmp_path_factory):
    """From a model to an objective, batches and a recipe for a loop of one epoch."""
    device = Compute(torch.device("cpu"), "float32", "contiguous", "asked for")

    def make(name):
        recipe = completed(tiny(name, epochs=1))
        material = load_material(spots_index, recipe, tmp_path_factory.getbasetemp() / "store")
        model = find_model(recipe.model)
        torch.manual_seed(0)
        networks = place(model.networks(material.shape), device)
        objective = make_objective(recipe, model, networks, material, device, Processes())
        return objective, make_batches(recipe, material, device, Processes()), recipe

    return make
