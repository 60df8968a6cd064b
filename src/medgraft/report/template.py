"""Templates of this folder, filled; on a page every value is escaped."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medgraft import __version__
from medgraft.report.figures import canvas
from medgraft.report.remarks import NOT_A_DEVICE
from medgraft.report.words import clean, count, part

if TYPE_CHECKING:
    from jinja2 import Environment

FOLDER = Path(__file__).parent


def fill_page(template: str, **values: Any) -> str:
    """Fill an HTML template; every value is escaped, figures of ours excepted."""
    from markupsafe import Markup

    css = (FOLDER / "report.css").read_text(encoding="utf-8")
    return (
        environment(autoescape=True)
        .get_template(template)
        .render(
            **values,
            css=Markup(css),  # noqa: S704 (our own file)
            light=Markup(canvas.variables(dark=False)),  # noqa: S704 (our own constants)
            dark=Markup(canvas.variables(dark=True)),  # noqa: S704 (our own constants)
            # Figures escape every name themselves: matplotlib its texts, `canvas.element` the rest.
            svg=lambda drawing: Markup(drawing.for_page()),  # noqa: S704
            not_a_device=NOT_A_DEVICE,
            version=__version__,
        )
    )


def environment(*, autoescape: bool) -> Environment:
    """Where templates are found, and what they may use."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    found = Environment(
        autoescape=autoescape,  # noqa: S701 (off only for Markdown, which escapes by `card.safe`)
        loader=FileSystemLoader(FOLDER),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_printable,
        keep_trailing_newline=True,
    )
    found.filters["count"] = count
    found.filters["part"] = part
    found.filters["unbroken"] = unbroken
    return found


def unbroken(text: str) -> Any:
    """Escaped text in which no range of numbers ("0.981–0.992") or share is parted at a line's end."""
    from markupsafe import Markup, escape

    ranges = re.compile(r"[\d.]+–[\d.]+|[\d.]+ %")
    return Markup(ranges.sub(r'<span class="whole">\g<0></span>', str(escape(clean(text)))))  # noqa: S704


def _printable(value: Any) -> Any:
    return clean(value) if type(value) is str else value
