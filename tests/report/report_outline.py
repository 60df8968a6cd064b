"""A walk over a page that refuses what is not nested, and remembers what it saw."""

from html.parser import HTMLParser

VOID = {"meta", "img", "br", "link", "input", "hr"}
SELF_CLOSED_IN_SVG = {"path", "rect", "use", "line", "circle", "image", "g", "defs"}


class Outline(HTMLParser):
    """Tags with their attributes, text per tag, ids; `wrong` lists faults of nesting."""

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.open, self.tags, self.texts, self.ids, self.wrong = [], [], [], [], []
        self.feed(html)
        self.close()
        self.wrong += [f"<{tag}> never closed" for tag in self.open]

    def handle_starttag(self, tag, attrs):
        self._seen(tag, attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self._seen(tag, attrs)
        if "svg" not in self.open:
            self.wrong.append(f"<{tag}/> outside a figure")

    def _seen(self, tag, attrs):
        attrs = dict(attrs)
        self.tags.append((tag, attrs))
        if "id" in attrs:
            self.ids.append(attrs["id"])

    def handle_endtag(self, tag):
        if not self.open or self.open[-1] != tag:
            self.wrong.append(f"</{tag}> closes {self.open[-1:]}")
        else:
            self.open.pop()

    def handle_data(self, data):
        if data.strip() and self.open and self.open[-1] not in ("style", "script"):
            self.texts.append((self.open[-1], data.strip()))

    def attrs(self, tag):
        return [attrs for name, attrs in self.tags if name == tag]

    @property
    def text(self):
        return " ".join(" ".join(data for _, data in self.texts).split())
