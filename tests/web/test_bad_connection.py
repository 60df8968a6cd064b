"""Whatever is typed, and whatever the connection does: page and ledger say the same in the end."""

import random

import pytest

from tests.web.conftest import keep

pytestmark = pytest.mark.slow

KEYS = [
    "1",
    "2",
    "1",
    "2",
    "1",
    "2",
    "1",
    "2",
    "u",
    "s",
    "z",
    "ArrowLeft",
    "ArrowLeft",
    "ArrowRight",
    "ArrowRight",
    "RELOAD",
]
SLOW = """
let seed = %d;
const chance = () => (seed = (seed * 1103515245 + 12345) %% 2147483648) / 2147483648;
const rest = () => new Promise((done) => setTimeout(done, 100 * chance()));
const real = window.fetch.bind(window);
window.calm = false;
window.fetch = async (...asked) => {
  if (window.calm) return real(...asked);
  await rest();
  if (chance() < %f) throw new TypeError("lost on the way there");
  const found = await real(...asked);
  await rest();
  if (chance() < %f) throw new TypeError("lost on the way back");
  return found;
};
"""
KNOWN = """async () => {
  const { state, current } = await import("/static/state.js");
  return {
    counts: [state.read, state.waiting],
    places: [state.onScreen, current().image_id, document.querySelector("#canvas").dataset.scan],
    hand: state.hand.map((one) => one.image_id),
    trail: state.trail.map((one) => [one.image_id, one.labels, one.event]),
  };
}"""


@pytest.mark.parametrize(("seed", "lost"), [(16, 0.0), (12, 0.0), (4, 0.1)])
def test_page_and_ledger_agree_once_it_is_quiet(browsing, begin, seed, lost):
    labelling, chance = begin(images=20, per_image=2), random.Random(seed)
    with browsing(labelling.desk, script=SLOW % (seed, lost, lost)) as page:
        page.on("dialog", lambda dialog: dialog.accept())
        for _ in range(30):
            key = chance.choice(KEYS)
            page.reload() if key == "RELOAD" else page.keyboard.press(key)
            page.wait_for_timeout(chance.choice([0, 10, 50, 150]))  # a reader who looks, or not
        page.evaluate("window.calm = true")
        page.wait_for_selector("#canvas[data-scan]")
        page.wait_for_selector("#saved:not([data-state=busy], [data-state=bad])")
        page.wait_for_load_state("networkidle")  # counts that a reload left open
        keep(page, f"quiet-{seed}")
        known = page.evaluate(KNOWN)
        assert not page.is_visible("#problem")
    held = {one.image_id: one for one in labelling.ledger.readings() if one.reader == "anna"}
    progress = labelling.ledger.progress()
    assert known["counts"] == [progress.read["anna"], progress.waiting["anna"]]
    assert len(set(known["places"])) == 1
    assert not held.keys() & set(known["hand"])
    for image_id, labels, event in known["trail"]:
        one = held.pop(image_id)  # each stands there once
        assert (labels and tuple(labels), event) == (one.labels, one.event)
    assert not held or lost  # what was said on an earlier visit may not have come yet


def test_a_key_that_comes_before_the_first_scan_does_not_keep_it_away(browsing, begin):
    with browsing(begin().desk, script=SLOW % (1, 0, 0), ready="#canvas") as page:
        page.wait_for_selector("#keys-table tr >> nth=0", state="attached")  # keys are listened to
        for key in "z1zu":
            page.keyboard.press(key)
        page.wait_for_selector("#canvas[data-scan]")
        page.wait_for_selector("#far >> text='0 of 12 scans'")
