"""The moving average of weights, against its definition in a loop."""

import pytest
import torch
from torch import nn

from medgraft.generate.averaging import Averaged, averaged, follow, learning
from medgraft.generate.generators import find_model
from medgraft.generate.networks import Shape, Up
from medgraft.train.loop import Loop


def small():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))


def test_the_average_is_that_of_its_definition():
    one = Averaged(small(), keep=0.3)
    wanted = {key: each.double().clone() for key, each in one.average.state_dict().items()}
    for step in range(6):
        for each in learning(one).values():
            nn.init.normal_(each)
        one.learner(torch.randn(8, 3))  # moves the statistics of the norm
        one.follow()
        keep = min(0.3, (1 + step) / (10 + step))
        for key, each in one.learner.state_dict().items():
            wanted[key] = keep * wanted[key] + (1 - keep) * each.double()
    found = one.average.state_dict()
    assert found["1.num_batches_tracked"] == 6
    for key in set(found) - {"1.num_batches_tracked"}:
        torch.testing.assert_close(found[key].double(), wanted[key], rtol=1e-5, atol=1e-6)


def test_the_learner_answers_in_training_and_the_average_otherwise():
    one, x = Averaged(small(), keep=0.9), torch.randn(8, 3)
    nn.init.constant_(one.average[0].weight, 0.0)
    one.eval()
    assert torch.equal(one(x), one.average(x))
    assert not torch.equal(one(x), one.learner(x))
    one.train()
    assert torch.equal(one(x), one.learner(x))


def test_nothing_that_is_averaged_learns():
    one = Averaged(small(), keep=0.9)
    assert {key.partition(".")[0] for key in learning(one)} == {"learner"}
    one(torch.randn(8, 3)).sum().backward()
    assert all(each.grad is None for each in one.average.parameters())


@pytest.mark.parametrize(("model", "part"), [("dcgan", "generator"), ("vae_gan", "decoder")])
def test_it_can_be_left_out(model, part):
    networks = find_model(f"{model}:width=4,average=0").networks(Shape(1, 32))
    assert isinstance(networks[part], Up)
    networks = find_model(f"{model}:width=4").networks(Shape(1, 32))
    assert isinstance(networks[part], Averaged)


def test_it_follows_once_a_step_of_its_part(objective_of):
    objective, batches, recipe = objective_of("dcgan")
    loop = Loop(objective, batches, recipe)
    generator = objective.networks["generator"]
    loop.run()
    assert int(generator.followed) == loop.progress.step > 0
    mine, its = (each.state_dict() for each in (generator.average, generator.learner))
    assert any(not torch.equal(mine[key], its[key]) for key in mine)


def test_a_module_without_averages_follows_nothing():
    plain = averaged(small(), 0.0)
    before = {key: each.clone() for key, each in plain.state_dict().items()}
    follow(plain)
    assert all(torch.equal(each, before[key]) for key, each in plain.state_dict().items())
