"""What evidence may be, and what is refused."""

import numpy as np
import pytest

from medgraft.active.evidence import Evidence
from medgraft.errors import EvidenceError, ShapeError

HALVES = np.full((4, 3, 2), 0.5)
FEATURES = np.zeros((4, 5))


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        ({"probabilities": HALVES[0]}, ShapeError, r"shape \(N, V, K\).*got \(3, 2\)"),
        ({"probabilities": HALVES[:0]}, ShapeError, r"none of them 0, got \(0, 3, 2\)"),
        ({"probabilities": HALVES[..., :1]}, ShapeError, "at least 2 .*independent=True"),
        ({"probabilities": HALVES * 3}, EvidenceError, "got 1.5 for candidate 0.*logits"),
        ({"probabilities": HALVES * np.nan}, EvidenceError, "got nan for candidate 0"),
        ({"probabilities": HALVES * 0.9}, EvidenceError, "sum to 1 .*got 0.9 for candidate 0"),
        ({"counts": np.array([1, 2, 3])}, ShapeError, r"shape \(4,\), got int64 of shape \(3,\)"),
        ({"counts": np.ones(4)}, ShapeError, "whole numbers .*got float64"),
        ({"counts": np.array([1, 2, 3, 0])}, EvidenceError, r"in \[1, 3\], got 0 to 3"),
        ({"counts": np.array([1, 2, 3, 4])}, EvidenceError, r"in \[1, 3\], got 1 to 4"),
        ({"features": FEATURES[:3]}, ShapeError, r"shape \(4, D\), got \(3, 5\)"),
        ({"labelled": FEATURES}, EvidenceError, "needs features of the candidates"),
        (
            {"features": FEATURES, "labelled": FEATURES[:, :2]},
            ShapeError,
            r"shape \(L, 5\) like the features, got \(4, 2\)",
        ),
    ],
)
def test_evidence_that_is_none_is_refused(given, error, said):
    with pytest.raises(error, match=said):
        Evidence(**{"probabilities": HALVES, **given})


def test_a_wrong_row_is_named_even_in_a_late_block(monkeypatch):
    monkeypatch.setattr("medgraft.active.evidence.BLOCK", 6)
    wrong = HALVES.copy()
    wrong[3, 1] = 0.4
    with pytest.raises(EvidenceError, match="candidate 3"):
        Evidence(wrong)


def test_independent_labels_need_not_sum_to_one():
    assert Evidence(HALVES * 0.9, independent=True).candidates == 4


def test_half_precision_sums_to_one():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(200, 4, 14)) * 3
    p = np.exp(logits) / np.exp(logits).sum(axis=2, keepdims=True)
    assert Evidence(p.astype(np.float16)).candidates == 200


def test_a_memory_map_is_read_where_it_lies(tmp_path):
    path = tmp_path / "p.npy"
    np.save(path, HALVES.astype(np.float16))
    evidence = Evidence(np.load(path, mmap_mode="r"))
    assert isinstance(evidence.probabilities, np.memmap)
    assert [block.shape for _, block, _ in evidence.blocks()] == [(4, 3, 2)]
    assert evidence.views.tolist() == [3, 3, 3, 3]
