"""MONAI's residual networks of volumes."""

import ast
import sys
from pathlib import Path

import pytest
import torch

import medgraft.nets
from medgraft.errors import MissingExtraError
from medgraft.nets import create
from medgraft.nets.backbones.resnet_3d import LAYERS, WITHOUT_PARAMETERS, Shortcut


def count_by_hand(name):
    """From the definition: kernels, and two numbers per channel of each norm; no biases."""
    block, layers = LAYERS[name]
    total, before = 343 * 64 + 2 * 64, 64
    for level, (blocks, planes) in enumerate(zip(layers, (64, 128, 256, 512), strict=True)):
        out = planes if block == "basic" else 4 * planes
        for number in range(blocks):
            into = before if number == 0 else out
            if block == "basic":
                total += 27 * planes * (into + planes) + 4 * planes
            else:
                total += into * planes + 27 * planes**2 + planes * out + 4 * planes + 2 * out
            shortcut = number == 0 and (level > 0 or into != out)
            if shortcut and name not in WITHOUT_PARAMETERS:
                total += into * out + 2 * out
        before = out
    return total


@pytest.mark.parametrize("name", LAYERS)
def test_parameters_are_those_of_the_definition(name):
    pytest.importorskip("monai")
    with torch.device("meta"):
        backbone = create(name, in_channels=1, classes=2).network.backbone
    assert sum(p.numel() for p in backbone.parameters()) == count_by_hand(name)


@pytest.mark.parametrize(("name", "stem_stride"), [("resnet10_3d", 2), ("resnet18_3d", 1)])
def test_composed_stages_equal_the_network_of_monai(name, stem_stride):
    monai = pytest.importorskip("monai.networks.nets.resnet")
    torch.manual_seed(0)
    made = create(name, in_channels=1, classes=2, options={"stem_stride": stem_stride})
    backbone = made.network.eval().backbone
    full = getattr(monai, name.removesuffix("_3d"))(
        n_input_channels=1,
        conv1_t_stride=stem_stride,
        shortcut_type="A" if name in WITHOUT_PARAMETERS else "B",
        bias_downsample=False,
        feed_forward=False,
    ).eval()
    ours = backbone.stages.state_dict()
    full.load_state_dict({backbone.source_names[k]: v for k, v in ours.items()})
    x = torch.rand(2, 1, 17, 24, 16)
    with torch.inference_mode():
        torch.testing.assert_close(backbone(x).mean((2, 3, 4)), full(x), rtol=1e-4, atol=1e-5)
    assert backbone.strides["layer4"] == 16 * stem_stride


def test_a_shortcut_without_parameters_lets_the_gradient_through():
    x = torch.rand(1, 2, 3, 4, 5, requires_grad=True)
    out = Shortcut(5, 2)(x)
    assert out.shape == (1, 5, 2, 2, 3)
    assert torch.equal(out[:, :2], x[:, :, ::2, ::2, ::2])
    assert not out[:, 2:].any()
    out.sum().backward()
    assert x.grad.sum() == 2 * 2 * 2 * 3


def test_without_monai_the_extra_is_named(monkeypatch):
    for module in [m for m in sys.modules if m.partition(".")[0] == "monai"]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "monai", None)
    says = r'backbone resnet18_3d needs .*pip install "medgraft\[volumes\]"'
    with pytest.raises(MissingExtraError, match=says):
        create("resnet18_3d", in_channels=1, classes=2)


def test_networks_import_monai_only_where_they_need_it():
    for path in Path(medgraft.nets.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in getattr(node, "names", [])]
            assert "monai" not in f"{getattr(node, 'module', '')} {names}", path
