"""The equations of generative models against definitions."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.distributions import Bernoulli, Normal
from torch.distributions import kl_divergence as torch_kl

from medgraft.generate.losses import (
    bernoulli,
    discriminator_loss,
    feature_distance,
    generator_loss,
    gradient_penalty,
    kl_divergence,
    reparameterised,
    squared_error,
)

numbers = st.floats(-3, 3)
codes = st.lists(st.tuples(numbers, numbers), min_size=1, max_size=4)


@given(codes)
def test_kl_is_that_of_torch_and_of_a_loop(code):
    mu, log_variance = torch.tensor(code, dtype=torch.float64).T[:, None]
    found = kl_divergence(mu, log_variance)
    normal = Normal(torch.zeros_like(mu), torch.ones_like(mu))
    theirs = torch_kl(Normal(mu, (log_variance / 2).exp()), normal).sum(dim=1)
    loop = sum(-0.5 * (1 + v - m**2 - math.exp(v)) for m, v in code)
    assert found.tolist() == pytest.approx(theirs.tolist(), abs=1e-9)
    assert found.item() == pytest.approx(loop, abs=1e-9)


@given(codes)
def test_kl_is_zero_for_a_standard_normal_and_only_then(code):
    mu, log_variance = torch.tensor(code, dtype=torch.float64).T[:, None]
    standard = bool((mu == 0).all() and (log_variance == 0).all())
    found = kl_divergence(mu, log_variance).item()
    assert found == 0 if standard else found >= 0
    if (mu.abs() > 1e-3).any() or (log_variance.abs() > 1e-3).any():
        assert found > 1e-8


def test_codes_have_the_mean_and_the_deviation_that_were_asked_for():
    mu, log_variance = torch.tensor([[-2.0, 0.5]]), torch.tensor([[0.0, math.log(9.0)]])
    noise = torch.randn(200_000, 2, generator=torch.Generator().manual_seed(0))
    drawn = reparameterised(mu, log_variance, noise)
    # five standard errors of 200,000 draws
    assert drawn.mean(dim=0).tolist() == pytest.approx([-2.0, 0.5], abs=5 * 3 / math.sqrt(200_000))
    assert drawn.std(dim=0).tolist() == pytest.approx([1.0, 3.0], rel=0.01)


def test_gradients_flow_through_a_code_to_mu_and_sigma():
    mu = torch.zeros(1, 3, requires_grad=True)
    log_variance = torch.zeros(1, 3, requires_grad=True)
    noise = torch.tensor([[1.0, -2.0, 0.5]])
    reparameterised(mu, log_variance, noise).sum().backward()
    assert mu.grad.tolist() == [[1.0, 1.0, 1.0]]  # d z / d mu
    assert log_variance.grad.tolist() == [[0.5, -1.0, 0.25]]  # sigma * noise / 2


def test_reconstruction_is_a_likelihood():
    rng = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 1, 3, 3, generator=rng, dtype=torch.float64)
    images = torch.rand(2, 1, 3, 3, generator=rng, dtype=torch.float64).round()
    theirs = -Bernoulli(logits=logits).log_prob(images).flatten(1).sum(1)
    assert torch.allclose(bernoulli(logits, images), theirs)
    # without what does not depend on the answer
    constant = 9 * math.log(0.2 * math.sqrt(2 * math.pi))
    theirs = -Normal(logits.sigmoid(), 0.2).log_prob(images).flatten(1).sum(1) - constant
    assert torch.allclose(squared_error(logits, images, noise=0.2), theirs)


@given(numbers, numbers, st.floats(0, 0.4))
def test_adversarial_losses_are_logarithms_of_probabilities(real, fake, smoothing):
    d_real, d_fake = (1 / (1 + math.exp(-x)) for x in (real, fake))
    wanted = -(1 - smoothing) * math.log(d_real) - smoothing * math.log(1 - d_real)
    wanted -= math.log(1 - d_fake)
    both = torch.tensor([[real], [fake]], dtype=torch.float64)
    assert discriminator_loss(*both, smoothing=smoothing).item() == pytest.approx(wanted)
    assert generator_loss(both[1]).item() == pytest.approx(-math.log(d_fake))


def test_an_undecided_discriminator_loses_two_log_two():
    undecided = torch.zeros(5, dtype=torch.float64)  # D = 0.5
    assert discriminator_loss(undecided, undecided).tolist() == pytest.approx([2 * math.log(2)] * 5)


def test_the_gradient_penalty_is_half_the_squared_slope():
    weights = torch.tensor([1.0, -2.0, 0.5, 3.0])
    images = torch.rand(3, 1, 2, 2, requires_grad=True)
    logits = images.flatten(1).square() @ weights
    slope = 2 * images.detach().flatten(1) * weights
    wanted = (slope**2).sum(dim=1) / 2
    assert torch.allclose(gradient_penalty(logits, images), wanted)


def test_features_match_where_their_means_do():
    real = np.array([[1.0, 2.0], [3.0, 4.0]])
    fake = np.array([[2.0, 5.0], [2.0, 5.0]])
    wanted = ((real.mean(0) - fake.mean(0)) ** 2).mean()
    found = feature_distance(torch.from_numpy(real), torch.from_numpy(fake))
    assert found.item() == pytest.approx(wanted)
