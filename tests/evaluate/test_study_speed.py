"""The statistics of a large study stay within the time that its goals allow, in processor seconds."""

import time

import pytest
from bench.study import LABELS, ROWS, RUN_ROWS, RUNS, TASKS, compare, table


def processor_seconds(tables):
    began = time.process_time()
    found = compare(tables)
    return time.process_time() - began, found


@pytest.mark.slow
def test_fourteen_labels_of_twenty_thousand_rows_take_less_than_ten_seconds():
    seconds, _ = processor_seconds([table(ROWS, LABELS, 1)])
    assert seconds < 10


@pytest.mark.slow
def test_thirty_two_runs_in_all_pairs_take_less_than_thirty_seconds():
    seconds, found = processor_seconds([table(RUN_ROWS, TASKS, seed) for seed in range(RUNS)])
    assert len(found) == RUNS * (RUNS - 1) // 2
    assert seconds < 30
