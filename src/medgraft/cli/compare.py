"""The command `medgraft compare`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro


@dataclass(frozen=True)
class Compare:
    """Say how runs differ on the same test images, with intervals, or refuse.

    The first RUN is the reference. Every other one is compared with it in pairs: all metrics
    in the same resampled patients, each run at its own threshold, and DeLong's test of AUROC
    with Holm's correction for the number of runs. Runs that were judged on other images, or
    with another truth, are refused. A folder that `medgraft evaluate` wrote will do as well.

    Example:
        medgraft compare runs/vanilla runs/head runs/full --out compared
    """

    runs: Annotated[
        tuple[Path, ...],
        tyro.conf.Positional,
        tyro.conf.arg(metavar="RUN RUN [RUN ...]", help_behavior_hint="(at least two)"),
    ]
    """Folders of runs or evaluations; the first is the reference."""
    out: Path
    """New folder for comparison.json, compare.html and figures."""
    replicates: int = 1000
    """Bootstrap replicates."""
    seed: int = 0
    """Of the replicates."""

    def run(self) -> None:
        """Compare, write and print."""
        from medgraft.files import check_free, read_json
        from medgraft.report import write_comparison

        check_free(self.out)
        page = write_comparison(
            self.runs, self.out, only_pairs=True, replicates=self.replicates, seed=self.seed
        )
        _show(read_json(self.out / "comparison.json"))
        print(f"\n{page}")


def _show(found: dict[str, Any]) -> None:
    patients = f" of {found['n_patients']} patients" if found["n_patients"] else ""
    print(
        f"{found['n_images']} images{patients}; {found['confidence']:.0%} intervals from"
        f" {found['replicates']} replicates by {found['unit']}, seed {found['seed']}"
    )
    _show_runs(found["runs"])
    for one in found["differences"]:
        print(f"\n{one['run']} minus {found['reference']}\n")
        print(f"{'metric':<18} {'difference':>10}   {'interval':<18}  excludes zero")
        for name, entry in one["metrics"].items():
            print(f"{name:<18} {_line(entry)}".rstrip())
        if one["delong"] is not None:
            print(f"\n{_test(one['delong'], len(found['differences']))}")
    for note in found["notes"]:
        print(f"\n{note}")


def _show_runs(runs: list[dict[str, Any]]) -> None:
    width = max(len(run["run"]) for run in runs)
    print(f"\n{'run':<{width}}  {'seconds':>9}  {'parameters':>12}  {'images/s':>9}")
    for run in runs:
        cells = (
            ("seconds", "9,.1f"),
            ("parameters", "12,.0f"),
            ("images_per_second", "9,.1f"),
        )
        told = (_cell(run[key], layout) for key, layout in cells)
        print(f"{run['run']:<{width}}  {'  '.join(told)}")


def _cell(value: float | None, layout: str) -> str:
    return format("-", f">{layout.partition(',')[0]}") if value is None else format(value, layout)


def _line(entry: dict[str, Any]) -> str:
    if entry["value"] is None:
        return f"{'-':>10}   {entry['reason']}"
    text = f"{entry['value']:>+10.4f}"
    if entry["low"] is None:
        return f"{text}   {entry.get('reason', '')}"
    ends = f"{entry['low']:+.4f} to {entry['high']:+.4f}"
    return f"{text}   {ends:<18}  {'yes' if entry['excludes_zero'] else 'no'}"


def _test(test: dict[str, Any], runs: int) -> str:
    if test["p"] is None:
        return f"DeLong: {test['reason']}"
    which = f"mean AUROC of {len(test['classes'])} labels" if len(test["classes"]) > 1 else "AUROC"
    corrected = f", {test['p_holm']:.4g} corrected for {runs} runs (Holm)" if runs > 1 else ""
    verdict = "significant" if test["significant"] else "not significant"
    return (
        f"DeLong, {which}: {test['difference']:+.4f}"
        f" ({test['low']:+.4f} to {test['high']:+.4f}), p = {test['p']:.4g}{corrected}: {verdict}"
    )
