"""What every explainer promises, and Grad-CAM against its definition."""

import pytest
import torch
from torch import nn

from medgraft.errors import ArgumentError, ShapeError, UnknownNameError
from medgraft.explain import choose_stage, grad_cam
from medgraft.explain.explainers import explainers
from medgraft.explain.stages import map_shapes
from medgraft.nets import Backbone, Network, create
from medgraft.nets.network import linear_head

ALL = [explainers.get(name) for name in explainers.names()]


def network(dims=2, classes=3, channels=1):
    """Three small stages with batch statistics that matter, and a linear head."""
    torch.manual_seed(0)
    conv, norm = ((nn.Conv2d, nn.BatchNorm2d), (nn.Conv3d, nn.BatchNorm3d))[dims - 2]
    stages = {
        name: nn.Sequential(
            conv(cin, cout, 3, stride=2, padding=1), norm(cout), nn.ReLU(inplace=True)
        )
        for name, cin, cout in (("stem", channels, 4), ("middle", 4, 6), ("last", 6, 8))
    }
    # the second stage changes what it is given
    stages["middle"].insert(0, nn.LeakyReLU(0.1, inplace=True))
    made = Network(
        Backbone("small", stages, in_channels=channels, dims=dims), linear_head(8, classes)
    )
    for module in made.modules():
        if isinstance(module, norm):
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.5, 1.5)
    return made


def images(dims=2, count=5, side=32):
    return torch.randn((count, 1, *(side,) * dims), generator=torch.Generator().manual_seed(1))


def state(net):
    """Everything that an explanation could leave behind."""
    return {
        "values": {name: tensor.clone() for name, tensor in net.state_dict().items()},
        "modes": [module.training for module in net.modules()],
        "gradients": [p.grad for p in net.parameters()],
        "learns": [p.requires_grad for p in net.parameters()],
        "hooks": [
            len(hooks)
            for m in net.modules()
            for hooks in (m._forward_hooks, m._forward_pre_hooks, m._backward_hooks)
        ],
    }


def same(before, after):
    values = zip(before.pop("values").values(), after.pop("values").values(), strict=True)
    return before == after and all(torch.equal(a, b) for a, b in values)


@pytest.mark.parametrize("one", ALL, ids=lambda one: one.name)
class TestEveryExplainer:
    @pytest.mark.parametrize(("dims", "side"), [(2, 32), (3, 16)])
    @pytest.mark.parametrize("stage", ["stem", "middle", "last"])
    def test_gives_a_finite_map_of_the_stage_per_image_never_below_zero(
        self, one, dims, side, stage
    ):
        net = network(dims)
        heat = one.explain(net, images(dims, 2, side), torch.tensor([0, 2]), stage)
        assert heat.shape == (2, *map_shapes(net, images(dims, 1, side))[stage])
        assert torch.isfinite(heat).all()
        assert (heat >= 0).all()
        assert not heat.requires_grad

    @pytest.mark.parametrize("dims", [2, 3])
    def test_a_batch_of_many_equals_batches_of_one(self, one, dims):
        net, x, classes = network(dims), images(dims, side=16), torch.tensor([0, 1, 2, 1, 0])
        alone = [
            one.explain(net, x[i : i + 1], classes[i : i + 1], "middle") for i in range(len(x))
        ]
        torch.testing.assert_close(one.explain(net, x, classes, "middle"), torch.cat(alone))

    @pytest.mark.parametrize("frozen", [None, "middle", "last"])
    @pytest.mark.parametrize("mode", [True, False])
    def test_leaves_no_trace(self, one, frozen, mode):
        net = network()
        net.freeze_through(frozen)
        net.train(mode)
        net.backbone.stages["stem"].train(not mode)  # not what train() would set
        net.head.fc.weight.grad = torch.ones_like(net.head.fc.weight)
        x = images()
        before, pixels = state(net), x.clone()
        one.explain(net, x, torch.zeros(5, dtype=torch.long), "middle")
        assert same(before, state(net))
        assert torch.equal(x, pixels)
        assert x.grad is None

    def test_leaves_no_trace_when_it_fails(self, one):
        net = network()
        before = state(net)
        with pytest.raises(UnknownNameError, match="Did you mean 'middle'"):
            one.explain(net, images(), torch.zeros(5, dtype=torch.long), "midle")
        assert same(before, state(net))

    def test_neither_freezing_nor_mode_nor_inference_changes_the_map(self, one):
        net, classes = network(), torch.tensor([0, 1, 2, 1, 0])
        wanted = one.explain(net, images(), classes, "stem")
        net.freeze_through("last")
        net.train()
        torch.testing.assert_close(one.explain(net, images(), classes, "stem"), wanted)
        with torch.inference_mode():
            torch.testing.assert_close(one.explain(net, images(), classes, "stem"), wanted)

    def test_says_where_it_comes_from(self, one):
        assert one.source
        assert "Returns:" in one.explain.__doc__


@pytest.mark.parametrize(("dims", "side"), [(2, 32), (3, 16)])
def test_after_a_global_average_and_a_linear_head_it_is_the_class_activation_map(dims, side):
    net, x = network(dims).eval(), images(dims, 4, side)
    classes = torch.tensor([2, 0, 1, 2])
    with torch.no_grad():
        maps = net.backbone(x)
        cells = maps[0, 0].numel()
        wanted = [
            sum(net.head.fc.weight[k, c] * maps[i, c] for c in range(8)).clamp(min=0) / cells
            for i, k in enumerate(classes)
        ]
    torch.testing.assert_close(grad_cam(net, x, classes, "last"), torch.stack(wanted))
    assert torch.stack(wanted).max() > 0  # or the claim would be about nothing


def test_at_an_earlier_stage_its_weights_are_the_slopes_of_the_score():
    net, x, step = network().double().eval(), images(count=1).double(), 1e-6
    with torch.no_grad():
        maps = net.backbone.through(x, "middle")
        score = lambda a: float(net.head(net.backbone.beyond(a.clone(), "middle"))[0, 1])  # noqa: E731
        wanted = torch.zeros(maps.shape[2:], dtype=torch.float64)
        for channel in range(maps.shape[1]):  # raising every cell a little sums their gradients
            up, down = maps.clone(), maps.clone()
            up[0, channel] += step
            down[0, channel] -= step
            slope = (score(up) - score(down)) / (2 * step) / maps[0, 0].numel()
            wanted += slope * maps[0, channel]
    found = grad_cam(net, x, torch.tensor([1]), "middle")[0]
    torch.testing.assert_close(found, wanted.clamp(min=0), atol=1e-6, rtol=1e-4)


def test_one_class_per_image_is_asked_for():
    with pytest.raises(ShapeError, match=r"shape \(5,\), got \(3,\)"):
        grad_cam(network(), images(), torch.tensor([0, 1, 2]), "last")


class TestTheStage:
    def test_is_the_last_with_at_least_sixteen_cells(self):
        net = network()
        assert choose_stage(net, images(side=32)) == "last"  # 4 x 4
        assert choose_stage(net, images(side=30)) == "last"
        assert choose_stage(net, images(side=24)) == "middle"  # the last has 3 x 3
        assert choose_stage(network(3), images(3, 1, 16)) == "middle"  # the last has 2 x 2 x 2

    def test_too_coarse_a_map_is_refused_with_the_stages_that_have_more(self):
        with pytest.raises(ArgumentError, match=r"that of 'last' has 3 x 3.*: stem, middle\."):
            choose_stage(network(), images(side=24), "last")
        with pytest.raises(ArgumentError, match="at 6 x 6 every stage of small has fewer"):
            choose_stage(network(), images(side=6))

    def test_an_unknown_one_is_refused_with_the_near_names(self):
        with pytest.raises(UnknownNameError, match="Did you mean 'middle'"):
            choose_stage(network(), images(), "midlde")

    def test_is_found_for_a_real_network_without_a_trace(self):
        net = create("resnet18", in_channels=1, classes=2).network
        before = state(net)
        assert choose_stage(net, images(side=64)) == "layer3"
        assert same(before, state(net))
