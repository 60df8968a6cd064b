"""What every backbone promises. A new one is tested here without being named."""

import pytest
import torch

from medgraft.errors import ArgumentError, MissingExtraError, ShapeError, UnknownNameError
from medgraft.nets import create, create_dense, outline
from medgraft.nets.backbones import backbones

NAMES = [*backbones.names(), "timm:regnety_002", "timm:tinynet_e"]


# What trains is slow: one network of each source, that of the shortest name, will do.
LONGEST_FIRST = sorted(backbones.names(), key=lambda name: (len(name), name), reverse=True)
BY_SOURCE = {backbones.get(name).source: name for name in LONGEST_FIRST}
SMALL = sorted(BY_SOURCE.values())


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def images(name, count, channels):
    """Of the least size that the backbone takes."""
    part = backbones.get(name)
    return torch.rand(count, channels, *(part.smallest_side,) * part.dims)


def build(name, how=create, **given):
    """A network; the test is skipped where the extra that brings it is not installed."""
    try:
        return how(name, **given).network
    except MissingExtraError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module", params=NAMES)
def network(request):
    """Each backbone in turn; nothing below changes it."""
    return build(request.param, in_channels=3, classes=2).eval()


class TestEveryBackbone:
    def test_stages_partition_the_parameters(self, network):
        groups = dict(network.parameter_groups())
        listed = [id(p) for parameters in groups.values() for p in parameters]
        assert len(listed) == len(set(listed))
        assert set(listed) == {id(p) for p in network.parameters()}
        assert list(groups) == [*network.backbone.names, "head"]

    def test_declared_channels_and_strides_are_those_of_real_maps(self, network):
        backbone = network.backbone
        quick = {2: 128, 3: 32}[backbone.dims]
        pixels = 299 if "inception" in backbone.name else quick  # 299 as published
        x = torch.rand(1, 3, *(pixels,) * backbone.dims)
        with torch.inference_mode():
            for stage in backbone.names:
                x = backbone.stages[stage](x)
                assert x.shape[1] == backbone.channels[stage]
                stride = backbone.strides[stage]
                if stride is not None:
                    # valid padding loses a border, so the side may fall short of pixels / stride
                    assert pixels / stride / 1.25 <= x.shape[2] <= pixels / stride + 1

    def test_every_tensor_has_a_name_at_its_source(self, network):
        backbone = network.backbone
        assert set(backbone.source_names) == set(backbone.stages.state_dict())


@pytest.mark.parametrize("name", [*SMALL, "timm:tinynet_e", "timm:mobilenetv4_conv_small"])
def test_composed_stages_equal_the_network_they_were_taken_from(name):
    timm = pytest.importorskip("timm")
    if not timm.is_model(name.removeprefix("timm:")):
        pytest.skip("timm has no such network; tests of its own compare it")
    backbone = create(name, in_channels=3, classes=2).network.eval().backbone
    full = timm.create_model(name.removeprefix("timm:"), num_classes=0).eval()
    ours = backbone.stages.state_dict()
    full.load_state_dict({backbone.source_names[k]: v for k, v in ours.items()})
    x = torch.rand(2, 3, 75, 75)
    with torch.inference_mode():
        maps = backbone(x)
        torch.testing.assert_close(maps.flatten(2).mean(2), full(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", SMALL)
class TestOneOfEachFamily:
    def test_freezing_leaves_earlier_tensors_as_they_were_bit_for_bit(self, name):
        network = build(name, in_channels=1, classes=2)
        cut = network.backbone.names[len(network.backbone.names) // 2]
        network.freeze_through(cut)
        frozen = network.backbone.names[: network.backbone.position(cut) + 1]
        before = {k: v.clone() for k, v in network.backbone.stages.state_dict().items()}
        learning = [p for p in network.parameters() if p.requires_grad]
        optimiser = torch.optim.AdamW(learning, lr=0.1, weight_decay=0.1)
        for _ in range(2):
            network.train()
            network(images(name, 2, 1)).square().sum().backward()
            optimiser.step()
            optimiser.zero_grad()
        after = network.backbone.stages.state_dict()
        changed = {k.partition(".")[0] for k in before if not torch.equal(before[k], after[k])}
        assert not changed & set(frozen)
        assert changed  # the others did learn

    def test_a_truncated_network_gives_the_hidden_maps_of_the_full_one(self, name):
        network = build(name, in_channels=1, classes=2).eval()
        stage = network.backbone.names[-2]
        smaller = network.truncate_after(stage, classes=3).eval()
        x = images(name, 2, 1)
        with torch.inference_mode():
            hidden = network.backbone.through(x, stage)
            assert torch.equal(smaller.backbone(x), hidden)
            assert torch.equal(network.features(x, stage), hidden.flatten(2).mean(2))
            assert torch.equal(network.backbone.beyond(hidden, stage), network.backbone(x))
            assert smaller(x).shape == (2, 3)
        assert smaller.backbone.out_channels == hidden.shape[1]

    def test_a_decoder_on_it_answers_for_every_pixel_and_all_of_it_learns(self, name):
        network = build(name, create_dense, in_channels=1, out_channels=3).eval()
        x = images(name, 1, 1)
        odd = torch.cat([x, x[:, :, :5]], dim=2)
        if backbones.get(name).pads:
            x = odd
        else:
            with pytest.raises(ShapeError, match=r"divisible by 8, got 21 x 16.*to 24 x 16"):
                network(odd)
        answer = network(x)
        assert answer.shape == (1, 3, *x.shape[2:])
        answer.square().sum().backward()
        assert not [n for n, p in network.named_parameters() if p.grad is None]

    def test_what_skips_to_the_decoder_is_not_written_over(self, name):
        """A stage that works in place on what it is given would spoil the skip."""
        network = build(name, create_dense, in_channels=1, out_channels=1).eval()
        whole = network.divisor * -(-backbones.get(name).smallest_side // network.divisor)
        x = torch.rand(1, 1, *(whole,) * network.backbone.dims)
        with torch.inference_mode():
            maps = network.encode(x)
            assert set(maps) == {*network.skips.values(), network.backbone.names[-1]}
            for stage, kept in maps.items():
                assert torch.equal(kept, network.backbone.through(x, stage))


# with a head of 14 outputs: Ke et al. 2021 (CheXtransfer) and our own count where it agrees
COUNTS_14 = {
    "densenet121": 6_968_206,
    "densenet169": 12_507_790,
    "densenet201": 18_119_822,
    "resnet18": 11_183_694,
    "resnet34": 21_291_854,
    "resnet50": 23_536_718,
    "resnet101": 42_528_846,
    "efficientnet_b0": 4_025_482,
    "efficientnet_b1": 6_531_118,
    "efficientnet_b2": 7_720_720,
    "efficientnet_b3": 10_717_750,
    "mnasnet_100": 3_120_246,
    "mobilenetv2_100": 2_241_806,
}


def shapes_of(name, **given):
    with torch.device("meta"):  # counting needs no memory
        return create(name, in_channels=3, **given).network


def count(network, *, learning=False):
    return sum(p.numel() for p in network.parameters() if p.requires_grad or not learning)


@pytest.mark.parametrize(("name", "expected"), COUNTS_14.items())
def test_parameters_agree_with_published_counts(name, expected):
    assert count(shapes_of(name, classes=14)) == expected


def test_inception_v4_has_the_published_cuts():
    network = shapes_of("inception_v4", classes=2)
    assert count(network) == 41_145_890
    network.freeze_through("inception_c2")
    assert count(network, learning=True) == 4_556_162
    network.freeze_through("inception_c3")
    assert count(network, learning=True) == 3_074
    assert count(shapes_of("inception_v4", classes=1000)) == 42_679_816


def test_truncated_networks_have_the_published_counts():
    assert count(shapes_of("resnet18", classes=14, after="layer3")) == 2_786_382
    cut = shapes_of("densenet121", classes=14, after="denseblock3")
    assert count(cut) == 4_281_742


def test_unknown_names_offer_the_near_ones():
    with pytest.raises(UnknownNameError, match="Did you mean 'resnet50'"):
        create("resnet5o", in_channels=1, classes=2)
    with pytest.raises(UnknownNameError, match=r"stage of resnet18 is called 'layer5'.*'layer"):
        create("resnet18", in_channels=1, classes=2, after="layer5")
    with pytest.raises(UnknownNameError, match="timm has no network called 'nosuch'"):
        create("timm:nosuch", in_channels=1, classes=2)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("vit_tiny_patch16_224", "one stage after another"),
        ("swin_tiny_patch4_window7_224", "images of any size.*doesn't match model"),
    ],
)
def test_networks_without_a_chain_of_features_are_refused(name, says):
    with pytest.raises(ArgumentError, match=says):
        create(f"timm:{name}", in_channels=1, classes=2)


def test_what_is_frozen_stays_frozen_when_a_network_is_cut_short():
    network = create("resnet18", in_channels=1, classes=2).network
    network.freeze_through("layer1")
    smaller = network.truncate_after("layer2", classes=3)
    assert (smaller.frozen_through, smaller.classes) == ("layer1", 3)
    before = {k: v.clone() for k, v in smaller.state_dict().items()}
    smaller.train()(torch.rand(2, 1, 32, 32))  # moves running statistics, where it may
    changed = {k for k, v in smaller.state_dict().items() if not torch.equal(before[k], v)}
    assert changed
    assert all(k.startswith("backbone.stages.layer2.") for k in changed)


def test_an_outline_knows_its_stages_and_has_no_memory():
    backbone = outline("resnet18", after="layer3")
    assert backbone.names == ["stem", "layer1", "layer2", "layer3"]
    assert all(p.is_meta for p in backbone.parameters())
    with pytest.raises(UnknownNameError, match="Did you mean 'layer4'"):
        outline("resnet18", after="layer44")


def test_unfreezing_gives_back_what_freezing_took():
    network = create("resnet18", in_channels=1, classes=2).network
    network.freeze_through("layer2")
    network.freeze_through(None)
    assert all(p.requires_grad for p in network.parameters())
    assert all(m.training for m in network.modules())
    assert network.frozen_through is None
