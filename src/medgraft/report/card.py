"""A model card in Markdown: what was measured, and what its makers have not said."""

from __future__ import annotations

import re
from typing import Any

from medgraft.report import lines, remarks, tables
from medgraft.report.saved import Saved
from medgraft.report.template import environment
from medgraft.report.words import clean, without_folders

NOT_STATED = (
    "Intended use and users",
    "Population and sites that the images come from",
    "Scanners and acquisition protocols",
    "How the labels were made, and by whom",
    "Performance in subgroups (age, sex, site, scanner)",
    "Test on images of another site",
    "Licence of the weights and of the data",
    "Contact",
)


def card(saved: Saved) -> str:
    """The text of card.md, with the numbers of evaluation.json."""
    record = saved.record
    filled = environment(autoescape=False)
    filled.filters["safe_md"] = safe
    return filled.get_template("card.md.j2").render(
        saved=saved,
        evaluation=saved.evaluation,
        record=record,
        task=remarks.task(saved.evaluation),
        answer=remarks.answer(saved),
        in_use=remarks.in_use(saved.evaluation),
        warnings=[without_folders(text) for text in remarks.warnings(saved)],
        threshold=remarks.threshold(saved.evaluation),
        metrics=tables.metrics(saved.evaluation),
        classes=tables.classes(saved.evaluation),
        confusion=lines.table_of_classes(saved.evaluation),
        splits=None if record is None else tables.splits(record.data),
        training={} if record is None else tables.training(record),
        command="" if record is None else tables.command(record),
        not_stated=NOT_STATED,
        not_a_device=remarks.NOT_A_DEVICE,
    )


def safe(text: Any) -> str:
    r"""Text that Markdown shows as it is, also inside a table.

    Examples:
        >>> safe("a|b <script>\n*c*")
        'a\\|b &lt;script&gt; \\*c\\*'
    """
    line = " ".join(clean(text).split())
    line = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_\[\]|#])", r"\\\1", line)
