"""The contract of every generative model, and of each."""

import pytest
import torch
from torch import nn

from medgraft.errors import ArgumentError, UnknownNameError
from medgraft.generate.adversarial import Adversarial
from medgraft.generate.averaging import learning
from medgraft.generate.generators import find_model, generators
from medgraft.generate.networks import Judge, Shape, Up
from medgraft.spec import write
from medgraft.train.loop import Loop
from medgraft.train.objective import Objective

NAMES = generators.names()
OPTIONS = "width=4,latent=6"


def made(name, shape, options=""):
    torch.manual_seed(0)
    model = find_model(f"{name}:{OPTIONS}{options}")
    return model, model.networks(shape)


def images_of(shape, count=4):
    generator = torch.Generator().manual_seed(1)
    side = (count, shape.channels, shape.size, shape.size)
    return torch.rand(side, generator=generator)


def labels_for(shape, count=4):
    """One image without a label among them."""
    return torch.arange(count) % (shape.classes + 1) if shape.classes else None


@pytest.mark.parametrize("name", NAMES)
class TestEveryModel:
    @pytest.mark.parametrize("size", [32, 64, 128])
    @pytest.mark.parametrize(("channels", "classes"), [(1, 0), (3, 2)])
    def test_decodes_images_of_every_size_and_colour(self, name, size, channels, classes):
        shape = Shape(channels, size, classes)
        model, networks = made(name, shape)
        for part in networks.values():
            part.eval()
        codes = torch.randn(2, model.latent, generator=torch.Generator().manual_seed(0))
        images = model.decode(networks, codes, torch.tensor([0, classes]) if classes else None)
        assert images.shape == (2, channels, size, size)
        assert images.dtype == torch.float32
        assert 0 <= images.min() <= images.max() <= 1
        assert not torch.equal(images[0], images[1])

    def test_every_part_has_a_finite_loss_that_reaches_all_of_its_weights(self, name):
        shape = Shape(1, 32, 2)
        model, networks = made(name, shape)
        for part, module in networks.items():
            found = model.losses(part, networks, images_of(shape), labels_for(shape), step=0)
            assert found.each.shape == (4,)
            assert found.each.dtype == torch.float32
            moved = learning(module)
            gradients = torch.autograd.grad(
                found.each.sum(), list(moved.values()), allow_unused=True
            )
            lost = [
                key
                for key, gradient in zip(moved, gradients, strict=True)
                if gradient is None or not torch.isfinite(gradient).all() or not gradient.any()
            ]
            assert not lost, (part, lost)

    def test_a_class_changes_the_image_of_a_code(self, name):
        shape = Shape(1, 32, 2)
        model, networks = made(name, shape)
        codes = torch.zeros(2, model.latent)
        for part in networks.values():
            part.eval()
        one, two = model.decode(networks, codes, torch.tensor([0, 1]))
        assert not torch.equal(one, two)

    def test_what_is_encoded_has_as_many_numbers_as_a_code(self, name):
        shape = Shape(3, 32)
        model, networks = made(name, shape)
        for part in networks.values():
            part.eval()
        codes = model.encode(networks, images_of(shape), None)
        assert codes is None or codes.shape == (4, model.latent)
        noise = torch.zeros(4, model.latent)
        for each in model.judged(networks, images_of(shape), None, noise).values():
            assert each.shape == (4,)
        assert model.chosen_by_loss == (
            "loss" in model.judged(networks, images_of(shape), None, noise)
        )

    def test_its_options_are_written_and_read_again(self, name):
        model = find_model(f"{name}:{OPTIONS}")
        assert find_model(write(name, model)) == model
        assert model.source
        with pytest.raises(ArgumentError, match="no option is called 'lantent'"):
            find_model(f"{name}:lantent=3")

    def test_the_optimiser_of_a_part_touches_that_part_alone(self, name, objective_of):
        objective, batches, recipe = objective_of(name)
        seen: list[str] = []

        class OneAtATime(Objective):
            """Looks, before each part is moved, at what the part before it moved."""

            parts = objective.parts
            validate = objective.validate
            before = None

            def loss(self, part, batch):
                self.look()
                self.before = part, _weights(objective)
                return objective.loss(part, batch)

            def look(self):
                if self.before is None:
                    return
                part, then = self.before
                now = _weights(objective)
                moved = {key for key in now if not torch.equal(now[key], then[key])}
                assert {key.partition("/")[0] for key in moved} == {part}
                seen.append(part)

        watching = OneAtATime()
        Loop(watching, batches, recipe).run()
        assert set(seen) == set(objective.parts)


def _weights(objective):
    return {
        f"{name}/{key}": parameter.detach().clone()
        for name, part in objective.parts.items()
        for key, parameter in learning(part.module).items()
    }


def test_discriminators_stride_and_generators_upsample():
    shape = Shape(1, 64)
    judge = Judge(shape, 4, norm="spectral")
    convolutions = [m for m in judge.modules() if isinstance(m, nn.Conv2d)]
    assert [m.stride for m in convolutions] == [(2, 2)] * 4
    assert not any(isinstance(m, nn.MaxPool2d | nn.AvgPool2d) for m in judge.modules())
    slopes = {m.negative_slope for m in judge.modules() if isinstance(m, nn.LeakyReLU)}
    assert slopes == {0.2}
    up = Up(6, shape, 4, upsampling="transposed")
    assert [m.stride for m in up.modules() if isinstance(m, nn.ConvTranspose2d)] == [(2, 2)] * 4
    assert not any(isinstance(m, nn.Conv2d) for m in up.modules())
    resize = Up(6, shape, 4, upsampling="resize")
    assert [m.scale_factor for m in resize.modules() if isinstance(m, nn.Upsample)] == [2.0] * 4
    assert not any(isinstance(m, nn.ConvTranspose2d) for m in resize.modules())


def test_weights_begin_as_published():
    torch.manual_seed(0)
    up = Up(100, Shape(1, 64), 16, upsampling="transposed")
    for module in up.modules():
        if isinstance(module, nn.ConvTranspose2d | nn.Linear):
            assert module.weight.mean().item() == pytest.approx(0, abs=0.002)
            assert module.weight.std().item() == pytest.approx(0.02, rel=0.1)
        if isinstance(module, nn.BatchNorm2d):
            assert module.weight.mean().item() == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("name", [n for n in NAMES if issubclass(generators.get(n), Adversarial)])
class TestStabilisers:
    shape = Shape(1, 32)

    def test_spectral_norm_holds_every_matrix_of_the_discriminator_at_one(self, name):
        _, networks = made(name, self.shape, ",spectral_norm=true")
        judge = networks["discriminator"].train()
        for _ in range(60):
            judge(images_of(self.shape))
        judge.eval()
        for module in judge.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                largest = torch.linalg.matrix_norm(module.weight.flatten(1), ord=2)
                assert largest.item() == pytest.approx(1, abs=0.05)
        assert not any(isinstance(m, nn.BatchNorm2d) for m in judge.modules())

    def test_without_it_there_is_batch_norm(self, name):
        _, networks = made(name, self.shape, ",spectral_norm=false")
        judge = networks["discriminator"]
        assert any(isinstance(m, nn.BatchNorm2d) for m in judge.modules())

    def test_the_gradient_penalty_comes_at_its_steps_and_as_much_heavier(self, name):
        def loss(options, step):
            model, networks = made(name, self.shape, f",spectral_norm=true{options}")
            for part in networks.values():
                part.eval()  # nothing but the penalty may change
            torch.manual_seed(3)
            found = model.losses("discriminator", networks, images_of(self.shape), None, step=step)
            return found.each.detach()

        plain = loss("", 0)
        assert torch.equal(loss(",r1=2,r1_every=3", 1), plain)
        once, heavier = (loss(f",r1=2,r1_every={every}", 0) - plain for every in (1, 3))
        assert (once > 0).all()
        assert torch.allclose(heavier, 3 * once, rtol=1e-3)

    def test_smoothing_is_of_real_images_alone(self, name):
        def loss(smoothing):
            model, networks = made(name, self.shape, f",smoothing={smoothing}")
            for part in networks.values():
                part.eval()
            torch.manual_seed(3)
            judge = networks["discriminator"]
            real = judge(images_of(self.shape) * 2 - 1).detach()
            found = model.losses("discriminator", networks, images_of(self.shape), None, step=1)
            return found.each.detach(), real

        (none, real), (some, _) = loss(0), loss(0.25)
        # -(1 - s) log D - s log(1 - D) differs from -log D by s times the logit
        assert torch.allclose(some - none, 0.25 * real, atol=1e-6)


def test_feature_matching_joins_the_loss_of_the_generator():
    shape = Shape(1, 32)
    found = []
    for options in ("", ",feature_matching=10"):
        model, networks = made("dcgan", shape, options)
        torch.manual_seed(3)
        found.append(model.losses("generator", networks, images_of(shape), None, step=0))
    assert "features" not in found[0].terms
    apart = (found[1].each - found[0].each).detach()
    assert apart.tolist() == pytest.approx([10 * found[1].terms["features"]] * 4, rel=1e-3)


def test_gamma_weighs_features_for_the_decoder_and_not_for_the_encoder():
    shape = Shape(1, 32)
    losses = {}
    for gamma in (0, 8):
        for part in ("encoder", "decoder"):
            model, networks = made("vae_gan", shape, f",gamma={gamma}")
            torch.manual_seed(3)
            losses[gamma, part] = model.losses(part, networks, images_of(shape), None, step=0)
    assert torch.equal(losses[0, "encoder"].each, losses[8, "encoder"].each)
    apart = (losses[8, "decoder"].each - losses[0, "decoder"].each).mean().item()
    assert apart == pytest.approx(8 * losses[0, "decoder"].terms["features"], rel=1e-3)


def test_wrong_choices_are_refused_with_what_there_is():
    with pytest.raises(UnknownNameError, match="Did you mean 'dcgan'"):
        find_model("dcgam")
    with pytest.raises(ArgumentError, match="block9"):
        find_model("vae_gan:stage=block9").check(Shape(1, 64))
    with pytest.raises(ArgumentError, match="block1, block2, block3"):
        find_model("vae_gan:stage=block4").check(Shape(1, 32))
    find_model("vae_gan:stage=block4").check(Shape(1, 64))


@pytest.mark.parametrize(("name", "factor"), [("dcgan", 4), ("vae_gan", 1)])
def test_the_discriminator_learns_at_its_own_rate(name, factor, objective_of):
    objective, batches, recipe = objective_of(name)
    loop = Loop(objective, batches, recipe)
    loop.run()
    rates = {part: optimiser.param_groups[0]["lr"] for part, optimiser in loop.optimisers.items()}
    assert rates.pop("discriminator") == pytest.approx(factor * recipe.rate)
    assert set(rates.values()) == {recipe.rate}
