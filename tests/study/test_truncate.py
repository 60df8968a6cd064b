"""A run made smaller: what it keeps, what it weighs, what is refused."""

import json
import shutil

import polars as pl
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from medgraft.cli.__main__ import main
from medgraft.errors import ArgumentError, OutputError, TableError, UnknownNameError
from medgraft.index import Index
from medgraft.report import write_truncation
from medgraft.runs import RunFolder
from medgraft.study.truncate import truncate
from medgraft.train.predict import load_predictor
from medgraft.train.train import train
from medgraft.train.truncation import operations, shorter
from tests.train.conftest import make_spots, quick

SMALL = {"after": "layer2", "epochs": 1, "replicates": 0}


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run of three stages."""
    folder = tmp_path_factory.mktemp("truncate")
    return train(make_spots(folder), folder / "whole", quick(**SMALL), command=[])


@pytest.fixture(scope="module")
def cut(whole):
    """The same after two of them, in which nothing but the head has learnt."""
    recipe = quick(**{**SMALL, "after": "layer1"}, strategy="head")
    return truncate(whole.path, whole.path.parent / "smaller", recipe, command=["it"], most=5)


def read(run):
    return json.loads((run.truncation / "truncation.json").read_text())


class TestWhatIsKept:
    def test_the_weights_of_the_stages_that_are_left(self, whole, cut):
        before, after = load_file(whole.weights), load_file(cut.weights)
        stages = [name for name in after if name.startswith("backbone.")]
        assert {name.split(".")[2] for name in stages} == {"stem", "layer1"}
        assert all(torch.equal(before[name], after[name]) for name in stages)

    def test_its_maps_are_the_hidden_ones_of_the_whole_network(self, whole, cut):
        big, small = (load_predictor(run, "cpu")[0].network for run in (whole, cut))
        x = torch.rand(3, 1, 32, 32)
        with torch.inference_mode():
            hidden = big.backbone.through(x, "layer1")
            assert torch.equal(small.backbone(x), hidden)
            assert torch.equal(small(x), small.head.fc(hidden.mean((2, 3))))

    def test_rows_split_preparation_and_normalisation(self, whole, cut):
        assert Index.load(cut.index).frame.equals(Index.load(whole.index).frame)
        before, after = (json.loads(run.weights_record.read_text()) for run in (whole, cut))
        for key in ("steps", "input_size", "mean", "std", "labels", "positive", "backbone"):
            assert before[key] == after[key]
        assert after["source"] == str(whole.path)
        assert (before["after"], after["after"]) == ("layer2", "layer1")


class TestWhatIsWeighed:
    def test_parameters_are_those_of_the_files(self, whole, cut):
        found = read(cut)
        for name, run in (("whole", whole), ("smaller", cut)):
            tensors = load_file(run.weights)
            learnt = [
                t.numel() for n, t in tensors.items() if "running" not in n and "num_" not in n
            ]
            assert found[name]["parameters"] == sum(learnt)
        ratio = found["whole"]["parameters"] / found["smaller"]["parameters"]
        assert found["ratios"]["parameters"] == pytest.approx(ratio, abs=1e-3)

    def test_operations_are_those_of_a_count_layer_by_layer(self, cut):
        predictor, record = load_predictor(cut, "cpu")
        total = 0

        def count(layer, _, out):
            nonlocal total
            inputs = layer.weight[0].numel()  # per output: channels of the group times the kernel
            total += out[0].numel() * inputs

        for layer in predictor.network.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                layer.register_forward_hook(count)
        predictor.network(torch.rand(1, 1, 32, 32))
        assert operations(record, (1, 32, 32)) == total == read(cut)["smaller"]["operations"]

    def test_published_operations_agree(self):
        """He et al. 2015, table 1: 1.8 GFLOPs, by which they mean multiplications with an addition."""
        about = {"backbone": "resnet18", "channels": 3, "labels": ["x"] * 1000}
        record = {**about, "after": None, "options": {}}
        assert operations(record, (3, 224, 224)) == pytest.approx(1.8e9, rel=0.02)

    def test_speeds_are_measured_and_their_ratio_is_the_one_that_is_written(self, cut):
        found = read(cut)
        one, other = (found[name]["images_per_second"] for name in ("smaller", "whole"))
        assert found["ratios"]["images_per_second"] == pytest.approx(one / other, rel=0.01)
        assert one > other

    def test_both_networks_are_asked_about_the_same_images(self, cut):
        told = [
            json.loads((cut.truncation / name / "explain.json").read_text())
            for name in ("whole", "smaller")
        ]
        asked = [
            [(i["image_id"], i["explained"], i["actual"]) for i in one["items"]] for one in told
        ]
        assert asked[0] == asked[1]
        assert len(asked[0]) == len(set(asked[0])) == 5
        assert {actual for _, _, actual in asked[0]} == {"right"}  # the positive class
        losses = [item["loss"] for item in told[0]["items"]]
        assert losses == sorted(losses, reverse=True)


def test_the_page_says_what_the_files_say(whole, cut, tmp_path):
    page = write_truncation(whole.path, cut.path, replicates=50).read_text()
    found = read(cut)
    difference = json.loads((cut.truncation / "comparison.json").read_text())["differences"][0]
    assert f"{found['ratios']['parameters']:.2f} times fewer" in page
    assert f"{found['whole']['parameters']:,}" in page
    assert f'value="{difference["metrics"]["auroc"]["value"]}"' in page
    assert page.count('<div class="pair">') == 5
    assert (cut.truncation / "compare.html").is_file()


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["two-phase:head_epochs=1", "linear:layer2", "svm:layer2"])
def test_runs_of_any_head_can_be_cut_and_get_a_new_one(strategy, whole, tmp_path):
    recipe = quick(**{**SMALL, "after": None if ":layer" in strategy else "layer2"})
    before = train(
        whole.path.parent / "spots.parquet",
        tmp_path / "before",
        recipe.model_copy(update={"strategy": strategy}),
        command=[],
    )
    settings = shorter(before, quick(after="layer1"))
    assert settings.weights == str(before.path)
    after = train(
        before.index,
        tmp_path / "after",
        quick(**{**settings.model_dump(), **SMALL, "after": "layer1"}),
        command=[],
    )
    network = json.loads(after.record.read_text())["network"]
    assert not [name for name in network["not_used"] if "layer1" in name or "stem" in name]
    assert [name for name in network["not_used"] if name.startswith("head.")]
    assert list(load_predictor(after, "cpu")[0].network.head._modules) == ["pool", "fc"]


class TestWhatIsRefused:
    @pytest.mark.parametrize(
        ("after", "error", "says"),
        [
            ("layer3", UnknownNameError, "Did you mean 'layer"),  # cut off already
            ("lajer1", UnknownNameError, "Did you mean 'layer1'"),
            ("layer2", ArgumentError, r"'layer2' is the last one .* one of: stem, layer1\."),
            (None, ArgumentError, "must name the last stage to keep of resnet18, one of: stem"),
        ],
    )
    def test_a_wrong_stage(self, after, error, says, whole, tmp_path):
        with pytest.raises(error, match=says):
            truncate(whole.path, tmp_path / "new", quick(after=after), command=[])
        assert not (tmp_path / "new").exists()

    def test_a_run_that_is_not_finished(self, whole, tmp_path):
        unfinished = shutil.copytree(whole.path, tmp_path / "unfinished")
        RunFolder(unfinished).weights_record.unlink()
        with pytest.raises(TableError, match="must be a finished run"):
            truncate(unfinished, tmp_path / "new", quick(after="stem"), command=[])

    def test_images_that_are_gone_before_anything_is_trained(self, whole, tmp_path):
        moved = RunFolder(shutil.copytree(whole.path, tmp_path / "moved"))
        index = Index.load(moved.index)
        frame = index.frame.with_columns(path=pl.format("gone/{}", "path"))
        index.with_frame(frame).save(moved.index)
        predictions = pl.read_parquet(moved.predictions)
        predictions.with_columns(path=pl.format("gone/{}", "path")).write_parquet(moved.predictions)
        with pytest.raises(TableError, match=r"must lie where they were, but .*gone"):
            truncate(moved.path, tmp_path / "new", quick(after="stem"), command=[])
        assert not (tmp_path / "new").exists()

    def test_a_folder_in_use_and_too_few_pictures(self, whole, cut, tmp_path):
        with pytest.raises(OutputError, match="--out must name a new or empty folder"):
            truncate(whole.path, cut.path, quick(after="stem"), command=[])
        with pytest.raises(ArgumentError, match="--most must be at least 2, got 1"):
            truncate(whole.path, tmp_path / "new", quick(after="stem"), command=[], most=1)


class TestCommand:
    def test_it_takes_the_settings_of_the_run_and_the_flags_before_them(self, whole, capsys):
        out = whole.path.parent / "by-command"
        words = ["truncate", "--after", "stem", "--epochs", "2", str(whole.path), "--out", str(out)]
        assert main([*words, "--most", "2"]) == 0
        said = capsys.readouterr().out
        assert "images per second" in said
        assert "AUROC " in said
        assert "truncation.html" in said
        import yaml

        before, after = (yaml.safe_load((f / "recipe.yaml").read_text()) for f in (whole.path, out))
        changed = {key for key in before if before[key] != after[key]}
        assert changed == {"after", "epochs", "weights", "positive"}
        assert after["positive"] == "right"  # as it was found out by the run
        assert main([*words, "--resume"]) == 2  # it is finished
        assert "is finished" in capsys.readouterr().err

    def test_what_the_smaller_run_takes_over_is_no_flag(self, whole, tmp_path, capsys):
        words = ["truncate", str(whole.path), "--after", "stem", "--out", str(tmp_path / "new")]
        for flag in ("--size", "--backbone", "--weights", "--labels-per-class"):
            assert main([*words, flag, "64"]) == 2
            assert flag in capsys.readouterr().err

    def test_a_folder_that_is_no_run(self, tmp_path, capsys):
        assert (
            main(["truncate", str(tmp_path), "--after", "stem", "--out", str(tmp_path / "n")]) == 2
        )
        assert "must be a run folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("backbone", "after", "expected"),
    [("resnet18", "layer3", 2_786_382), ("densenet121", "denseblock3", 4_281_742)],
)
def test_published_counts_of_cut_networks(backbone, after, expected, capsys):
    """Ke et al. 2021 (CheXtransfer), with 14 outputs."""
    assert main(["describe", backbone, "--classes", "14", "--after", after, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["parameters"] == expected
    assert sum(stage["parameters"] for stage in found["stages"]) == expected
