"""The pages say what the code does: generated parts are fresh, commands exist and run."""

import glob
import re
import shlex

import pytest
from docs.generate import ROOT, TERMINAL, pages

from medgraft.cli import __main__ as cli

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
TO_RUN = [
    ROOT / "README.md",
    *sorted((ROOT / "docs/tutorials").glob("*.md")),
    *sorted((ROOT / "docs/how-to").glob("*.md")),
]
FENCE = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
RUN = ("sh", "console")


def blocks(page):
    """Language and text of each fenced block of a page."""
    return FENCE.findall(page.read_text(encoding="utf-8"))


def lines(page, languages):
    """Command lines of a page, without prompts and comments."""
    for language, text in blocks(page):
        if language in languages:
            for line in text.replace("\\\n", " ").splitlines():
                words = shlex.split(line.strip().removeprefix("$ "), comments=True)
                if words:
                    yield words


def files(page):
    """Name and text of the files that a page shows: TOML that begins with a comment "# NAME"."""
    for language, text in blocks(page):
        first = re.match(r"# (\S+\.toml)\n", text)
        if language == "toml" and first:
            yield first[1], text


def named(paths):
    return {"argvalues": paths, "ids": [str(p.relative_to(ROOT)) for p in paths]}


def parse(words):
    """What a command line is parsed to; SystemExit if it is wrong. No recipe file is read."""
    name, rest = cli.split(words)
    return cli._parse(getattr(cli.load(name), cli.class_name(name)), name, rest, None)


def after_program(words):
    """The arguments of medgraft in a line that calls it, however it is started."""
    if words[0] == "medgraft":
        return words[1:]
    return words[words.index("medgraft.cli") + 1 :] if "medgraft.cli" in words else None


class TestGeneratedParts:
    @pytest.mark.parametrize("page", ["README.md", "docs/reference/commands.md"])
    def test_every_command_stands_there(self, page):
        text = (ROOT / page).read_text(encoding="utf-8")
        for name in cli.commands():
            assert f"| `medgraft {name}` | {cli.summary(name)} |" in text

    def test_the_tree_has_every_file_and_no_other(self):
        text = (ROOT / "README.md").read_text(encoding="utf-8")
        shown = text.partition("<!-- tree -->")[2].partition("<!-- /tree -->")[0]
        folder, found = [], set()
        for line in shown.strip().splitlines()[2:-1]:
            depth = (len(line) - len(line.lstrip())) // 2 - 1
            name, _, comment = line.strip().partition(" ")
            if name.endswith("/"):
                folder = [*folder[:depth], name]
            else:
                found.add("".join([*folder[:depth], name]))
                assert comment.strip(), f"{name} has no comment"
        package = ROOT / "src/medgraft"
        files = {
            path.relative_to(package).as_posix()
            for path in package.rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        }
        assert found == files

    def test_nothing_is_stale(self):
        stale = [
            str(page.relative_to(ROOT))
            for page, wanted in pages().items()
            if page.read_text(encoding="utf-8") != wanted
        ]
        assert not stale, f"run `python docs/generate.py`; stale: {stale}"


@pytest.mark.parametrize("page", **named(PAGES))
class TestEveryPage:
    def test_its_links_lead_somewhere(self, page):
        targets = [t for t in LINK.findall(page.read_text(encoding="utf-8")) if "://" not in t]
        missing = [t for t in targets if not (page.parent / t).exists()]
        assert not missing

    def test_its_commands_and_flags_exist(self, page):
        known = {*cli.groups(), *(name.split()[0] for name in cli.commands())}
        for words in lines(page, {*RUN, "bash", ""}):
            arguments = after_program(words)
            if arguments and arguments[0] in known:
                parse(arguments)


@pytest.mark.parametrize("name", cli.commands())
class TestEveryHelp:
    def test_its_examples_are_commands_that_exist(self, name):
        help_ = getattr(cli.load(name), cli.class_name(name)).__doc__
        examples = re.split(r"^ *Examples?:\n", help_, flags=re.MULTILINE)
        assert len(examples) == 2, "a help must end in one list of examples"
        joined = examples[1].strip()
        calls = [line.strip() for line in joined.splitlines()]
        assert calls
        for call in calls:
            arguments = after_program(shlex.split(call))
            assert arguments, f"{call!r} does not call medgraft"
            assert cli.split(arguments)[0] == name
            parse(arguments)


def make_films(folder):
    """The folder `films` that the pages speak of."""
    call(["medgraft", "phantoms", "--out", str(folder / "films"), "--patients", "32"])


def call(words):
    """Run one line of a page in this process, wildcards expanded, and return its status."""
    assert words[0] == "medgraft", f"a page may run medgraft only, not {words[0]!r}"
    expanded = [name for w in words[1:] for name in (sorted(glob.glob(w)) if "*" in w else [w])]
    return cli.main(expanded)


@pytest.mark.slow
@pytest.mark.parametrize("page", **named([p for p in TO_RUN if list(lines(p, RUN))]))
def test_the_commands_of_a_page_run_in_order(page, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for key, value in TERMINAL.items():
        monkeypatch.setenv(key, value)
    todo = list(lines(page, RUN))
    texts = " ".join(word for words in todo for word in words)
    if "--out films " not in texts:
        make_films(tmp_path)
    if "--out films.parquet" not in texts:
        assert call(shlex.split(INDEX)) == 0
    for name, text in files(page):
        (tmp_path / name).write_text(text, encoding="utf-8")
    for words in todo:
        status = call(words)
        said = capsys.readouterr()
        assert status == 0, f"{shlex.join(words)}\n{said.out}\n{said.err}"


INDEX = (
    "medgraft index films --table labels.csv --path file --label label --patient patient"
    " --out films.parquet"
)
