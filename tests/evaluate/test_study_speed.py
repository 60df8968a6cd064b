"""The statistics of a large study stay within the time that its goals allow, in processor seconds."""

import time

import pytest
from bench.study import RUNS, in_pairs, mean_auroc, save, table

from medgraft.report import write_comparison


def processor_seconds(work):
    began = time.process_time()
    found = work()
    return time.process_time() - began, found


@pytest.mark.slow
def test_fourteen_labels_of_twenty_thousand_rows_take_less_than_ten_seconds():
    run = table(1)
    seconds, _ = processor_seconds(lambda: mean_auroc(run))
    assert seconds < 10


@pytest.mark.slow
def test_thirty_two_runs_in_all_pairs_take_less_than_thirty_seconds(tmp_path):
    runs = [table(seed) for seed in range(RUNS)]
    seconds, found = processor_seconds(lambda: in_pairs(runs))
    assert len(found) == RUNS * (RUNS - 1) // 2
    assert seconds < 30
    folders = [save(run, tmp_path / f"{k}") for k, run in enumerate(runs)]
    seconds, _ = processor_seconds(lambda: write_comparison(folders, tmp_path / "all"))
    assert seconds < 60  # every metric of every label, and the page
