"""What is taken along and brought back as CSV."""

import polars as pl
import pytest

from medgraft.errors import TableError
from tests.ledger.test_ledger import read, statuses


@pytest.fixture
def place(quick_folder):
    """Sheets do not depend on the engine."""
    return quick_folder / "ledger.sqlite"


def test_a_sheet_that_was_filled_in_offline_comes_back(begin, tmp_path):
    ledger = begin(count=4)
    sheet = tmp_path / "sheet.csv"
    assert ledger.export_sheet(sheet, "anna", about={"path": {"image-0": "a/b.png"}}) == 4
    table = pl.read_csv(sheet, infer_schema=False)
    assert table["path"][0] == "a/b.png"
    filled = table.with_columns(
        label=pl.Series(["normal", "pneumonia", None, None]),
        act=pl.Series([None, None, "unsure", None], dtype=pl.String),
        seconds=pl.Series(["2.5", None, None, None]),
    )
    filled.write_csv(sheet)
    found = ledger.import_csv(sheet)
    assert (found.added, found.known, found.conflicts) == (3, 0, ())
    assert list(statuses(ledger).values()) == ["agreed", "agreed", "unsure", "open"]
    assert next(ledger.events()).seconds == 2.5


def test_the_same_sheet_twice_adds_nothing(begin, tmp_path):
    ledger = begin(("anna",))
    read(ledger, "anna", "normal")
    read(ledger, "anna", "pneumonia")
    sheet = tmp_path / "labels.csv"
    assert ledger.export_csv(sheet) == 2
    events = list(ledger.events())
    found = ledger.import_csv(sheet)
    assert (found.added, found.known, found.conflicts) == (0, 2, ())
    assert list(ledger.events()) == events


def test_readings_travel_from_one_ledger_to_a_copy_of_it(begin, tmp_path):
    from medgraft.ledger import open_ledger
    from tests.ledger.conftest import images

    ledger = begin(count=3, kind="independent")
    read(ledger, "anna", ["pneumonia", "normal"], seconds=1.5, model="m", request="own")
    read(ledger, "ben", [])
    ledger.skip("anna", ledger.next("anna").image_id)
    sheet = tmp_path / "all.csv"
    ledger.export_csv(sheet)
    other = open_ledger(tmp_path / "other.sqlite", create=ledger.campaign)
    for name in ("anna", "ben"):
        other.admit(name)
    other.queue(1, images(3))
    assert other.import_csv(sheet).added == 3
    said = [(r.image_id, r.reader, r.act, r.labels) for r in other.readings()]
    assert said == [(r.image_id, r.reader, r.act, r.labels) for r in ledger.readings()]
    first = next(other.events())
    assert (first.request, first.seconds, first.model) == ("own", 1.5, "m")
    other.close()


def test_what_the_reader_said_otherwise_is_a_conflict_and_stays(begin, tmp_path):
    ledger = begin(("anna",))
    image = read(ledger, "anna", "normal")
    sheet = tmp_path / "s.csv"
    sheet.write_text(f"image_id,label\n{image},pneumonia\nimage-3,normal\n")
    found = ledger.import_csv(sheet, reader="anna")
    (conflict,) = found.conflicts
    assert found.added == 1
    assert (conflict.line, conflict.sheet, conflict.ledger) == (2, "pneumonia", "anna: normal")
    assert "says something else" in conflict.why
    assert [e.act for e in ledger.events()] == ["answer", "answer"]


def test_a_sheet_may_correct_when_that_is_asked_for(begin, tmp_path):
    ledger = begin(("anna",))
    image = read(ledger, "anna", "normal")
    sheet = tmp_path / "s.csv"
    sheet.write_text(f"image_id,label\n{image},pneumonia\n")
    assert ledger.import_csv(sheet, reader="anna", correct=True).corrected == 1
    assert ledger.import_csv(sheet, reader="anna", correct=True).known == 1
    assert [e.act for e in ledger.events()] == ["answer", "correction"]


def test_what_was_taken_back_is_not_brought_back_in_silence(begin, tmp_path):
    ledger = begin(("anna",))
    read(ledger, "anna", "normal")
    sheet = tmp_path / "s.csv"
    ledger.export_csv(sheet)
    ledger.undo("anna")
    (conflict,) = ledger.import_csv(sheet).conflicts
    assert "taken back" in conflict.why
    assert statuses(ledger)["image-0"] == "open"


def test_a_reading_that_nobody_wants_any_more_is_a_conflict(begin, tmp_path):
    ledger = begin()
    image = read(ledger, "anna", "normal")
    sheet = tmp_path / "s.csv"
    sheet.write_text(f"image_id,label,reader\n{image},pneumonia,ben\n")
    (conflict,) = ledger.import_csv(sheet).conflicts
    assert (conflict.reader, conflict.ledger) == ("ben", "anna: normal")
    assert statuses(ledger)[image] == "agreed"


def test_an_image_that_was_read_offline_is_no_longer_anybodys_to_answer(begin, tmp_path):
    from medgraft.errors import LeaseError

    ledger = begin()
    image = ledger.next("ben").image_id
    sheet = tmp_path / "s.csv"
    sheet.write_text(f"image_id,label\n{image},pneumonia\n")
    assert ledger.import_csv(sheet, reader="anna").added == 1
    with pytest.raises(LeaseError, match="not in their hands"):
        ledger.answer("ben", image, "normal")


def test_a_sheet_from_a_spreadsheet_with_semicolons_is_read(begin, tmp_path):
    ledger = begin(("anna",))
    sheet = tmp_path / "s.csv"
    sheet.write_text("\ufeffimage_id;label;seconds\nimage-0; normal ;3\n", encoding="utf-8")
    assert ledger.import_csv(sheet, reader="anna").added == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("image_id,label\nimage-0,pneumonja\n", r"line 2: no class is called 'pneumonja'"),
        ("image_id,label\nimage-9,normal\n", r"line 2: an image must be in the queue"),
        ("image_id,label,reader\nimage-0,normal,eve\n", r"line 2: the reader must be 'anna'"),
        ("image_id,label\nimage-0,normal\nimage-0,normal\n", r"line 3: 'image-0' stands twice"),
        ("image_id,act\nimage-0,maybe\n", r"line 2: act must be answer, unsure or skip"),
        ("image_id,act,label\nimage-0,unsure,normal\n", r"must have no label, got 'normal'"),
        ("image_id,label,seconds\nimage-0,normal,soon\n", r"line 2: could not convert"),
        ("image_id,label,seconds\nimage-0,normal,-1\n", r"seconds must be finite"),
        ("image_id,label\n,normal\n", r"line 2: image_id must not be empty"),
        ("file,label\nimage-0,normal\n", r"must have the columns image_id and label"),
        ("", r"must be a readable CSV file"),
    ],
)
def test_a_wrong_row_is_named_and_nothing_is_taken(begin, tmp_path, text, said):
    ledger = begin(("anna",))
    sheet = tmp_path / "s.csv"
    right = "image-1,normal\n" if text.startswith("image_id,label\n") else ""
    sheet.write_text(text + right)
    with pytest.raises((TableError, ValueError), match=said):
        ledger.import_csv(sheet, reader="anna")
    assert not list(ledger.events())


def test_a_sheet_without_a_reader_needs_one(begin, tmp_path):
    ledger = begin(("anna",))
    sheet = tmp_path / "s.csv"
    sheet.write_text("image_id,label\nimage-0,normal\n")
    with pytest.raises(TableError, match="reader must not be empty"):
        ledger.import_csv(sheet)


def test_a_sheet_that_is_not_there_is_refused(begin, tmp_path):
    with pytest.raises(TableError, match="must be a readable CSV file"):
        begin(("anna",)).import_csv(tmp_path / "none.csv")
