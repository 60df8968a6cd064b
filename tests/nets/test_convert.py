"""Foreign weight files: what they compute is kept, and what they would execute is not executed."""

import os
import zipfile

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from medgraft.errors import (
    ArgumentError,
    MedgraftError,
    OutputError,
    UnknownNameError,
    UnsafeFileError,
    WeightsError,
)
from medgraft.nets import convert as converting
from medgraft.nets import create, foreign
from medgraft.nets.convert import convert
from medgraft.nets.name_maps import name_maps
from medgraft.pool import Reply

models = pytest.importorskip("torchvision.models")

TORCHVISION = {  # ours: torchvision's; one of each builder of names
    "resnet18": "resnet18",
    "densenet121": "densenet121",
    "inception_v3": "inception_v3",
    "mobilenetv2_100": "mobilenet_v2",
    "mobilenetv3_large_100": "mobilenet_v3_large",
    "mobilenetv3_small_100": "mobilenet_v3_small",
    "mnasnet_100": "mnasnet1_0",
    "efficientnet_b0": "efficientnet_b0",
}


IN_A_PROCESS = (
    "test_another_process_reads_what_this_one_does",
    "test_a_file_that_would_execute_code_does_not",
    "test_absurd_claims_end_the_other_process_and_not_this_one",
)


def theirs(name, classes=7):
    """A network of torchvision whose batch norms have seen something."""
    torch.manual_seed(0)
    more = {"init_weights": False} if name == "inception_v3" else {}
    with torch.device("meta"):  # their own initialisation takes seconds
        network = getattr(models, name)(num_classes=classes, **more)
    network.to_empty(device="cpu")
    for tensor in network.state_dict().values():
        if tensor.ndim > 1:
            tensor.normal_(0, (2 / tensor[0].numel()) ** 0.5)
        elif tensor.is_floating_point():
            tensor.uniform_(0.5, 1.5)
        else:
            tensor.zero_()
    return network.eval()


def assert_same_answers(network, backbone, weights, classes=7):
    ours = create(backbone, in_channels=3, classes=classes, weights=str(weights)).network.eval()
    x = torch.rand(2, 3, 80, 80)
    with torch.inference_mode():
        torch.testing.assert_close(ours(x), network(x), rtol=1e-4, atol=1e-4)


@pytest.fixture(autouse=True)
def read_here(request, monkeypatch):
    """Starting another process takes a second; only tests of that process pay for it."""
    if request.node.originalname not in IN_A_PROCESS:
        monkeypatch.setattr(converting, "read_foreign", here)


def here(path):
    if not path.is_file():
        return foreign.read_foreign(path)
    with foreign.loading() as load:
        out = path.with_suffix(".tensors")
        said, _ = load({"path": str(path), "out": str(out)})
    foreign._check(Reply(0, said), path)
    return load_file(out)


@pytest.fixture(scope="module")
def resnet():
    return theirs("resnet18")


@pytest.fixture
def saved(resnet, tmp_path):
    """A file of a network of torchvision; its state and a place for the new file."""

    def save(content, name="foreign.pth", **given):
        path = tmp_path / name
        torch.save(content, path, **given)  # noqa: TID251 (what a stranger did)
        return path, tmp_path / "new.safetensors"

    return save


@pytest.mark.parametrize(
    "backbone",
    [pytest.param(n, marks=pytest.mark.slow if n == "inception_v3" else ()) for n in TORCHVISION],
)
def test_logits_are_those_of_the_network_that_wrote_the_file(backbone, saved):
    network = theirs(TORCHVISION[backbone])
    path, out = saved(network.state_dict())
    found = convert(path, out, backbone=backbone)
    assert found.classes == 7
    assert all(name.startswith("AuxLogits.") for name in found.unused)
    assert_same_answers(network, backbone, out)


class Block(torch.nn.Module):
    """Two convolutions with a shortcut: of 1 x 1 x 1 kernels (B), or of zeros for channels (A)."""

    def __init__(self, into, out, stride, shortcut):
        super().__init__()
        conv, norm = torch.nn.Conv3d, torch.nn.BatchNorm3d
        self.conv1, self.bn1 = conv(into, out, 3, stride, 1, bias=False), norm(out)
        self.conv2, self.bn2 = conv(out, out, 3, 1, 1, bias=False), norm(out)
        if shortcut == "B" and (stride > 1 or into != out):
            self.downsample = torch.nn.Sequential(conv(into, out, 1, stride, bias=False), norm(out))
        self.stride = stride

    def forward(self, x):
        y = self.bn2(self.conv2(self.bn1(self.conv1(x)).relu()))
        if hasattr(self, "downsample"):
            return (y + self.downsample(x)).relu()
        kept = x[:, :, :: self.stride, :: self.stride, :: self.stride]
        y[:, : x.shape[1]] += kept
        return y.relu()


class MedicalNet(torch.nn.Module):
    """The encoder of MedicalNet by its names, with strides where it dilates."""

    def __init__(self, blocks, shortcut):
        super().__init__()
        self.conv1 = torch.nn.Conv3d(1, 64, 7, 2, 3, bias=False)
        self.bn1, before = torch.nn.BatchNorm3d(64), 64
        for level, (count, width) in enumerate(zip(blocks, (64, 128, 256, 512), strict=True)):
            layers = []
            for number in range(count):
                stride = 2 if level and not number else 1
                layers.append(Block(before, width, stride, shortcut))
                before = width
            setattr(self, f"layer{level + 1}", torch.nn.Sequential(*layers))

    def forward(self, x):
        x = torch.nn.functional.max_pool3d(self.bn1(self.conv1(x)).relu(), 3, 2, 1)
        for level in range(1, 5):
            x = getattr(self, f"layer{level}")(x)
        return x


@pytest.mark.parametrize(
    ("name", "blocks", "shortcut"),
    [
        ("resnet10_3d", (1, 1, 1, 1), "B"),
        pytest.param("resnet18_3d", (2, 2, 2, 2), "A", marks=pytest.mark.slow),
    ],
)
def test_a_checkpoint_of_medicalnet_computes_what_it_did(name, blocks, shortcut, saved):
    """Its files hold a network that was trained in parallel, `module.` before every name."""
    pytest.importorskip("monai")
    torch.manual_seed(0)
    network = MedicalNet(blocks, shortcut).eval()
    for norm in (m for m in network.modules() if isinstance(m, torch.nn.BatchNorm3d)):
        norm.running_mean.uniform_(-0.1, 0.1)
        norm.running_var.uniform_(0.8, 1.2)
    state = {f"module.{key}": tensor for key, tensor in network.state_dict().items()}
    assert ("module.layer2.0.downsample.0.weight" in state) == (shortcut == "B")
    path, out = saved({"state_dict": state})
    found = convert(path, out)  # which architecture it is can be told from its tensors
    assert (found.backbone, found.key, found.unused) == (name, "state_dict.module", {})
    assert found.loaded == len(state)
    ours = create(name, in_channels=1, classes=2, weights=str(out)).network.eval().backbone
    x = torch.rand(2, 1, 24, 17, 16)
    with torch.inference_mode():
        torch.testing.assert_close(ours(x), network(x), rtol=1e-4, atol=1e-5)


def test_the_segmentation_head_of_medicalnet_is_left_over_and_named(saved):
    pytest.importorskip("monai")
    state = {f"module.{k}": t for k, t in MedicalNet((1,) * 4, "B").state_dict().items()}
    state["module.conv_seg.0.weight"] = torch.zeros(512, 32, 2, 2, 2)
    path, out = saved({"state_dict": state, "epoch": 3})
    found = convert(path, out, backbone="resnet10_3d")
    assert found.unused == {"conv_seg.0.weight": (512, 32, 2, 2, 2)}
    assert found.loaded == len(state) - 1


def test_every_name_map_is_tried_here(saved):
    tried = {"timm", "torchvision_mobile", "densenet_2017", "medgraft"}
    assert tried == set(name_maps.names())
    assert all(name_maps.get(name).source for name in tried)


def test_densenet_files_of_2017_fit(saved):
    import re

    network = theirs("densenet121")
    old = {
        re.sub(r"(denselayer\d+\.(?:norm|conv))(\d)", r"\1.\2", name): tensor
        for name, tensor in network.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    assert any(".norm.1.weight" in name for name in old)
    path, out = saved(old)
    assert convert(path, out, backbone="densenet121").names == "densenet_2017"
    assert_same_answers(network, "densenet121", out)


@pytest.mark.slow
def test_inception_v4_of_cadene_loses_its_background_class(saved):
    timm = pytest.importorskip("timm")
    network = timm.create_model("inception_v4", num_classes=1001).eval()
    path, out = saved(network.state_dict())
    assert convert(path, out, backbone="inception_v4").classes == 1000
    ours = create("inception_v4", in_channels=3, classes=1000, weights=str(out)).network.eval()
    x = torch.rand(1, 3, 96, 96)
    with torch.inference_mode():
        torch.testing.assert_close(ours(x), network(x)[:, 1:], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: state,
        lambda state: {"state_dict": state, "epoch": 3, "arch": "resnet18"},
        lambda state: {"state_dict": {f"module.{n}": t for n, t in state.items()}},
        lambda state: {"model": {f"backbone.{n}": t for n, t in state.items()}},
        lambda state: {"net": {f"model.encoder.{n}": t for n, t in state.items()}, "best": 0.9},
    ],
    ids=["plain", "state_dict", "module", "backbone", "two prefixes"],
)
def test_any_container_and_prefix_is_seen_through(wrap, resnet, saved):
    path, out = saved(wrap(resnet.state_dict()))
    found = convert(path, out, backbone="resnet18")
    assert (found.loaded, found.unused, found.elsewhere) == (122, {}, 0)
    assert_same_answers(resnet, "resnet18", out)


def test_another_process_reads_what_this_one_does(saved):
    content = {"net": {"w": torch.rand(3, 2), "n": torch.tensor(7)}, "epoch": 3, "lr": [0.1]}
    path, _ = saved(content)
    found = foreign.read_foreign(path)
    assert found.keys() == {"net.w", "net.n"}
    assert all(torch.equal(t, content["net"][name[4:]]) for name, t in found.items())


@pytest.fixture
def few(monkeypatch):
    """Building all architectures takes seconds."""
    names = ["resnet18", "resnet34", "mobilenetv3_small_100"]
    monkeypatch.setattr(converting.backbones, "names", lambda: names)


def test_files_written_before_pytorch_1_6_are_read(resnet, saved):
    path, out = saved(resnet.state_dict(), _use_new_zipfile_serialization=False)
    assert not zipfile.is_zipfile(path)
    assert convert(path, out, backbone="resnet18").loaded == 122


def test_the_architecture_is_found_by_its_tensors(few, resnet, saved):
    path, out = saved(resnet.state_dict())
    assert convert(path, out).backbone == "resnet18"  # whose names a ResNet-34 has too


def test_what_nobody_knows_is_refused_unless_named(few, saved):
    path, out = saved(torch.nn.Linear(3, 2).state_dict())
    with pytest.raises(WeightsError, match=r"tensor by tensor, but none does.*weight \(2, 3\)"):
        convert(path, out)
    with pytest.raises(WeightsError, match=r"of its 120 tensors 0 are .*Pass the backbone"):
        convert(path, out, backbone="resnet18")
    assert not out.exists()


def test_two_networks_in_one_file_are_not_chosen_between(resnet, saved):
    state = resnet.state_dict()
    path, out = saved({"state_dict": state, "ema": {n: t + 1 for n, t in state.items()}})
    with pytest.raises(WeightsError, match=r"holds 2. Pass one of: --key ema, --key state_dict"):
        convert(path, out, backbone="resnet18")
    with pytest.raises(UnknownNameError, match="Did you mean 'ema'"):
        convert(path, out, backbone="resnet18", key="emma")
    found = convert(path, out, backbone="resnet18", key="ema")
    assert (found.key, found.elsewhere) == ("ema", 122)
    name = "backbone.stages.stem.bn1.bias"
    assert torch.equal(load_file(out)[name], state["bn1.bias"] + 1)


def test_the_state_of_an_optimiser_is_left_behind(resnet, saved):
    optimiser = torch.optim.Adam(resnet.parameters())
    resnet(torch.rand(2, 3, 32, 32)).sum().backward()
    optimiser.step()
    content = {"model_state_dict": resnet.state_dict(), "optimizer": optimiser.state_dict()}
    path, out = saved(content)
    found = convert(path, out, backbone="resnet18")
    assert found.key == "model_state_dict"
    assert found.elsewhere == 3 * 62


def test_a_file_that_ends_early_says_where(resnet, saved):
    short = {n: t for n, t in resnet.state_dict().items() if not n.startswith(("layer4", "fc"))}
    path, out = saved(short)
    assert convert(path, out, backbone="resnet18").after == "layer3"
    create("resnet18", in_channels=3, classes=2, weights=str(out), after="layer3")
    with pytest.raises(WeightsError, match="--after layer3"):
        create("resnet18", in_channels=3, classes=2, weights=str(out))


def test_a_few_early_layers_among_others_are_not_taken_for_a_network(resnet, saved):
    stem = {n: t for n, t in resnet.state_dict().items() if n.startswith(("conv1", "bn1"))}
    others = {f"block{n}.kernel": torch.ones(2) for n in range(20)}
    path, out = saved({"first": stem, **others})
    with pytest.raises(WeightsError, match=r"of the 26 tensors of .* 6 are of .* --key first"):
        convert(path, out, backbone="resnet18")
    assert convert(path, out, backbone="resnet18", key="first").after == "stem"


def test_a_network_of_ours_that_was_saved_in_another_way_comes_through(saved):
    network = create("mobilenetv3_small_100", in_channels=1, classes=3).network
    path, out = saved({"net": network.state_dict()})
    found = convert(path, out, backbone="mobilenetv3_small_100")
    assert (found.names, found.classes) == ("medgraft", 3)
    assert {n: t.tolist() for n, t in load_file(out).items()} == {
        n: t.tolist() for n, t in network.state_dict().items()
    }


def test_misfits_are_listed_by_name_and_shape(resnet, saved):
    state = {**resnet.state_dict(), "layer1.0.bn1.weight": torch.ones(65)}
    del state["layer2.0.conv1.weight"]
    path, out = saved(state)
    says = (
        r"2 of 120 .*layer1\.0\.bn1\.weight \(65,\) into \(64,\); layer2\.0\.conv1\.weight is not"
    )
    with pytest.raises(WeightsError, match=says):
        convert(path, out, backbone="resnet18")
    assert not out.exists()


def test_weights_of_another_architecture_are_refused(saved):
    path, out = saved({"state_dict": theirs("mobilenet_v3_small").state_dict()})
    with pytest.raises(WeightsError, match=r"of its 120 tensors 2 are in .* It holds "):
        convert(path, out, backbone="resnet18")
    with pytest.raises(WeightsError, match=r"of its 310 tensors \d+ are in .*"):
        convert(path, out, backbone="mobilenetv3_large_100")


def test_the_new_file_says_what_it_is(resnet, saved):
    path, out = saved(resnet.state_dict())
    convert(
        path, out, backbone="resnet18", mean=(0.5, 0.4, 0.3), std=(0.2, 0.2, 0.1), licence="BSD"
    )
    made = create("resnet18", in_channels=1, classes=2, weights=str(out))
    assert made.weights.mean == (0.5, 0.4, 0.3)
    assert made.weights.licence == "BSD"
    assert made.fit.unused == ["head.fc.bias", "head.fc.weight"]
    with safe_open(str(out), "pt") as file:
        assert "foreign.pth, SHA-256 " in file.metadata()["converted_from"]


def test_options_of_the_architecture_travel_with_the_weights(saved):
    network = theirs("mobilenet_v2")
    path, out = saved(network.state_dict())
    convert(path, out, backbone="mobilenetv2_100", kwargs="pad_type=same,bn_eps=0.001")
    made = create("mobilenetv2_100", in_channels=3, classes=7, weights=str(out))
    assert made.options == {"pad_type": "same", "bn_eps": 1e-3}


def test_grey_networks_stay_grey(few, saved):
    network = create("resnet18", in_channels=1, classes=2).network
    names = network.backbone.source_names
    state = {names[n]: t for n, t in network.backbone.stages.state_dict().items()}
    path, out = saved(state)
    convert(path, out, mean=(0.4,), std=(0.2,))
    made = create("resnet18", in_channels=1, classes=2, weights=str(out)).network.backbone
    assert torch.equal(made.stages["stem"].conv1.weight, state["conv1.weight"])


def test_safetensors_under_foreign_names_are_taken_too(resnet, tmp_path):
    path, out = tmp_path / "tv.safetensors", tmp_path / "new.safetensors"
    save_file(resnet.state_dict(), str(path))
    convert(path, out, backbone="resnet18")
    assert_same_answers(resnet, "resnet18", out)


class Executes:
    """Runs a command of the system when it is unpickled."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch {self.marker}",)


class Claims:
    """Asks for a terabyte when it is unpickled."""

    def __reduce__(self):
        return bytearray, (10**12,)


@pytest.mark.parametrize("old", [False, True], ids=["zip", "before 1.6"])
def test_a_file_that_would_execute_code_does_not(old, saved, tmp_path):
    marker = tmp_path / "executed"
    content = {"state_dict": {"w": torch.ones(2)}, "hook": Executes(marker)}
    path, out = saved(content, _use_new_zipfile_serialization=not old)
    with pytest.raises(
        UnsafeFileError, match=r"would execute code .*posix.system.*nothing was"
    ) as e:
        convert(path, out, backbone="resnet18")
    assert "\n" not in str(e.value)
    assert not marker.exists()
    assert not out.exists()


def test_the_payload_of_that_test_would_have_run(tmp_path):
    """Else the test above proves nothing."""
    import pickle  # noqa: TID251 (the danger itself)

    marker = tmp_path / "executed"
    pickle.loads(pickle.dumps(Executes(marker)))
    assert marker.exists()


def test_a_whole_pickled_network_is_refused(saved):
    path, out = saved(torch.nn.Linear(2, 2))
    with pytest.raises(UnsafeFileError, match=r"torch.nn.modules.linear.Linear"):
        convert(path, out, backbone="resnet18")


def test_absurd_claims_end_the_other_process_and_not_this_one(saved):
    path, out = saved({"w": Claims()})
    with pytest.raises(WeightsError, match="more memory than there is"):
        convert(path, out, backbone="resnet18")
    path, out = saved({"w": torch.ones(1).expand(2**40)})  # four bytes that claim four terabytes
    with pytest.raises(WeightsError, match="more memory than there is"):
        convert(path, out, backbone="resnet18")


def test_damaged_files_are_refused_in_one_line(resnet, saved, tmp_path):
    path, out = saved(resnet.state_dict())
    whole = path.read_bytes()
    old, _ = saved(resnet.state_dict(), "old.pth", _use_new_zipfile_serialization=False)
    contents = {
        "half": whole[: len(whole) // 2],
        "old half": old.read_bytes()[:-100],
        "empty": b"",
        "text": b"hello world\n",
        "flipped": whole[:5000] + bytes(20000) + whole[25000:200_000],
    }
    for name, content in contents.items():
        path = tmp_path / f"{name}.pth"
        path.write_bytes(content)
        with pytest.raises(MedgraftError, match=f"{name}.pth") as error:
            convert(path, out, backbone="resnet18")
        assert "\n" not in str(error.value)
    with pytest.raises(WeightsError, match=r"not what torch.save writes.*Copy or download"):
        convert(tmp_path / "text.pth", out)
    with zipfile.ZipFile(tmp_path / "zip.pth", "w") as archive:
        archive.writestr("notes.txt", "no tensors")
    with pytest.raises(WeightsError, match=r"zip.pth"):
        convert(tmp_path / "zip.pth", out)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ([torch.ones(2)], "tensors must have names, but it holds a list"),
        (torch.ones(2), "tensors must have names"),
        (7, "it holds a int"),
        ({"epoch": 3}, "it holds no named tensor"),
        ({"a.b": torch.ones(1), "a": {"b": torch.ones(1)}}, "two tensors are called 'a.b'"),
    ],
)
def test_content_without_named_tensors_is_refused(content, says, saved):
    path, out = saved(content)
    with pytest.raises(WeightsError, match=says):
        convert(path, out, backbone="resnet18")


def test_containers_that_hold_themselves_are_refused(saved):
    content = {"w": torch.ones(1)}
    content["again"] = content
    path, out = saved(content)
    with pytest.raises(WeightsError, match="RecursionError"):
        convert(path, out, backbone="resnet18")


@pytest.mark.parametrize(
    ("given", "error", "says"),
    [
        ({"mean": (0.5,)}, ArgumentError, "belong together"),
        ({"mean": (0.5,), "std": (0.0,)}, ArgumentError, "above 0"),
        ({"mean": (0.5,), "std": (0.1,)}, ArgumentError, "each of 3 channels, got 1"),
        ({"kwargs": "padding=same"}, UnknownNameError, "no option is called 'padding'"),
        ({"kwargs": "bn_eps=x"}, ArgumentError, "number for bn_eps, got 'x'"),
        ({"classes": 5}, ArgumentError, "5 outputs, as --classes says, but it has 7"),
        ({"backbone": "resnet81"}, UnknownNameError, "Did you mean 'resnet18'"),
    ],
)
def test_wrong_calls_are_told(given, error, says, resnet, saved):
    path, out = saved(resnet.state_dict())
    with pytest.raises(error, match=says):
        convert(path, out, **{"backbone": "resnet18", **given})
    assert not out.exists()


def test_the_first_output_is_dropped_when_one_less_is_asked_for(resnet, saved):
    path, out = saved(resnet.state_dict())
    assert convert(path, out, backbone="resnet18", classes=6).classes == 6
    assert torch.equal(load_file(out)["head.fc.bias"], resnet.fc.bias[1:])


def test_an_output_that_exists_is_not_written_over(resnet, saved, tmp_path):
    path, out = saved(resnet.state_dict())
    out.write_text("mine")
    with pytest.raises(OutputError, match=r"does. Choose another name"):
        convert(path, out, backbone="resnet18")
    with pytest.raises(ArgumentError, match=r"must name a .safetensors file"):
        convert(path, tmp_path / "new.pth")
    with pytest.raises(WeightsError, match=r"'.*gone.pth' is none"):
        convert(tmp_path / "gone.pth", tmp_path / "other.safetensors")


def test_training_points_to_this_command(tmp_path):
    with pytest.raises(UnsafeFileError, match=r"medgraft convert .*my net.pth' --out 'my net'"):
        create("resnet18", in_channels=3, classes=2, weights=str(tmp_path / "my net.pth"))


def test_the_head_of_deeper_maps_is_not_taken_over():
    """Two blocks with as many channels: the head of the whole network would fit the shorter one."""
    from medgraft.nets.weights import WeightFile, load_into

    whole = create("densenet121", in_channels=3, classes=2).network
    shorter = create("densenet121", in_channels=3, classes=2, after="denseblock3").network
    before = shorter.head.fc.weight.clone()
    fit = load_into(shorter, WeightFile("x", whole.state_dict(), architecture="densenet121"))
    assert torch.equal(shorter.head.fc.weight, before)
    assert not [name for name in fit.loaded if name.startswith("head")]


def test_the_last_layer_of_a_deeper_head_is_not_taken_for_a_head():
    from medgraft.nets.weights import WeightFile, load_into

    deep = create("resnet18", in_channels=3, classes=2, head="concat").network
    plain = create("resnet18", in_channels=3, classes=2).network
    before = plain.head.fc.weight.clone()
    load_into(plain, WeightFile("x", deep.state_dict(), architecture="resnet18"))
    assert torch.equal(plain.head.fc.weight, before)
