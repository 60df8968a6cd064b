"""The dots of every segmented image: all that is defined is drawn, the rest is said."""

import re
from xml.etree import ElementTree as ET

import pytest

from medgraft.report.figures import spread
from medgraft.report.figures.spread import Spread

SVG = "{http://www.w3.org/2000/svg}"


def classes():
    return {
        "liver": Spread([0.9, 0.8, 0.85, 0.8], 0.8375, 0.81, 0.88),
        "_tumour $x^{": Spread([0.1, None, 0.7, None], 0.4, 0.1, 0.7),
        "never": Spread([None] * 4, None, None, None),
    }


def test_draws_a_dot_per_defined_value():
    root = ET.fromstring(spread.draw(classes(), measure="dice").body)
    dots = [
        use
        for use in root.iter(f"{SVG}use")
        if "0.45" in use.attrib.get("style", "") and "fill-opacity" in use.attrib.get("style", "")
    ]
    assert len(dots) == 6


def test_says_what_it_leaves_out_and_tells_each_mean():
    drawn = spread.draw(classes(), measure="dice")
    assert "Undefined and not drawn: _tumour $x^{: 2, never: 4." in drawn.caption
    assert (
        "liver: mean 0.838 (0.810 to 0.880), from 0.800 to 0.900 over 4 images" in drawn.description
    )
    assert "never: undefined" in drawn.description


def test_every_class_and_the_unit_stand_on_it_whatever_the_name():
    root = ET.fromstring(spread.draw(classes(), measure="hd95", unit="mm").body)
    texts = " ".join(text.text or "" for text in root.iter(f"{SVG}text"))
    for part in ("liver", "_tumour $x^{", "never", "95 % Hausdorff distance, mm"):
        assert part in texts


@pytest.mark.parametrize("unit", ["", "mm"])
def test_same_numbers_give_the_same_bytes_and_colours_are_roles(unit):
    one, other = (spread.draw(classes(), measure="dice", unit=unit) for _ in range(2))
    assert one == other
    assert re.search(r"#[0-9a-f]{6}", one.for_page()) is None


def test_a_negative_value_is_inside_the_picture():
    drawn = spread.draw(
        {"a": Spread([-5.0, 3.0], -1.0, -5.0, 3.0)}, measure="volume_difference", unit="mm³"
    )
    assert "\N{MINUS SIGN}" in drawn.body
