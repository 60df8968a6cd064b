"""The page on adding a backbone tells the truth: its code is run."""

import re
import textwrap
from pathlib import Path

import pytest
import torch

from medgraft.nets import create
from medgraft.nets.backbones import backbones

PAGE = Path(__file__).parents[2] / "docs/how-to/add-a-backbone.md"


def test_the_backbone_of_the_page_equals_the_network_it_was_taken_from():
    timm = pytest.importorskip("timm")
    (part,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)
    before = set(backbones.names())  # so that the family is complete before the page joins it
    exec(compile(textwrap.dedent(part), str(PAGE), "exec"), {})  # the page is ours
    added = set(backbones.names()) - before
    try:
        assert added == {"regnety_002", "regnety_016"}
        backbone = create("regnety_002", in_channels=3, classes=2).network.eval().backbone
    finally:
        for name in added:
            backbones._parts.pop(name)
    full = timm.create_model("regnety_002", num_classes=0).eval()
    ours = backbone.stages.state_dict()
    full.load_state_dict({backbone.source_names[k]: v for k, v in ours.items()})
    x = torch.rand(2, 3, 64, 64)
    with torch.inference_mode():
        torch.testing.assert_close(backbone(x).mean((2, 3)), full(x), rtol=1e-4, atol=1e-5)
    assert backbone.names == ["stem", "stage1", "stage2", "stage3", "stage4"]
