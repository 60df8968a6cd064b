"""Paper, ink and colours shared by all figures, and how a figure becomes SVG.

Colours are *roles* (ink, grid, series 0, 1, …). A figure is drawn in the light colours; the SVG
then gets the dark ones beside them, through CSS variables inside a page and through a media
query in a file that stands alone. So one drawing reads on both grounds.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

from medgraft.report.words import clean, shorten

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from medgraft.report.figures.curve import Curve

ROLES = {  # role: (on a light ground, on a dark ground)
    "ground": ("#ffffff", "#14181d"),
    "ink": ("#1c2127", "#e8eaed"),
    "soft": ("#59616b", "#a9b1bb"),
    "grid": ("#d9dde2", "#3a424c"),
    "good": ("#00785a", "#3fcf9f"),
    "bad": ("#b8450a", "#ff9a5c"),
    # Okabe and Ito's colours, darkened for white and lightened for black until each has a
    # contrast of at least 3 : 1 with its ground (WCAG 1.4.11).
    "series0": ("#0067a8", "#5bb8f0"),
    "series1": ("#c75300", "#ff9a56"),
    "series2": ("#00805f", "#35cda0"),
    "series3": ("#a8538d", "#e79bce"),
    "series4": ("#937000", "#e8c33c"),
    "series5": ("#5b55c8", "#a7a4ff"),
    "series6": ("#6b6258", "#c9beb0"),
}
LIGHT = {role: light for role, (light, _) in ROLES.items()}
INK, SOFT, GRID = LIGHT["ink"], LIGHT["soft"], LIGHT["grid"]
SERIES = [light for role, light in LIGHT.items() if role.startswith("series")]
DASHES: tuple[Any, ...] = ("-", (0, (5, 1.6)), (0, (1.5, 1.2)))
MARKERS = "osD^v"
WIDTH = 4.6  # inches; at 400 pixels of a telephone the text is still 11 pixels high
_SETTINGS = {
    "svg.fonttype": "none",  # real text: it can be searched, copied and read aloud
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 10,
    "text.parse_math": False,  # a class may be called "$5 {"
    "axes.edgecolor": SOFT,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.unicode_minus": True,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "text.color": INK,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "lines.linewidth": 1.8,
    "lines.solid_capstyle": "round",
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    "legend.frameon": False,
}


@dataclass(frozen=True)
class Drawing:
    """A finished figure.

    Attributes:
        name: File name without suffix, and prefix of all ids in the SVG.
        title: What it shows, in a few words.
        description: What a reader who cannot see it must know, in sentences.
        caption: How to read it, for those who see it.
        body: The SVG element, in light colours, without a prolog.
        width: Natural width in inches.
    """

    name: str
    title: str
    description: str
    caption: str
    body: str
    width: float

    def for_page(self) -> str:
        """The element for use inside an HTML page that sets the CSS variables of `variables`."""
        body = re.sub(r"""\sxmlns(:\w+)?="[^"]*\"""", "", self.body)
        return _COLOUR.sub(lambda found: f"var(--{_ROLE_OF[found[0]]})", body)

    def alone(self) -> str:
        """A whole SVG file: light colours, and dark ones where the reader prefers them."""
        head, tag, rest = self.body.partition(">")
        ground = f'<rect width="100%" height="100%" style="fill: {LIGHT["ground"]}"/>'
        return f"{head}{tag}<style>{dark_rules()}</style>{ground}{rest}\n"


_ROLE_OF = {light: role for role, light in LIGHT.items()}
_COLOUR = re.compile("|".join(_ROLE_OF))


def variables(*, dark: bool) -> str:
    """The CSS variables that give each role its colour on a light or dark ground."""
    return "".join(f"--{role}:{colours[dark]};" for role, colours in ROLES.items())


def dark_rules() -> str:
    """CSS that turns light colours into dark ones where the reader prefers them."""
    rules = (
        f'[style*="{what}: {light}"]{{{what}:{dark}!important}}'
        for light, dark in ROLES.values()
        for what in ("fill", "stroke")
    )
    return f"@media (prefers-color-scheme:dark){{{''.join(rules)}}}"


def paper(width: float, height: float) -> Figure:
    """An empty figure of this size in inches.

    Everything that is drawn must be drawn inside `style`.
    """
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height))


def style() -> Any:
    """The settings of all figures, as a context."""
    import matplotlib as mpl

    return mpl.rc_context(_SETTINGS)


def panel(
    figure: Figure,
    *,
    left: float = 0.62,
    right: float = 0.15,
    top: float = 0.12,
    bottom: float = 0.55,
) -> Axes:
    """Axes with these margins in inches."""
    width, height = figure.get_size_inches()
    box = (
        left / width,
        bottom / height,
        1 - (left + right) / width,
        1 - (top + bottom) / height,
    )
    return figure.add_axes(box)


def line_style(i: int) -> dict[str, Any]:
    """Colour and dash of the i-th line: seven colours, each in three dashes."""
    return {"color": SERIES[i % 7], "linestyle": DASHES[i // 7 % 3]}


KEY_ROW = 0.2  # inches


def key_height(entries: int, *, columns: int = 2) -> float:
    """Height in inches of a key with this many entries; none for a single line."""
    return 0.0 if entries < 2 else -(-entries // columns) * KEY_ROW + 0.06


def key(figure: Figure, handles: Sequence[Any], labels: Sequence[str], *, columns: int = 2) -> None:
    """A key along the bottom edge, where it cannot cover a curve."""
    if len(handles) < 2:
        return
    figure.legend(
        handles,
        [plain(text, 30) for text in labels],
        loc="lower left",
        bbox_to_anchor=(0.02, 0.0),
        ncols=columns,
        fontsize=9,
        labelspacing=0.35,
        borderaxespad=0.1,
        handlelength=2.2,
        columnspacing=1.2,
    )


def plain(text: str, length: int = 24) -> str:
    """A user's name as a label: one short line; one that begins with "_" is drawn as well."""
    line = shorten(text, length)
    return "\u200b" + line if line.startswith("_") else line  # "_" means "hide" to matplotlib


def finish(figure: Figure, name: str, *, title: str, description: str, caption: str) -> Drawing:
    """Turn a figure into SVG; the same figure gives the same bytes."""
    import matplotlib as mpl

    buffer = io.StringIO()
    blank = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    with mpl.rc_context({"svg.hashsalt": name}), warnings.catch_warnings():
        # The browser has a font for names in other scripts; matplotlib only measures them.
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        figure.savefig(buffer, format="svg", metadata=blank)
    return Drawing(
        name=name,
        title=title,
        description=description,
        caption=caption,
        body=element(buffer.getvalue(), name, title, description),
        width=float(figure.get_size_inches()[0]),
    )


def element(svg: str, name: str, title: str, description: str) -> str:
    """The bare <svg> element, named for readers who hear it, with ids that are its own."""
    body = svg[svg.index("<svg") :].strip()
    body = re.sub(r'<g id="[^"]*"', "<g", body)
    body = re.sub(r"font: ([\d.]+px) [^;\"]*", r"font: \1 'DejaVu Sans', sans-serif", body)
    _, _, rest = body.partition(">")
    width, height = re.findall(r'(?:width|height)="([\d.]+)pt"', body.partition(">")[0])[:2]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
        f' viewBox="0 0 {width} {height}" role="img"'
        f' aria-labelledby="{name}-title {name}-text">'
        f'<title id="{name}-title">{escape(clean(title))}</title>'
        f'<desc id="{name}-text">{escape(clean(description))}</desc>{rest}'
    )


def unit_square(curves: int) -> tuple[Figure, Axes]:
    """A square from 0 to 1 on both axes, with room for a key of this many curves below it."""
    below = key_height(curves)
    figure = paper(WIDTH, 3.95 + below)
    axes = panel(figure, bottom=0.55 + below)
    axes.set_xlim(-0.01, 1.01)
    axes.set_ylim(-0.01, 1.01)
    axes.set_xticks([0, 0.2, 0.4, 0.6, 0.8, 1])
    axes.set_yticks([0, 0.2, 0.4, 0.6, 0.8, 1])
    return figure, axes


def curve(axes: Axes, line: Curve, i: int, *, band: bool = False) -> Any:
    """Draw one curve, with its band and operating point, and return its handle."""
    look = line_style(i)
    if band and line.band is not None:
        axes.fill_between(
            line.band.x, line.band.low, line.band.high, color=look["color"], alpha=0.18, linewidth=0
        )
    steps = "steps-pre" if line.stepped else "default"
    (handle,) = axes.plot(line.x, line.y, drawstyle=steps, **look)
    if line.point is not None:
        axes.plot(
            *line.point,
            marker="o",
            markersize=7,
            markerfacecolor=look["color"],
            markeredgecolor=LIGHT["ground"],
            markeredgewidth=1.5,
            linestyle="none",
            clip_on=False,
            zorder=4,
        )
    return handle


def corner_note(axes: Axes, text: str, *, left: bool = False) -> None:
    """A line of text in a lower corner, where a good curve leaves room."""
    axes.text(
        0.03 if left else 0.97,
        0.04,
        text,
        transform=axes.transAxes,
        ha="left" if left else "right",
        fontsize=10.5,
        fontweight="bold",
    )
