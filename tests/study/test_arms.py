"""Arms, from a line of text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medgraft.errors import ArgumentError, UnknownNameError, WeightsError
from medgraft.spec import split
from medgraft.study.arms import OWN, check_arms, read_arms
from medgraft.train.recipe import Recipe
from medgraft.train.strategies import strategies

RECIPE = Recipe(after="layer3")


def read(text, weights="imagenet"):
    return read_arms(text, weights=weights)


PLAIN = [name for name in strategies.names() if name not in ("vanilla", "from")]
SETTINGS = st.lists(
    st.sampled_from(["rate=1e-4", "epochs=5", "clip=null"]), unique=True, max_size=3
)
ARM = st.tuples(
    st.sampled_from([*PLAIN, "from:layer3", "two-phase:head_epochs=2,low=1e-5,high=1e-3"]),
    st.sampled_from(["", "+none", "+w/b.safetensors"]),
    SETTINGS,
)


@given(st.lists(ARM, min_size=1, max_size=8))
def test_a_line_is_cut_into_the_arms_it_was_joined_from(arms):
    texts = [a + b + ("@" + ",".join(c) if c else "") for a, b, c in arms]
    assert split(",".join(texts)) == texts
    assert split(" , ".join(texts)) == texts


def test_no_strategy_is_called_like_a_setting():
    """The rule by which a line is cut."""
    assert not [name for name in strategies.names() if "=" in name or "," in name or "+" in name]


def test_vanilla_is_random_whatever_the_weights_are():
    arms = read("vanilla,full,full+none,head+some.safetensors@rate=2")
    assert [arm.weights for arm in arms] == ["none", "imagenet", "none", "some.safetensors"]
    assert arms[3].recipe(RECIPE, 4).model_dump() == {
        **RECIPE.model_dump(),
        "strategy": "head",
        "weights": "some.safetensors",
        "rate": 2.0,
        "seed": 4,
    }


def test_what_makes_arms_comparable_is_no_setting_of_an_arm():
    judged_or_seen = {"size", "steps", "augment", "seed", "labels_per_class", "threshold", "test"}
    assert not judged_or_seen & set(OWN)
    assert set(OWN) <= set(Recipe.model_fields)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "an arm must be STRATEGY"),
        ("full,,head", "an arm must be STRATEGY"),
        ("full+", "an arm must be STRATEGY"),
        ("@rate=1", "an arm must be STRATEGY"),
        ("full,head,full", "'full' stands twice"),
        ("full@size=64", "no setting that an arm may have is called 'size'"),
        ("full@rat=1", "Did you mean 'rate'"),
        ("full@rate", "setting that an arm may have"),
        ("fulll", "Did you mean 'full'"),
    ],
)
def test_wrong_arms_are_refused_with_what_to_write(text, said):
    with pytest.raises((ArgumentError, UnknownNameError), match=said):
        read(text)


@pytest.mark.parametrize(
    ("text", "error", "said"),
    [
        ("full+none@rate=-1", ArgumentError, "rate: .* got -1, in arm 'full[+]none@rate=-1'"),
        ("from:layer9+none", UnknownNameError, "stage .*'layer9'.* In arm 'from:layer9[+]none'"),
        ("vanilla+imagenet", ArgumentError, "starts from random weights.* In arm"),
        ("gradual+none@epochs=2", ArgumentError, "an epoch for each of its .* phases"),
        ("full+none@schedule=cosin", UnknownNameError, "no schedule"),
        ("head+nowhere.safetensors", WeightsError, "In arm 'head[+]nowhere.safetensors'"),
    ],
)
def test_arms_that_cannot_be_trained_are_refused_before_anything_is(text, error, said):
    with pytest.raises(error, match=said):
        check_arms(read(text), RECIPE)


def test_weights_that_end_earlier_than_the_network_are_refused(data):
    file = data / "weights" / "resnet18_to_layer3_imagenet.safetensors"
    check_arms(read("head,full,vanilla", str(file)), RECIPE)
    check_arms(read("linear:layer2,vanilla", str(file)), Recipe())  # the strategy cuts
    with pytest.raises(WeightsError, match="In arm 'head'"):
        check_arms(read("vanilla,head", str(file)), Recipe())
    with pytest.raises(WeightsError, match="In arm 'head'"):
        check_arms(read("head", str(file)), Recipe(backbone="mobilenetv2_100"))
