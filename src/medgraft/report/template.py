"""Templates of this folder, filled; on a page every value is escaped."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from medgraft import __version__
from medgraft.report.figures import canvas
from medgraft.report.remarks import NOT_A_DEVICE
from medgraft.report.words import clean, count

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
    return found


def _printable(value: Any) -> Any:
    return clean(value) if type(value) is str else value
