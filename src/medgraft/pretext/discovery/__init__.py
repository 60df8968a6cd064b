"""Find recurring anatomical patterns in unlabelled scans: the same place of scans that look alike.

Source: Haghighi et al. 2020 (Semantic Genesis), arXiv:2007.06959, section 2. `job.discover` does
all of it; `table.Patterns` is what it leaves, `crops.pattern_batches` what others learn from.
"""
