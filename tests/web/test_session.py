"""A reader's session, played in Chromium: what is typed is what the ledger holds, whatever happens."""

import pytest

from medgraft.ledger import Class
from tests.web.conftest import keep

pytestmark = pytest.mark.slow


def saved(page, done, total=20):
    """Wait until the page says that all is saved, and so much is done."""
    page.wait_for_selector(f"#far >> text='{done} of {total} scans'")
    page.wait_for_selector("#saved[data-state=good]")


def answer(page, key):
    """Press a key, and wait for another scan to be on the screen, or for the end."""
    before = page.get_attribute("#canvas[data-scan]", "data-scan")
    page.keyboard.press(key)
    page.wait_for_selector(f"#canvas[data-scan]:not([data-scan='{before}']), #notice .done")


def drawn(page):
    """What is on the canvas, as numbers."""
    return page.evaluate(
        """() => {
          const {width, height} = document.querySelector("#canvas");
          const pen = document.querySelector("#canvas").getContext("2d");
          return Array.from(pen.getImageData(0, height / 2, width, 1).data);
        }"""
    )


class TestASession:
    @pytest.fixture
    def twenty(self, begin):
        labelling = begin(images=20, per_image=2)
        for number, image_id in enumerate(labelling.ids):  # another reader has been there before
            labelling.ledger.lease("ben", count=1)
            labelling.ledger.answer("ben", image_id, "lesion" if number % 4 else "normal")
        return labelling

    def test_what_is_typed_is_what_the_ledger_holds(self, browsing, twenty):
        """Label twenty films, undo, reload, lose the connection, be unsure, finish, see agreement."""
        typed = {}
        with browsing(twenty.desk) as page:
            for number in range(8):
                answer(page, "12"[number % 2])
                typed[number] = ("normal", "lesion")[number % 2]
            saved(page, 8)
            keep(page, "labelling")

            page.keyboard.press("z")
            page.wait_for_selector("#far >> text='7 of 20 scans'")
            answer(page, "u")
            typed[7] = "unsure"
            saved(page, 8)
            assert "unsure" in page.inner_text("#said")

            page.reload()
            saved(page, 8)

            page.wait_for_selector("#canvas[data-ahead='3']")  # the next scans are here
            page.context.set_offline(True)
            answer(page, "2")
            typed[8] = "lesion"
            page.wait_for_selector("#saved >> text='No connection: 1 answer kept in this browser'")
            assert len(twenty.ledger.readings(twenty.ids[8])) == 1  # ben's alone
            page.context.set_offline(False)
            saved(page, 9)

            page.route("**/api/answers", lambda route: route.abort())
            answer(page, "1")
            typed[9] = "normal"
            page.wait_for_selector("#saved[data-state=bad]")
            page.unroute("**/api/answers")
            page.on("dialog", lambda dialog: dialog.accept())
            page.reload()
            saved(page, 10)

            page.keyboard.press("ArrowLeft")
            page.wait_for_selector("#looking-back >> text='Looking back: you said normal'")
            assert page.get_attribute("[data-class=normal]", "aria-pressed") == "true"
            page.wait_for_selector("#view >> text='You and the model differ.'")
            # until the scan itself is there, the page takes no answer
            page.wait_for_selector(f"#canvas[data-scan='{twenty.ids[9]}']")
            keep(page, "looking-back")
            page.keyboard.press("2")
            typed[9] = "lesion"
            page.wait_for_selector("#view >> text='The model says the same.'")
            page.keyboard.press("ArrowRight")
            page.wait_for_selector("#looking-back", state="hidden")

            for number in range(10, 20):
                answer(page, "12"[number % 3 > 0])
                typed[number] = ("normal", "lesion")[number % 3 > 0]
            page.wait_for_selector(
                "text='All done. You have answered 20 scans, and all are saved.'"
            )
            keep(page, "done")
            page.click("text=See the agreement")
            page.wait_for_selector("h2 >> text='You and ben'")
            keep(page, "agreement")
            told = page.inner_text("main")
        assert "You have answered 20 scans, 1 of them with “unsure”." in told
        assert self.as_held(twenty) == typed
        ben = {n: "lesion" if n % 4 else "normal" for n in range(20)}
        alike = sum(typed[n] == ben[n] for n in range(20))
        assert f"{alike} of 19" in told

    def as_held(self, labelling):
        found = {}
        for number, image_id in enumerate(labelling.ids):
            (one,) = [one for one in labelling.ledger.readings(image_id) if one.reader == "anna"]
            found[number] = "unsure" if one.labels is None else one.labels[0]
        return found

    def test_two_answers_that_race_and_a_lost_acknowledgement_are_written_once(
        self, browsing, twenty
    ):
        """The answer arrives, what the server says of it does not: the page sends it again."""
        with browsing(twenty.desk) as page:
            lost = []

            def lose(route):
                route.fetch()
                lost.append(route.request.post_data_json["request"])
                route.abort()

            page.route("**/api/answers", lose, times=2)
            answer(page, "1")
            answer(page, "2")
            saved(page, 2)
        assert lost[0] == lost[1]
        events = [one for one in twenty.ledger.events() if one.reader == "anna"]
        assert [one.labels for one in events] == [("normal",), ("lesion",)]

    def test_an_adjudicator_settles_what_readers_dispute(self, browsing, twenty):
        for number, image_id in enumerate(twenty.ids):
            twenty.ledger.lease("anna", count=1)
            twenty.ledger.answer("anna", image_id, "lesion" if number > 2 else "normal")
        wanted = twenty.ledger.labels().filter(status="disputed")["image_id"].to_list()
        assert len(wanted) > 3
        with browsing(twenty.desk, reader="judith") as page:
            assert page.url.endswith("/disputes")
            assert page.inner_text("#dispute") == "Readers said: lesion · normal"
            keep(page, "disputes")
            answer(page, "1")
            page.keyboard.press("z")
            page.wait_for_selector(f"#far >> text='0 of {len(wanted)} disputes'")
            for _ in wanted:
                answer(page, "2")
            page.wait_for_selector(
                f"text='All done. You have settled {len(wanted)} scans, and all are saved.'"
            )
        labels = twenty.ledger.labels()
        assert labels.filter(status="adjudicated")["image_id"].to_list() == wanted
        assert set(labels.filter(status="adjudicated")["label"]) == {"lesion"}

    def test_a_scan_that_cannot_be_read_can_only_be_passed_on(
        self, browsing, begin, films, tmp_path
    ):
        broken = tmp_path / "broken.dcm"
        broken.write_bytes(films[0].read_bytes()[:300])
        (tmp_path / "sound.dcm").write_bytes(films[1].read_bytes())
        labelling = begin(files=sorted(tmp_path.glob("*.dcm")))
        with browsing(labelling.desk, ready="#notice >> text=cannot be shown") as page:
            assert str(tmp_path) not in page.inner_text("#notice")
            assert not page.is_visible("#window")  # there is nothing to show in another way
            page.keyboard.press("1")
            page.wait_for_selector("#live >> text=cannot be answered")
            page.keyboard.press("s")
            page.wait_for_selector("#canvas[aria-label^=Scan]")
            page.keyboard.press("1")
            page.wait_for_selector("#saved[data-state=good]")
        assert [one.act for one in labelling.ledger.events()] == ["skip", "answer"]

    def test_an_answer_that_the_server_refuses_is_told_and_the_page_goes_on(self, browsing, begin):
        labelling = begin()
        with browsing(labelling.desk) as page:
            labelling.ledger.release("anna")  # as if the lease had run out, and ben been quicker
            labelling.ledger.lease("ben", count=4)
            answer(page, "2")
            page.wait_for_selector("#problem >> text=was not accepted")
            page.wait_for_selector("#far >> text='0 of 12 scans'")
            page.wait_for_selector("#last", state="hidden")  # it is no answer
            # the scans in its hands went to ben as well: it shows one of its own once it has asked
            page.wait_for_selector(f"#canvas[data-scan='{labelling.ids[4]}']")
            page.click("#problem-close")
            answer(page, "2")
            saved(page, 1, total=12)
        (event,) = labelling.ledger.events()
        assert event.image_id == labelling.ids[4]


class TestLooking:
    def test_window_zoom_and_inversion_change_the_picture_and_reset_brings_it_back(
        self, browsing, begin
    ):
        with browsing(begin().desk) as page:
            first = drawn(page)
            box = page.locator("#canvas").bounding_box()
            x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
            page.mouse.move(x, y)
            page.mouse.down()
            page.mouse.move(x + 60, y - 60, steps=3)
            page.mouse.up()
            windowed = drawn(page)
            assert sum(windowed) > sum(first)  # up is brighter
            page.mouse.wheel(0, -300)
            page.wait_for_selector("#values >> text=×")
            assert drawn(page) != windowed
            page.mouse.dblclick(x, y)
            assert drawn(page) == first
            page.keyboard.press("i")
            assert drawn(page) != first
            page.keyboard.press("r")
            assert drawn(page) == first

    def test_the_wheel_turns_the_slices_of_a_volume(self, browsing, begin, tmp_path):
        import nibabel
        import numpy as np

        volume = np.zeros((24, 20, 16), np.int16)
        volume += (np.arange(16) * 10).astype(np.int16)
        file = tmp_path / "volume.nii.gz"
        nibabel.Nifti1Image(volume, np.diag([1.0, 1.0, 2.0, 1.0])).to_filename(file)
        with browsing(begin(files=[file]).desk) as page:
            page.wait_for_selector("#slice-words >> text='8 / 16'")
            page.hover("#canvas")
            page.mouse.wheel(0, 120)
            page.wait_for_selector("#slice-words >> text='9 / 16'")
            page.wait_for_selector("#canvas[aria-label*='axial 9 / 16']")
            page.keyboard.press("ArrowUp")
            page.wait_for_selector("#slice-words >> text='8 / 16'")
            page.keyboard.press("p")
            page.wait_for_selector("#canvas[aria-label*='coronal']")
            sides = [
                page.inner_text(f".side.{name}") for name in ("top", "right", "bottom", "left")
            ]
            assert sides == ["S", "L", "I", "R"]
            keep(page, "volume")

    def test_of_independent_classes_keys_tick_and_enter_saves(self, browsing, begin):
        classes = (Class("effusion"), Class("nodule"), Class("cardiomegaly"))
        labelling = begin(kind="independent", classes=classes)
        with browsing(labelling.desk) as page:
            page.keyboard.press("1")
            page.keyboard.press("3")
            assert page.inner_text("#send-words") == "Save: effusion, cardiomegaly"
            answer(page, "Enter")
            answer(page, "Enter")
            saved(page, 2, total=12)
        assert [one.labels for one in labelling.ledger.events()] == [
            ("effusion", "cardiomegaly"),
            (),
        ]

    def test_it_fits_a_telephone_and_can_be_used_without_a_mouse(self, browsing, begin):
        labelling = begin()
        with browsing(labelling.desk, width=400) as page:
            wide = page.evaluate("document.documentElement.scrollWidth")
            assert wide == 400
            keep(page, "narrow")
            landmarks = page.evaluate(
                "['header', 'main', 'nav'].map((name) => document.querySelectorAll(name).length)"
            )
            assert landmarks == [1, 1, 1]
            reached = []
            for _ in range(25):
                page.keyboard.press("Tab")
                reached.append(
                    page.evaluate(
                        "document.activeElement.id || document.activeElement.dataset.class || ''"
                    )
                )
            order = [
                "keys-open",
                "canvas",
                "window",
                "reset",
                "normal",
                "lesion",
                "unsure",
                "skip",
                "undo",
            ]
            assert [one for one in reached if one in order][: len(order)] == order
            page.focus("[data-class=lesion]")
            page.keyboard.press("Enter")
            saved(page, 1, total=12)
            page.wait_for_selector("#live >> text='lesion saved. 11 scans left.'")
            unnamed = page.evaluate(
                """() => [...document.querySelectorAll("button, select, input, a, canvas:not([aria-hidden])")]
                  .filter((one) => !(one.textContent.trim() || one.ariaLabel || one.labels?.length))
                  .map((one) => one.outerHTML)"""
            )
            assert not unnamed
        assert [one.labels for one in labelling.ledger.events()] == [("lesion",)]
