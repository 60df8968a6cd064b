"""What a study file describes, and what is refused before anything is trained."""

import json
from pathlib import Path

import pytest

from medgraft.errors import ArgumentError, UnknownNameError, WeightsError
from medgraft.study.file import StudyFile, load_study
from medgraft.study.grid import plan_runs
from medgraft.study.protocols import PROTOCOLS
from medgraft.train.loop import validation_steps
from medgraft.train.recipe import Recipe

AXES = {"backbone": ["resnet18", "resnet34"], "seed": [0, 1]}


def runs(tmp_path, data="rows", **keys):
    return plan_runs(StudyFile(**{"axes": AXES, **keys}), tmp_path, data)


def settings(planned, *keys):
    return [tuple(getattr(run.recipe, key) for key in keys) for run in planned]


def test_toml_and_json_say_the_same(tmp_path):
    toml, plain = tmp_path / "a.toml", tmp_path / "a.json"
    toml.write_text('recipe = {epochs = 2}\n[axes]\nbackbone = ["resnet18"]\nafter = ["none"]\n')
    plain.write_text(
        json.dumps({"recipe": {"epochs": 2}, "axes": {"backbone": ["resnet18"], "after": [None]}})
    )
    told = [[run.name for run in plan_runs(load_study(p), tmp_path, "x")] for p in (toml, plain)]
    assert told[0] == told[1]
    assert len(told[0]) == 1


def test_runs_are_the_product_of_the_axes_whole_seeds_first(tmp_path):
    assert settings(runs(tmp_path), "backbone", "seed") == [
        ("resnet18", 0),
        ("resnet34", 0),
        ("resnet18", 1),
        ("resnet34", 1),
    ]


def test_values_in_a_table_go_together(tmp_path):
    network = [{"backbone": "resnet18", "after": "layer3"}, {"backbone": "resnet34", "size": 96}]
    found = runs(tmp_path, axes={"network": network, "rate": [0.1, 0.2]})
    assert settings(found, "backbone", "after", "size", "rate") == [
        ("resnet18", "layer3", 224, 0.1),
        ("resnet18", "layer3", 224, 0.2),
        ("resnet34", None, 96, 0.1),
        ("resnet34", None, 96, 0.2),
    ]
    assert [run.others for run in found] == [{"rate": 0.1}, {"rate": 0.2}] * 2


def test_exclusions_need_all_their_values_and_know_defaults(tmp_path):
    found = runs(tmp_path, exclude=[{"backbone": "resnet34", "seed": [1, 2]}])
    assert len(found) == 3
    assert ("resnet34", 1) not in settings(found, "backbone", "seed")
    with pytest.raises(ArgumentError, match="all of them are excluded"):
        runs(tmp_path, exclude=[{"after": "none"}])


class TestNames:
    def test_depend_on_recipe_rows_and_content_of_the_weights(self, tmp_path):
        file = tmp_path / "w.safetensors"
        file.write_bytes(b"one")
        asked = {"axes": {"seed": [0]}, "recipe": {"weights": "w.safetensors"}}
        first = runs(tmp_path, **asked)[0].name
        (tmp_path / "elsewhere").mkdir()
        (tmp_path / "elsewhere" / "w.safetensors").write_bytes(b"one")
        assert runs(tmp_path / "elsewhere", **asked)[0].name == first
        assert runs(tmp_path, "other rows", **asked)[0].name != first
        file.write_bytes(b"two")
        assert runs(tmp_path, **asked)[0].name != first

    def test_do_not_depend_on_the_machine_or_on_written_defaults(self, tmp_path):
        first = [run.name for run in runs(tmp_path)]
        again = runs(tmp_path, recipe={"threads": 1, "device": "cpu", "batch_size": 64})
        assert [run.name for run in again] == first

    def test_stay_when_an_axis_grows(self, tmp_path):
        first = {run.name for run in runs(tmp_path)}
        more = runs(tmp_path, axes={**AXES, "seed": [0, 1, 2]})
        assert first < {run.name for run in more}


def test_imagenet_takes_the_file_that_is_named_for_the_backbone(tmp_path):
    (tmp_path / "w.safetensors").write_bytes(b"one")
    found = runs(tmp_path, recipe={"weights": "imagenet"}, imagenet={"resnet18": "w.safetensors"})
    assert {(run.recipe.backbone, run.recipe.weights, run.weights) for run in found} == {
        ("resnet18", str(tmp_path / "w.safetensors"), "imagenet"),
        ("resnet34", "imagenet", "imagenet"),
    }


@pytest.mark.parametrize(
    ("changes", "error", "said"),
    [
        ({"axes": {"seed": [0, 0]}}, ArgumentError, r"two are the same: .*\"seed\": 0"),
        (
            {"axes": {"rate": [0.1], "both": [{"rate": 0.2, "epochs": 1}]}},
            ArgumentError,
            "'rate' is set by 'both' and by one before it",
        ),
        ({"budget": {"runs": 3}}, ArgumentError, "at most budget.runs = 3"),
        ({"recipe": {"epochs": 0}}, ArgumentError, "epochs: .* got 0, in the study"),
        ({"recipe": {"weights": "gone.safetensors"}}, WeightsError, "gone.safetensors' is not"),
    ],
)
def test_what_cannot_be_run_is_refused(tmp_path, changes, error, said):
    with pytest.raises(error, match=said):
        runs(tmp_path, **changes)


@pytest.mark.parametrize(
    ("text", "error", "said"),
    [
        ("axes = 3", ArgumentError, r"axes: .*dictionary, got 3, in '.*a.toml'"),
        ("[axes]\nseed = []", ArgumentError, "at least 1 item"),
        ("[axes]\nseed = [0]\n[grid]\na = 1", ArgumentError, "no option is called 'grid'"),
        ("[axes\nseed = [0]", ArgumentError, r"must be TOML, but '.*' is not"),
        ("[axes]\nbackbon = ['a']", UnknownNameError, r"'backbon'. Did you mean 'backbone'\?"),
        ("protocol = 'chexnext'\n[axes]\nseed = [0]", UnknownNameError, "Known: chextransfer"),
    ],
)
def test_a_file_that_is_wrong_is_refused_with_its_place(tmp_path, text, error, said):
    file = tmp_path / "a.toml"
    file.write_text(text)
    with pytest.raises(error, match=said):
        load_study(file)


def test_a_file_that_is_missing_is_refused(tmp_path):
    with pytest.raises(ArgumentError, match="FILE must name a study: No such file"):
        load_study(tmp_path / "gone.toml")


def test_the_protocol_counts_examples_and_its_file_may_change_it(tmp_path):
    found = runs(tmp_path, protocol="chextransfer", recipe={"size": 64})
    recipe = found[0].recipe
    assert validation_steps(recipe) == 512  # 8,192 examples in batches of 16
    assert (recipe.optimiser, recipe.rate, recipe.beta2) == ("adam", 1e-4, 0.999)
    assert (recipe.keep_best, recipe.epochs, recipe.size) == (10, 3, 64)


@pytest.mark.parametrize("name", PROTOCOLS)
def test_every_protocol_is_a_recipe_with_a_source(name):
    assert Recipe(**PROTOCOLS[name].recipe)
    assert "arXiv" in PROTOCOLS[name].source


def test_the_study_of_sixteen_architectures_has_the_runs_that_its_page_speaks_of():
    path = Path(__file__).parents[2] / "studies" / "architectures.toml"
    study = load_study(path).model_copy(update={"imagenet": {}})  # the files may not be here
    found = plan_runs(study, path.parent, "rows")
    whole = {run.recipe.backbone for run in found if run.recipe.after is None}
    assert (len(found), len(whole)) == (78, 16)
    assert {run.recipe.backbone for run in found if run.weights == "imagenet"} == {
        "mobilenetv2_100",
        "resnet18",
    }
