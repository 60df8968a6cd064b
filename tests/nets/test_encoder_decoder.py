"""U-Nets, auto-encoders and Y-networks."""

import pytest
import torch
from torch.nn import functional as F

from medgraft.errors import ArgumentError, ShapeError, UnknownNameError
from medgraft.nets import create, create_dense, create_y


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def moved(network):
    """The network in evaluation mode, its batch norms away from where they start."""
    for module in network.modules():
        if hasattr(module, "running_mean"):
            torch.nn.init.normal_(module.running_mean, std=0.2)
            torch.nn.init.uniform_(module.running_var, 0.5, 2)
            torch.nn.init.uniform_(module.weight, 0.5, 2)
            torch.nn.init.normal_(module.bias, std=0.2)
    return network.eval()


def count(name, **given):
    with torch.device("meta"):
        network = create_dense(name, in_channels=1, out_channels=1, **given).network
    groups = {g: sum(p.numel() for p in ps) for g, ps in network.parameter_groups()}
    encoder = sum(groups[stage] for stage in network.backbone.names)
    return encoder, sum(groups.values())


@pytest.mark.parametrize(
    ("upsampling", "total"), [("nearest", 16_320_257), ("transposed", 19_073_665)]
)
def test_the_u_net_of_volumes_has_the_published_counts(upsampling, total):
    assert count("unet3d", upsampling=upsampling) == (7_027_776, total)


def by_hand(network, x, *, upsampling):
    """The equations of the U-Net, from its tensors alone."""
    dims = x.ndim - 2
    conv = {2: F.conv2d, 3: F.conv3d}[dims]
    up = {2: F.conv_transpose2d, 3: F.conv_transpose3d}[dims]
    pool = {2: F.max_pool2d, 3: F.max_pool3d}[dims]
    t = network.state_dict()

    def pair(x, key):
        for part in ("first", "second"):
            c, n = f"{key}.{part}.conv", f"{key}.{part}.norm"
            x = conv(x, t[f"{c}.weight"], t[f"{c}.bias"], padding=1)
            norm = (t[f"{n}.running_mean"], t[f"{n}.running_var"])
            x = F.relu(F.batch_norm(x, *norm, t[f"{n}.weight"], t[f"{n}.bias"]))
        return x

    down = [pair(x, "backbone.stages.level1")]
    for level in (2, 3, 4):
        down.append(pair(pool(down[-1], 2), f"backbone.stages.level{level}"))
    y = down.pop()
    for stride in (4, 2, 1):
        key = f"decoder.levels.stride{stride}"
        if upsampling == "nearest":
            for axis in range(2, x.ndim):
                y = y.repeat_interleave(2, dim=axis)
        else:
            y = up(y, t[f"{key}.upsample.weight"], t[f"{key}.upsample.bias"], stride=2)
        y = pair(torch.cat([y, down.pop()], dim=1), key)
    return conv(y, t["output.weight"], t["output.bias"])


@pytest.mark.parametrize("upsampling", ["nearest", "transposed"])
@pytest.mark.parametrize(("name", "size"), [("unet2d", (24, 16)), ("unet3d", (8, 16, 8))])
def test_a_u_net_computes_its_equations(name, size, upsampling):
    made = create_dense(name, in_channels=2, out_channels=3, upsampling=upsampling)
    network = moved(made.network)
    x = torch.rand(2, 2, *size)
    with torch.inference_mode():
        wanted = by_hand(network, x, upsampling=upsampling)
        torch.testing.assert_close(network(x), wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["unet2d", "unet3d", "resnet18"])
def test_a_prediction_does_not_depend_on_its_batch_mates(name):
    dims = 3 if name == "unet3d" else 2
    network = moved(create_y(name, in_channels=1, out_channels=1, classes=3).network)
    x, others = torch.rand(3, 1, *(16,) * dims), 100 * torch.rand(2, 1, *(16,) * dims)
    before = {k: v.clone() for k, v in network.state_dict().items()}
    with torch.inference_mode():
        answer, logits = network(x)
        alone, logits_alone = network(torch.cat([x[:1], others]))
    assert torch.equal(answer[0], alone[0])
    assert torch.equal(logits[0], logits_alone[0])
    assert all(torch.equal(v, before[k]) for k, v in network.state_dict().items())


@pytest.mark.parametrize("size", [(16, 16, 12), (20, 16, 16)])
def test_sides_that_eight_does_not_divide_are_refused(size):
    network = create_dense("unet3d", in_channels=1, out_channels=1).network
    with pytest.raises(ShapeError, match=r"unet3d must be divisible by 8, got .* for example"):
        network(torch.rand(1, 1, *size))


def test_a_shorter_u_net_asks_for_less():
    network = create_dense("unet2d", in_channels=1, out_channels=1, after="level3").network.eval()
    assert network.divisor == 4
    assert network(torch.rand(1, 1, 12, 20)).shape == (1, 1, 12, 20)


def test_padding_continues_the_last_pixels_and_leaves_no_trace():
    network = moved(create_dense("resnet18", in_channels=1, out_channels=2).network)
    x = torch.rand(1, 1, 40, 64)
    rows = [min(row, 39) for row in range(64)]
    with torch.inference_mode():
        assert torch.equal(network(x), network(x[:, :, rows])[:, :, :40])


def test_an_image_smaller_than_the_deepest_stride_is_answered():
    network = moved(create_dense("mobilenetv2_100", in_channels=3, out_channels=1).network)
    with torch.inference_mode():
        assert network(torch.rand(1, 3, 7, 3)).shape == (1, 1, 7, 3)


@pytest.mark.parametrize(
    ("name", "skips"),
    [
        ("resnet18", {4: "layer1", 8: "layer2", 16: "layer3"}),
        ("densenet121", {4: "denseblock1", 8: "denseblock2", 16: "denseblock3"}),
        ("mobilenetv2_100", {2: "block1", 4: "block2", 8: "block3", 16: "block5"}),
        ("unet3d", {1: "level1", 2: "level2", 4: "level3"}),
    ],
)
def test_skips_are_taken_at_the_last_stage_of_each_stride(name, skips):
    with torch.device("meta"):
        assert create_dense(name, in_channels=3, out_channels=1).network.skips == skips


def test_what_follows_a_global_pool_is_left_out():
    with torch.device("meta"):
        made = create_dense("mobilenetv3_large_100", in_channels=3, out_channels=1)
    assert made.network.backbone.names[-1] == "block7"


def zero_bottleneck(network):
    last = network.backbone.stages[network.backbone.names[-1]]
    last.register_forward_hook(lambda _, __, out: torch.zeros_like(out))
    return network


@pytest.mark.parametrize("name", ["unet2d", "unet3d", "resnet18"])
def test_without_skips_the_bottleneck_is_the_only_path(name):
    x = torch.rand(2, 1, *(32,) * 2) if name != "unet3d" else torch.rand(2, 1, 16, 16, 16)
    given = {"in_channels": 1, "out_channels": 1}
    lone = create_dense(name, skips=False, **given).network
    with torch.inference_mode():
        a, b = moved(lone)(x)
        assert not torch.equal(a, b)
        a, b = zero_bottleneck(lone)(x)
        assert torch.equal(a, b)
        a, b = zero_bottleneck(moved(create_dense(name, **given).network))(x)
        assert not torch.equal(a, b)  # else the lines above prove nothing


def gradients(network, loss):
    network.zero_grad()
    loss(*network(torch.rand(2, 1, 16, 16))).backward()
    return {
        group: any(p.grad is not None and bool(p.grad.any()) for p in parameters)
        for group, parameters in network.parameter_groups()
    }


def test_each_loss_of_a_y_network_moves_its_branch_and_the_encoder_alone():
    network = create_y("unet2d", in_channels=1, out_channels=1, classes=5).network
    encoder = dict.fromkeys(network.backbone.names, True)
    target = torch.tensor([0, 1])
    moves = gradients(network, lambda _, logits: F.cross_entropy(logits, target))
    assert moves == {**encoder, "decoder": False, "output": False, "head": True}
    moves = gradients(network, lambda answer, _: answer.square().mean())
    assert moves == {**encoder, "decoder": True, "output": True, "head": False}


def test_the_head_of_a_y_network_has_the_published_count():
    with torch.device("meta"):
        network = create_y("unet3d", in_channels=1, out_channels=1, classes=44).network
    groups = {name: sum(p.numel() for p in ps) for name, ps in network.parameter_groups()}
    assert groups["head"] == 14_203_948
    assert sum(groups.values()) == 16_320_257 + 14_203_948
    assert network.classes == 44


def test_frozen_stages_of_a_dense_network_neither_learn_nor_move():
    network = create_dense("unet2d", in_channels=1, out_channels=1).network
    network.freeze_through("level2")
    before = {k: v.clone() for k, v in network.state_dict().items()}
    learning = [p for p in network.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(learning, lr=0.1, weight_decay=0.1)
    network.train()(torch.rand(2, 1, 16, 16)).square().sum().backward()
    optimiser.step()
    after = network.state_dict()
    changed = {".".join(k.split(".")[:3]) for k in before if not torch.equal(before[k], after[k])}
    stages = {"backbone.stages.level3", "backbone.stages.level4"}
    assert {k for k in changed if k.startswith("backbone")} == stages
    assert any(k.startswith("decoder") for k in changed)
    assert network.frozen_through == "level2"


def test_groups_name_stages_then_parts_and_hold_each_parameter_once():
    network = create_y("unet2d", in_channels=1, out_channels=1, classes=2).network
    groups = dict(network.parameter_groups())
    assert list(groups) == ["level1", "level2", "level3", "level4", "decoder", "output", "head"]
    listed = [id(p) for parameters in groups.values() for p in parameters]
    assert sorted(listed) == sorted(id(p) for p in network.parameters())


def test_features_of_a_dense_network_are_those_of_its_encoder():
    network = moved(create_dense("unet2d", in_channels=1, out_channels=1).network)
    x = torch.rand(2, 1, 16, 16)
    with torch.inference_mode():
        assert torch.equal(network.features(x), network.encode(x)["level4"].mean((2, 3)))


@pytest.mark.parametrize("name", ["unet2d", "unet3d"])
def test_classification_on_the_encoder_takes_any_size(name):
    network = create(name, in_channels=1, classes=4).network.eval()
    size = (19, 22, 17)[: network.backbone.dims]
    assert network(torch.rand(2, 1, *size)).shape == (2, 4)


@pytest.mark.parametrize(
    ("given", "error", "says"),
    [
        ({"upsampling": "bilinear"}, UnknownNameError, "no upsampling is called 'bilinear'"),
        ({"out_channels": 0}, ArgumentError, "out_channels must be at least 1, got 0"),
        ({"in_channels": 0}, ArgumentError, "in_channels must be at least 1, got 0"),
        ({"after": "level5"}, UnknownNameError, "Did you mean 'level4'"),
        ({"options": {"width": 3}}, ArgumentError, "unet2d must accept the options .*'width'"),
    ],
)
def test_wrong_calls_are_told(given, error, says):
    with pytest.raises(error, match=says):
        create_dense("unet2d", **{"in_channels": 1, "out_channels": 1, **given})
