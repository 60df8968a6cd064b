import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from medgraft.errors import UnknownNameError, UnsafeFileError, WeightsError
from medgraft.files import sha256
from medgraft.nets import create, create_dense, create_y
from medgraft.nets.weights import save_weights


def build(**changes):
    return create("resnet18", **{"in_channels": 3, "classes": 2, **changes})


@pytest.fixture
def file(tmp_path):
    torch.manual_seed(1)
    made = build()
    names = made.network.backbone.source_names
    tensors = {names[k]: v for k, v in made.network.backbone.stages.state_dict().items()}
    path = tmp_path / "foreign.safetensors"
    save_file(tensors, str(path), metadata={"architecture": "resnet18", "mean": "0.5,0.4,0.3"})
    return path, made.network


def test_weights_under_the_names_of_their_library_load(file):
    path, network = file
    made = build(weights=str(path))
    ours, theirs = made.network.backbone.state_dict(), network.backbone.state_dict()
    assert all(torch.equal(ours[k], theirs[k]) for k in theirs)
    assert made.weights.mean == (0.5, 0.4, 0.3)
    assert set(made.fit.loaded) == set(network.backbone.stages.state_dict())
    assert not made.fit.unused


def test_saved_weights_come_back_with_their_head(tmp_path):
    network = build().network
    save_weights(network, tmp_path / "own.safetensors", {"architecture": "resnet18"})
    again = build(weights=str(tmp_path / "own.safetensors")).network.state_dict()
    assert all(torch.equal(v, again[k]) for k, v in network.state_dict().items())


def test_another_number_of_classes_starts_the_head_afresh(tmp_path):
    network = build().network
    save_weights(network, tmp_path / "own.safetensors", {"architecture": "resnet18"})
    made = build(weights=str(tmp_path / "own.safetensors"), classes=5)
    assert made.fit.unused == ["head.fc.bias", "head.fc.weight"]


def test_a_grey_image_sees_what_three_equal_channels_saw(file):
    path, network = file
    grey = build(weights=str(path), in_channels=1).network.eval()
    x = torch.rand(2, 1, 32, 32)
    with torch.inference_mode():
        colour = network.eval().backbone.through(x.expand(-1, 3, -1, -1), "stem")
        torch.testing.assert_close(grey.backbone.through(x, "stem"), colour, rtol=1e-4, atol=1e-4)


def test_weights_for_grey_images_say_how_to_make_images_grey(tmp_path):
    path = tmp_path / "grey.safetensors"
    save_weights(build(in_channels=1).network, path, {})
    with pytest.raises(WeightsError, match=r"for images of 3 channels.* for 1\. Pass --channels 1"):
        build(weights=str(path))


def test_a_file_that_ends_early_says_where_to_cut(file, tmp_path):
    _, network = file
    names = network.backbone.source_names
    tensors = {
        names[k]: v
        for k, v in network.backbone.stages.state_dict().items()
        if not k.startswith("layer4")
    }
    short = tmp_path / "short.safetensors"
    save_file(tensors, str(short))
    with pytest.raises(WeightsError, match=r"ends at 'layer3' \(30 of 120.*--after layer3"):
        build(weights=str(short))
    assert build(weights=str(short), after="layer3").fit.unused == []


def test_weights_of_another_architecture_are_refused(file):
    path, _ = file
    with pytest.raises(WeightsError, match=r"backbone 'resnet34', but .* holds 'resnet18'"):
        create("resnet34", in_channels=3, classes=2, weights=str(path))


def test_what_does_not_fit_is_listed_by_name_and_shape(file, tmp_path):
    _, network = file
    names = network.backbone.source_names
    tensors = {names[k]: v.clone() for k, v in network.backbone.stages.state_dict().items()}
    tensors["layer1.0.bn1.weight"] = torch.ones(65)
    save_file(tensors, str(tmp_path / "bad.safetensors"))
    with pytest.raises(WeightsError, match=r"layer1\.0\.bn1\.weight \(65,\) into \(64,\)"):
        build(weights=str(tmp_path / "bad.safetensors"))


@pytest.mark.parametrize(
    ("name", "content", "error", "says"),
    [
        ("model.pth", b"PK", UnsafeFileError, "can execute code"),
        ("gone.safetensors", None, WeightsError, "does not exist"),
        ("cut.safetensors", b"\x10\0\0\0\0\0\0\0{", WeightsError, "whole safetensors file"),
    ],
)
def test_files_that_are_no_weights_are_refused(tmp_path, name, content, error, says):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(error, match=says):
        build(weights=str(tmp_path / name))


def test_notes_that_are_no_numbers_are_refused(tmp_path):
    save_file({"w": torch.ones(1)}, str(tmp_path / "w.safetensors"), metadata={"mean": "a,b"})
    with pytest.raises(WeightsError, match=r"mean and std in the notes of .* must be numbers"):
        build(weights=str(tmp_path / "w.safetensors"))


def test_real_imagenet_weights_tell_pictures_apart(data):
    """Features of a real MobileNetV2 differ between films far more than random ones do."""
    from PIL import Image

    made = create(
        "mobilenetv2_100",
        in_channels=1,
        classes=2,
        weights=str(data / "weights" / "mobilenetv2_100_imagenet.safetensors"),
    )
    assert made.options == {"pad_type": "same", "bn_eps": 1e-3}
    assert made.fit.unused == ["classifier.bias", "classifier.weight"]
    films = sorted((data / "cxr-kermany" / "images" / "NORMAL").iterdir())[:4]
    pixels = np.stack(
        [np.asarray(Image.open(f).convert("L"), np.float32) / 127.5 - 1 for f in films]
    )
    with torch.inference_mode():
        found = made.network.eval().features(torch.from_numpy(pixels)[:, None])
        plain = create("mobilenetv2_100", in_channels=1, classes=2).network.eval()
        random = plain.features(torch.from_numpy(pixels)[:, None])
    assert _spread(found) > 3 * _spread(random)


def _spread(features):
    unit = torch.nn.functional.normalize(features, dim=1)
    return float((1 - unit @ unit.T).mean())


def unet(kind=create_dense, **changes):
    given = {"in_channels": 1, "out_channels": 1, **changes}
    return kind("unet2d", **given)


class TestPartsOfNetworks:
    """An encoder, or an encoder and a decoder, go from one kind of network to another."""

    @pytest.fixture
    def restored(self, tmp_path):
        """What a pretext task leaves behind: both branches of a Y."""
        network = unet(create_y, classes=7).network
        save_weights(network, tmp_path / "y.safetensors", {"architecture": "unet2d"})
        return str(tmp_path / "y.safetensors"), network.state_dict()

    def same(self, network, theirs, part):
        ours = {k: v for k, v in network.state_dict().items() if k.startswith(f"{part}.")}
        assert ours
        return all(torch.equal(v, theirs[k]) for k, v in ours.items())

    def test_a_classifier_takes_the_encoder_and_says_so(self, restored):
        path, theirs = restored
        made = create("unet2d", in_channels=1, classes=2, weights=path)
        assert self.same(made.network, theirs, "backbone")
        assert made.fit.afresh == {"head": "the file has another, with head.conv.bias"}
        stages = made.network.backbone.stages.state_dict()
        assert made.fit.origins == {name: f"backbone.stages.{name}" for name in stages}
        assert {name.partition(".")[0] for name in made.fit.unused} == {"decoder", "output", "head"}

    def test_a_dense_network_takes_encoder_and_decoder(self, restored):
        path, theirs = restored
        made = unet(weights=path)
        assert all(self.same(made.network, theirs, p) for p in ("backbone", "decoder", "output"))
        assert made.fit.afresh == {}
        assert made.fit.origins["output.weight"] == "output.weight"
        assert set(made.fit.loaded) >= {"level1.first.conv.weight", "output.bias"}
        assert {name.partition(".")[0] for name in made.fit.unused} == {"head"}

    def test_another_number_of_channels_starts_only_the_output_afresh(self, restored):
        path, theirs = restored
        made = unet(weights=path, out_channels=4)
        assert self.same(made.network, theirs, "decoder")
        assert list(made.fit.afresh) == ["output"]
        assert "is (1, 64, 1, 1) in the file and (4, 64, 1, 1) here" in made.fit.afresh["output"]

    @pytest.mark.parametrize(
        ("other", "reason"),
        [
            ({"upsampling": "transposed"}, r"the other way; pass --upsampling nearest to load it"),
            ({"skips": False}, r"is \(256, 768, 3, 3\) in the file and \(256, 512, 3, 3\) here"),
        ],
    )
    def test_another_kind_of_decoder_starts_afresh(self, restored, other, reason):
        path, theirs = restored
        made = unet(weights=path, **other)
        assert self.same(made.network, theirs, "backbone")
        assert re.search(reason, made.fit.afresh["decoder"])

    def test_a_decoder_with_more_tensors_is_not_taken_in_part(self, tmp_path):
        path = str(tmp_path / "transposed.safetensors")
        save_weights(unet(upsampling="transposed").network, Path(path), {})
        fit = unet(weights=path).fit
        assert "pass --upsampling transposed to load it" in fit.afresh["decoder"]
        assert fit.doubts == [
            f"The decoder of the weights was not loaded: {fit.afresh['decoder']}."
        ]

    def test_the_encoder_alone_can_be_asked_for(self, restored):
        path, theirs = restored
        made = unet(weights=path, parts=())
        assert self.same(made.network, theirs, "backbone")
        assert not self.same(made.network, theirs, "decoder")
        assert made.fit.afresh == {"decoder": "not asked for", "output": "not asked for"}
        with pytest.raises(UnknownNameError, match="no part of this network is called 'head'"):
            unet(weights=path, parts=["head"])

    def test_a_classifier_gives_its_encoder_to_dense_and_y_networks(self, file):
        path, network = file
        for kind, more in ((create_dense, {}), (create_y, {"classes": 3})):
            made = kind("resnet18", in_channels=3, out_channels=1, weights=str(path), **more)
            assert self.same(made.network, network.state_dict(), "backbone")
            assert set(made.fit.afresh.values()) == {"the file has none"}
            assert made.fit.origins["stem.conv1.weight"] == "conv1.weight"

    def test_they_load_from_the_folder_of_a_run_too(self, tmp_path):
        path = tmp_path / "weights.safetensors"
        network = unet().network
        save_weights(network, path, {})
        record = {"hash": sha256(path), "backbone": "unet2d", "options": {}, "licence": "own"}
        (tmp_path / "weights.json").write_text(json.dumps({**record, "mean": [0.5], "std": [0.2]}))
        made = unet(create_y, classes=2, weights=str(tmp_path))
        assert self.same(made.network, network.state_dict(), "decoder")
        assert made.weights.mean == (0.5,)
        with pytest.raises(WeightsError, match=r"backbone 'mobilenetv2_100', but .* 'unet2d'"):
            create("mobilenetv2_100", in_channels=1, classes=2, weights=str(tmp_path))

    def test_there_are_no_imagenet_weights_of_what_timm_does_not_have(self):
        with pytest.raises(WeightsError, match="of a network of timm, which 'unet2d' is not"):
            unet(weights="imagenet")
