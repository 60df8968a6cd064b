"""Holm's correction against its definition, one step after the other."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medgraft.errors import ArgumentError
from medgraft.evaluate import holm

PS = st.lists(st.floats(0, 1), max_size=8)


@given(PS, st.floats(0.001, 0.999))
def test_rejects_what_stepping_down_rejects(p, level):
    rejected = set()
    for step, k in enumerate(sorted(range(len(p)), key=p.__getitem__)):
        if p[k] * (len(p) - step) > level:
            break
        rejected.add(k)
    assert {k for k, value in enumerate(holm(p)) if value <= level} == rejected


@given(PS)
def test_never_falls_and_keeps_the_order(p):
    found = holm(p)
    assert all(a <= b <= 1 for a, b in zip(p, found, strict=True))
    ranked = sorted(zip(p, found, strict=True))
    assert [b for _, b in ranked] == sorted(found)


@pytest.mark.parametrize("wrong", [[-0.1], [1.1, 0.2], [float("nan")]])
def test_what_is_no_probability_is_refused(wrong):
    with pytest.raises(ArgumentError, match="in \\[0, 1\\]"):
        holm(wrong)
