"""What every preset promises. A new one is tested here without being named."""

import numpy as np
import pytest

from medgraft.prepare import pipeline, prepare
from medgraft.prepare.presets import preset_steps, presets
from medgraft.spec import build, write
from tests.prepare.mammograms import mammogram


@pytest.mark.parametrize("name", presets.names())
class TestEveryPreset:
    def test_it_is_written_as_a_spec_and_read_back_equal(self, name):
        made = build(presets, name)
        assert build(presets, write(name, made)) == made
        assert preset_steps(write(name, made), 64, 1) == preset_steps(name, 64, 1)

    @pytest.mark.parametrize("channels", [1, 3])
    @pytest.mark.parametrize("bits", [8, 16])
    def test_it_gives_one_shape_in_the_range(self, name, channels, bits):
        chain = pipeline(preset_steps(name, 48, channels))
        for size in [(120, 90), (300, 200)]:
            done = prepare(mammogram(size).scan(bits), chain)
            assert done.shape == (channels, 48, 48)
            assert 0 <= done.min() < done.max() <= 1

    @pytest.mark.parametrize("window", [(0, 200), "file"])
    def test_the_window_of_a_recipe_takes_part(self, name, window):
        steps = preset_steps(name, 48, 1, window)
        assert steps[0] == "file_window" or any(s.startswith("window:") for s in steps)
        assert np.isfinite(prepare(mammogram().scan(), pipeline(steps))).all()
