"""The contract of every export format, and that every backbone can be written."""

import numpy as np
import pytest
import torch
from torch import nn

from medgraft.errors import ArgumentError
from medgraft.export import Answers
from medgraft.export.formats import formats
from medgraft.nets import create
from medgraft.nets.backbones import backbones, find
from medgraft.train.batches import Placement
from medgraft.train.supervised import Normalisation, Predictor


class Small(nn.Module):
    """Two convolutions and a mean, in 2-D or 3-D."""

    def __init__(self, dims):
        super().__init__()
        conv = {2: nn.Conv2d, 3: nn.Conv3d}[dims]
        self.first, self.last = conv(1, 4, 3, padding=1), conv(4, 3, 3)

    def forward(self, x):
        return self.last(self.first(x).relu()).flatten(2).mean(dim=2).softmax(dim=1)


@pytest.fixture
def module():
    torch.manual_seed(0)
    return Small(2).eval()


@pytest.mark.parametrize("name", formats.names())
class TestEveryFormat:
    @pytest.mark.parametrize("dims", [2, 3])
    def test_answers_batches_of_any_size_as_torch_does(self, name, dims, tmp_path):
        torch.manual_seed(0)
        module, path = Small(dims).eval(), tmp_path / "a.part"
        shape = (1, 8, 9, 10)[: 1 + dims]
        formats.get(name).write(module, torch.zeros(2, *shape), path)
        opened = formats.get(name).open(path)
        for count in (1, 2, 7):
            images = torch.rand(count, *shape)
            with torch.no_grad():
                wanted = module(images).numpy()
            np.testing.assert_allclose(opened.ask(images.numpy()), wanted, atol=1e-6)

    def test_notes_come_back_and_change_no_answer(self, name, module, tmp_path):
        format_, path = formats.get(name), tmp_path / "a"
        images = np.random.default_rng(0).random((3, 1, 8, 8), np.float32)
        format_.write(module, torch.zeros(2, 1, 8, 8), path)
        before = format_.open(path).ask(images)
        format_.annotate(path, {"labels": '["é", "\\n"]', "old": "1"})
        format_.annotate(path, {"labels": '["é", "\\n"]'})
        opened = format_.open(path)
        assert opened.notes == {"labels": '["é", "\\n"]'}
        np.testing.assert_array_equal(opened.ask(images), before)

    def test_one_file_without_paths_of_this_machine_and_the_same_each_time(
        self, name, module, tmp_path, monkeypatch
    ):
        monkeypatch.chdir(tmp_path)
        for path in (tmp_path / "a", tmp_path / "b"):
            formats.get(name).write(module, torch.zeros(2, 1, 8, 8), path)
        content = (tmp_path / "a").read_bytes()
        assert content == (tmp_path / "b").read_bytes()
        assert b".py" not in content
        assert b"/" not in content
        assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "b"]

    def test_what_is_missing_is_named_with_its_extra(self, name, monkeypatch):
        import sys

        from medgraft.errors import MissingExtraError

        format_ = formats.get(name)
        monkeypatch.setitem(sys.modules, format_.modules[-1], None)
        with pytest.raises(MissingExtraError, match=rf"medgraft\[{format_.extra}\]"):
            format_.check_installed()


def test_a_network_too_large_for_one_file_is_refused(tmp_path):
    with pytest.raises(ArgumentError, match=r"smaller than 2,147,483,647 bytes.*3,600,120,000"):
        formats.get("onnx").write(
            nn.Linear(30000, 30000, device="meta"), torch.zeros(2, 30000), tmp_path / "a"
        )
    assert not (tmp_path / "a").exists()


def settled(name, *, channels, classes, kind, head="linear"):
    """A predictor with random weights whose batch norms have seen images, as after training."""
    torch.manual_seed(0)
    network = create(name, in_channels=channels, classes=classes, head=head).network
    found = find(name)
    shape = (channels, *(found.smallest_side,) * found.dims)
    network.train()
    with torch.no_grad():
        for _ in range(10):
            network(torch.rand(4, *shape) * 2 - 1)
    normalise = Normalisation((0.4,) * channels, (0.2,) * channels, "")
    placement = Placement(torch.device("cpu"))
    return Predictor(network.eval(), kind, normalise, placement), shape


def far(predictor, shape, path):
    """Largest difference between the file and the predictor's own way to probabilities."""
    formats.get("onnx").write(Answers(predictor).eval(), torch.zeros(2, *shape), path)
    opened = formats.get("onnx").open(path)
    found = 0.0
    for count in (1, 5):
        images = torch.rand(count, *shape)
        with torch.no_grad():
            wanted = predictor.probabilities(predictor.logits(images).double().numpy())
        found = max(found, np.abs(opened.ask(images.numpy()) - wanted).max())
    return found


@pytest.mark.parametrize("kind", ["exclusive", "independent"])
def test_normalisation_and_probabilities_are_inside_with_any_head(kind, tmp_path):
    predictor, shape = settled("resnet18", channels=3, classes=3, kind=kind, head="concat")
    assert far(predictor, shape, tmp_path / "a") < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("name", [*backbones.names(), "timm:convnext_atto"])
def test_every_backbone_can_be_written(name, tmp_path):
    predictor, shape = settled(name, channels=1, classes=2, kind="exclusive")
    assert far(predictor, shape, tmp_path / "a") < 1e-5
