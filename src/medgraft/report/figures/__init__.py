"""Figures: numbers in, a picture out, one figure per file.

Nothing here computes a result. `medgraft.report.lines` asks `medgraft.evaluate` for the curves, and a
figure places them. Each module has a function ``draw`` that returns a `canvas.Drawing`.
"""
