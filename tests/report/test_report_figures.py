"""Figures: geometry, colours, and that they show what they were given."""

import itertools
import re
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medgraft.report.figures import canvas, confusion, hexagon, roc
from medgraft.report.figures.curve import Curve
from medgraft.report.lines import shares

SPOKES = hexagon.SPOKES


def luminance(colour):
    """Relative luminance of WCAG 2."""
    values = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [v / 12.92 if v <= 0.03928 else ((v + 0.055) / 1.055) ** 2.4 for v in values]
    return sum(w * v for w, v in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one, other):
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


class TestHexagon:
    def test_has_six_spokes_sixty_degrees_apart(self):
        points = hexagon.vertices([1] * 6)
        angles = np.rad2deg(np.arctan2(points[:, 1], points[:, 0]))
        turns = (angles - np.roll(angles, -1)) % 360
        np.testing.assert_allclose(turns, 60)

    def test_starts_at_the_top(self):
        np.testing.assert_allclose(hexagon.vertices([1] * 6)[0], [0, 1], atol=1e-12)

    @given(st.lists(st.floats(0, 1), min_size=6, max_size=6))
    def test_puts_each_value_at_its_distance_on_its_spoke(self, values):
        points = hexagon.vertices(values)
        np.testing.assert_allclose(np.hypot(*points.T), values, atol=1e-12)
        np.testing.assert_allclose(points, np.array(values)[:, None] * hexagon.vertices([1] * 6))

    def test_of_ones_is_the_frame(self):
        drawn = hexagon.draw({"all": dict.fromkeys(SPOKES, 1.0)})
        paths = re.findall(r'<path d="([^"]*)"', drawn.body)
        polygons = [p for p in map(points_of, paths) if len(p) in (6, 7)]
        widest = max(np.ptp(p[:, 0]) for p in polygons)
        frames = [p[:6] for p in polygons if np.ptp(p[:, 0]) == widest]
        assert len(frames) >= 2  # the frame, and the polygon upon it
        for other in frames[1:]:
            np.testing.assert_allclose(
                sorted(other.tolist()), sorted(frames[0].tolist()), atol=1e-3
            )

    def test_draws_one_polygon_per_run(self):
        runs = {name: dict.fromkeys(SPOKES, value) for name, value in (("a", 0.5), ("b", 0.9))}
        drawn = hexagon.draw(runs)
        for colour in canvas.SERIES[:2]:
            assert f"stroke: {colour}" in drawn.body
        assert f"stroke: {canvas.SERIES[2]}" not in drawn.body

    def test_leaves_an_undefined_spoke_bare_and_says_so(self):
        drawn = hexagon.draw({"a": {**dict.fromkeys(SPOKES, 0.5), "auroc": None}})
        assert "nan" not in drawn.body
        assert "spoke is bare: AUROC" in drawn.caption
        assert "AUROC undefined" in drawn.description


def points_of(path):
    return np.array([[float(x), float(y)] for x, y in re.findall(r"[ML] ([\d.]+) ([\d.]+)", path)])


class TestColours:
    @pytest.mark.parametrize("ground", [0, 1], ids=["light", "dark"])
    def test_text_has_a_contrast_of_4_5_and_lines_of_3(self, ground):
        paper = canvas.ROLES["ground"][ground]
        for role, colours in canvas.ROLES.items():
            if role in ("ink", "soft", "good", "bad"):
                assert contrast(colours[ground], paper) >= 4.5, role
            elif role.startswith("series"):
                assert contrast(colours[ground], paper) >= 3, role

    @pytest.mark.parametrize("ground", [0, 1], ids=["light", "dark"])
    def test_text_stays_readable_on_the_strongest_cell(self, ground):
        ink, paper, fill = (canvas.ROLES[r][ground] for r in ("ink", "ground", "series0"))
        mixed = "#" + "".join(
            f"{round((int(paper[i : i + 2], 16) + int(fill[i : i + 2], 16)) / 2):02x}"
            for i in (1, 3, 5)
        )
        assert confusion.STRENGTH == 0.5
        assert contrast(ink, mixed) >= 4.5

    @pytest.mark.parametrize("ground", [0, 1], ids=["light", "dark"])
    def test_the_first_colours_differ_for_the_colour_blind_too(self, ground):
        """Deuteranopia and protanopia by Machado et al. 2009; distances in CIE Lab."""
        colours = [canvas.ROLES[f"series{i}"][ground] for i in range(4)]
        for matrix in MACHADO.values():
            seen = [lab(matrix @ linear(colour)) for colour in colours]
            for one, other in itertools.combinations(seen, 2):
                assert np.linalg.norm(one - other) > 11

    def test_twentyone_lines_look_different(self):
        looks = [tuple(map(str, canvas.line_style(i).values())) for i in range(21)]
        assert len(set(looks)) == 21

    def test_roles_have_colours_of_their_own(self):
        lights = [light for light, _ in canvas.ROLES.values()]
        assert len(set(lights)) == len(lights)  # a colour is how a role is found in the SVG


MACHADO = {
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
}  # fmt: skip


def linear(colour):
    v = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4)


def lab(rgb):
    to_xyz = np.array(
        [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    )
    x, y, z = (to_xyz @ rgb.clip(0, 1)) / [0.9505, 1.0, 1.089]
    f = [t ** (1 / 3) if t > 0.008856 else 7.787 * t + 16 / 116 for t in (x, y, z)]
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def diagonal(name, point=None):
    line = np.linspace(0, 1, 5)
    return Curve(name, "0.500", line, line, point=point)


def test_every_class_stands_in_the_key_whatever_its_name():
    names = ["_hidden", "$x^{", "<b>", "Effusion"]
    drawn = roc.draw([diagonal(name) for name in names])
    root = ET.fromstring(drawn.body)
    texts = [t.text or "" for t in root.iter("{http://www.w3.org/2000/svg}text")]
    for name in names:
        assert any(name in text for text in texts), name


def test_page_form_has_roles_in_place_of_every_colour():
    drawn = roc.draw([diagonal("a", point=(0.2, 0.6))])
    assert re.search(r"#[0-9a-f]{6}", drawn.for_page()) is None
    used = set(re.findall(r"var\(--(\w+)\)", drawn.for_page()))
    assert used <= set(canvas.ROLES)
    assert all(f"--{role}:" in canvas.variables(dark=True) for role in used)


def test_same_numbers_give_the_same_bytes():
    assert roc.draw([diagonal("a")]) == roc.draw([diagonal("a")])


@given(st.lists(st.lists(st.integers(0, 50), min_size=3, max_size=3), min_size=3, max_size=3))
def test_shares_of_a_row_sum_to_one_or_the_row_is_empty(counts):
    for row, share in zip(counts, shares(counts), strict=True):
        assert sum(share) == pytest.approx(1 if sum(row) else 0)


def test_confusion_shows_rows_as_actual():
    drawn = confusion.draw(["sick", "well"], [[7, 3], [1, 9]], [[0.7, 0.3], [0.1, 0.9]])
    assert (
        "of the images that are sick, 7 were taken for sick, 3 were taken for well"
        in drawn.description
    )
    assert drawn.body.index(">7<") < drawn.body.index(">3<") < drawn.body.index(">1<")
