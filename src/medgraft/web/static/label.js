// The labelling page: which scan is shown, what its reader says, and what comes next.
//
// A key shows the next scan at once; the answer travels to the server behind it. It lies in the
// outbox of this browser until the server has it on its disk, and only then the page says "saved".

import { Refused, Unreachable, get, newRequest, post } from "./api.js";
import { Outbox } from "./outbox.js";
import { Scans } from "./scans.js";
import { describe, element, likeliest, words } from "./view.js";
import { Viewer } from "./viewer.js";

const AHEAD = 3; // scans that are fetched before they are asked for
const HOLD_MS = 100000; // scans in hand are asked for again, before others may get them
const AGAIN_MS = 5000; // until the page asks again where others have the rest
const MOVE = 40; // pixels of the screen

const at = (id) => document.getElementById(id);

const scans = new Scans();
const viewer = new Viewer(at("canvas"), scans, { changed: tellViewer, failed: tellFailure });

let campaign = null;
let outbox = null;
let hand = []; // scans still to be answered, the current one first
let trail = []; // what was said, oldest first: {image_id, act, labels, event, view}
let place = null; // where in the trail the reader looks; null at the scan to be answered
let chosen = new Set(); // of independent classes
let read = 0;
let waiting = 0;
let heatOn = false;
let asking = null; // timer
let onScreen = null; // image id of the scan that can be seen, or was tried in vain
let failed = false; // whether it was tried in vain
let uncounted = false; // answers of an earlier page, which the server may have got or not
let pictured = null; // image id of the scan in the small picture
let began = 0; // when the scan on the screen came, less the time the page was hidden
let hiddenAt = null;

// --- what is on the screen --------------------------------------------------------------

const current = () => (place === null ? hand[0] : trail[place]);

async function show(pressed = null) {
  const one = current();
  seen(null);
  chosen = new Set(place === null ? [] : (one.labels ?? []));
  tellAnswers();
  if (!one) {
    viewer.clear();
    tellEnd();
    return;
  }
  clearTimeout(asking);
  try {
    const scan = scans.described(one.image_id) ?? (notice("Loading…"), await scans.describe(one.image_id));
    if (one !== current()) return;
    await viewer.show(scan);
    if (one !== current()) return;
  } catch (error) {
    if (one === current()) tellFailure(error);
    return;
  }
  notice(null);
  seen(one.image_id);
  began = performance.now();
  hiddenAt = document.hidden ? began : null;
  tellView();
  if (pressed !== null) measure(pressed);
  setTimeout(fetchAhead);
}

/** Note which scan can be seen: no other one can be answered. */
function seen(imageId, inVain = false) {
  onScreen = imageId;
  failed = inVain;
  if (imageId === null) delete at("canvas").dataset.scan;
  else at("canvas").dataset.scan = imageId;
}

/** How long a reader waited: from the key to the picture that follows it. */
function measure(pressed) {
  requestAnimationFrame(() => {
    const channel = new MessageChannel(); // runs when the frame has been painted
    channel.port1.onmessage = () => {
      performance.measure("key to next scan", { start: pressed, end: performance.now() });
    };
    channel.port2.postMessage(null);
  });
}

function fetchAhead() {
  for (const one of hand.slice(0, AHEAD + 1)) {
    scans.describe(one.image_id).then((scan) => viewer.prepare(scan)).catch(() => {}); // told when shown
  }
}

function seconds() {
  const until = hiddenAt ?? performance.now();
  return Math.min(Math.max(0, (until - began) / 1000), 86400);
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) hiddenAt = performance.now();
  else if (hiddenAt !== null) {
    began += performance.now() - hiddenAt;
    hiddenAt = null;
  }
});

// --- answers ----------------------------------------------------------------------------

function say(act, labels, pressed) {
  const one = current();
  if (!one) return;
  if (onScreen !== one.image_id) {
    announce("The scan is not here yet.");
    return;
  }
  if (failed && act === "answer") {
    announce("A scan that cannot be seen cannot be answered. Be unsure, or leave it to others.");
    return;
  }
  const back = place !== null;
  if (back && act === "skip") {
    announce("You have answered this scan. Undo that first to leave it to others.");
    return;
  }
  if (back && one.act === act && String(one.labels) === String(labels)) return;
  const taken = seconds();
  const said = { image_id: one.image_id, act, labels: act === "answer" ? labels : null };
  if (back) {
    trail[place] = { ...one, ...said, view: one.view };
    tellAnswers();
    tellView();
  } else {
    viewer.copyTo(at("thumb"));
    pictured = one.image_id;
    hand.shift();
    trail.push({ ...said, event: null, view: null });
    if (act !== "skip") read += 1;
    waiting = Math.max(0, waiting - 1);
    show(pressed);
    tellView();
    tellProgress();
  }
  const labelled = said.labels ?? [];
  outbox.add({ image_id: one.image_id, act, labels: labelled, seconds: taken, first: !back });
}

/** Choose a class, or of independent ones tick it. */
function choose(name, pressed) {
  if (!current()) return;
  if (campaign.kind === "exclusive") {
    say("answer", [name], pressed);
    return;
  }
  if (!chosen.delete(name)) chosen.add(name);
  tellAnswers();
  announce(`${name} ${chosen.has(name) ? "chosen" : "not chosen"}`);
}

function send(pressed) {
  const labels = campaign.classes.map((one) => one.name).filter((name) => chosen.has(name));
  say("answer", labels, pressed);
}

function saved(entry, answer) {
  const one = trail.findLast((said) => said.image_id === entry.image_id);
  if (one) {
    one.event = answer.saved.number;
    one.view = answer.view;
  }
  merge(answer.scans);
  tellView();
  if (uncounted && !outbox.waiting) {
    uncounted = false;
    takeNext();
  }
  const left = waiting === 1 ? "1 scan left" : `${waiting} scans left`;
  announce(`${words(entry)} saved. ${left}.`);
}

function refused(entry, error) {
  trail = trail.filter((one) => one.image_id !== entry.image_id || one.event !== null);
  place = null;
  alarm(`Your answer "${words(entry)}" was not accepted: ${error.message}`);
  if (entry.act !== "skip") read = Math.max(0, read - 1);
  takeNext();
}

/** Scans in hand, as the server sees them; those whose answers are on their way are not. */
function merge(given) {
  const before = hand[0];
  const fresh = given.filter((one) => !outbox.holds(one.image_id));
  if (outbox.waiting) {
    const known = new Set(hand.map((one) => one.image_id));
    hand.push(...fresh.filter((one) => !known.has(one.image_id)));
  } else {
    const kept = fresh.find((one) => one.image_id === before?.image_id);
    hand = kept ? [before, ...fresh.filter((one) => one !== kept)] : fresh;
    if (before && !kept && place === null) announce("This scan went to another reader. Here is the next.");
  }
  if (place === null && hand[0]?.image_id !== before?.image_id) show();
  else if (!hand.length && place === null) tellEnd();
  fetchAhead();
}

async function takeNext() {
  clearTimeout(asking);
  try {
    const { sent, waiting: unsent } = outbox;
    const answer = await post("/api/next");
    // the count of the server holds if no answer was on its way; else our own does
    if (!unsent && !outbox.waiting && sent === outbox.sent) ({ read, waiting } = answer);
    merge(answer.scans);
    tellProgress();
    tellSaved();
  } catch (error) {
    tellSaved(error);
    if (!hand.length) tellFailure(error);
    asking = setTimeout(takeNext, AGAIN_MS);
  }
}

async function undo() {
  if (outbox.waiting) {
    announce("Saving first.");
    await outbox.empty();
  }
  const request = newRequest();
  for (let tries = 0; ; tries += 1) {
    try {
      undone(await post("/api/undo", { request }));
      return;
    } catch (error) {
      if (!(error instanceof Unreachable) || tries === 4) {
        alarm(`Nothing was undone: ${error.message}`);
        return;
      }
      await new Promise((resolve) => setTimeout(resolve, 500 * 2 ** tries));
    }
  }
}

function undone(answer) {
  if (!answer.undone) {
    announce("There is nothing to undo.");
    return;
  }
  const { image_id: imageId } = answer.undone;
  const where = trail.findLastIndex((one) => one.image_id === imageId);
  const before = where < 0 ? null : trail[where];
  if (answer.reading) { // an earlier answer holds again
    const one = { ...answer.reading, view: before?.view ?? null };
    if (before) trail[where] = one;
    else trail.push(one);
    place = before ? where : trail.length - 1;
    show();
    announce(`Undone. Your answer is ${words(one)} again.`);
    return;
  }
  trail = trail.filter((one) => one.image_id !== imageId);
  if (before?.act !== "skip") read = Math.max(0, read - 1);
  const scan = answer.scans.find((one) => one.image_id === imageId);
  place = null;
  if (scan) {
    waiting += 1;
    hand = [scan, ...hand.filter((one) => one.image_id !== imageId)];
    announce("Undone. Here is the scan again.");
  } else announce("Undone. Another reader has that scan now.");
  show();
  tellProgress();
}

// --- looking back -----------------------------------------------------------------------

async function back() {
  const to = (place ?? trail.length) - 1;
  if (to < 0 && !(await older())) {
    announce("This is the first scan that you answered.");
    return;
  }
  place = Math.max(0, (place ?? trail.length) - 1);
  show();
}

function forth() {
  if (place === null) {
    announce(hand.length ? "Answer this scan to go on." : "This is the last scan.");
    return;
  }
  place = place + 1 < trail.length ? place + 1 : null;
  show();
}

/** Fetch what was said before the oldest of the trail; whether there was any. */
async function older() {
  const first = trail.find((one) => one.event !== null);
  const path = first ? `/api/history?before=${first.event}` : "/api/history";
  const { readings } = await get(path);
  const known = new Set(trail.map((one) => one.image_id));
  const added = readings.filter((one) => !known.has(one.image_id)).reverse();
  trail = [...added.map((one) => ({ ...one, view: null })), ...trail];
  if (place !== null) place += added.length;
  return added.length > 0;
}

// --- the model's view -------------------------------------------------------------------

/** The answer that the panel speaks of: that of the scan on the screen, or the last one. */
function spoken() {
  if (place !== null) return trail[place];
  if (campaign.model_first && hand[0]?.view) return { ...hand[0], act: null, labels: null };
  return trail.at(-1) ?? null;
}

function tellView() {
  const one = spoken();
  at("last").hidden = !one;
  at("look-again").hidden = place !== null || one?.image_id !== pictured;
  heatButton();
  if (!one) return;
  const heading = one.act === null ? "The model's view" : place === null ? "Your last answer" : "Your answer";
  at("last-heading").textContent = heading;
  at("said").replaceChildren(...(one.act === null ? [] : [element("b", {}, words(one))]));
  at("view").replaceChildren();
  if (one.view) at("view").append(describe(one.view, one, campaign.kind));
  else if (one.act !== "skip" && one.event !== null) {
    get(`/api/scans/${one.image_id}/view`).then((view) => {
      one.view = view;
      if (spoken() === one) tellView();
    }, () => {}); // it is a courtesy; the answer itself is saved
  }
  if (heatOn && place !== null) layHeat();
}

function heatButton() {
  const may = current()?.view?.heat; // a view comes once it may be seen
  at("heat").hidden = !may;
  at("heat").setAttribute("aria-pressed", String(Boolean(may && heatOn)));
}

function toggleHeat() {
  if (at("heat").hidden) {
    announce(place === null ? "A heat map is shown after your answer: go back with the left arrow." : "There is no heat map of this scan.");
    return;
  }
  heatOn = !heatOn;
  heatButton();
  if (heatOn) layHeat();
  else viewer.unlay();
}

async function layHeat() {
  const one = current();
  const { scan } = viewer;
  if (!one || scan?.image_id !== one.image_id) return;
  const slice = viewer.slice;
  const label = one.view ? likeliest(one.view, campaign.kind)?.[0] : null;
  try {
    const bitmap = await scans.heat(scan, viewer.lying.name, slice, label);
    if (one === current() && heatOn) viewer.lay(bitmap, slice);
  } catch (error) {
    alarm(`No heat map: ${error.message}`);
    heatOn = false;
    heatButton();
  }
}

// --- words ------------------------------------------------------------------------------

function announce(text) {
  at("live").textContent = text;
}

function alarm(text) {
  at("alarm").textContent = "";
  at("alarm").textContent = text;
  notice(text, true);
}

function notice(text, lasting = false) {
  const box = at("notice");
  if (text === null && box.dataset.lasting === "true") {
    box.dataset.lasting = "false";
    setTimeout(() => box.dataset.lasting !== "true" && (box.hidden = true), 8000);
    return;
  }
  box.hidden = text === null;
  box.dataset.lasting = String(lasting);
  box.replaceChildren(...(text === null ? [] : [element("p", {}, text)]));
}

function tellFailure(error) {
  viewer.clear();
  if (error instanceof Refused && current()) seen(current().image_id, true);
  if (error instanceof Refused && error.status === 401) {
    tellSaved(error);
    return;
  }
  const more = error instanceof Refused ? " Say that you are unsure, or leave it to others." : "";
  alarm(`This scan cannot be shown: ${error.message}${more}`);
}

function tellEnd() {
  const box = at("notice");
  box.hidden = false;
  box.dataset.lasting = "false";
  if (outbox.waiting) {
    box.replaceChildren(element("p", {}, "Saving…"));
    return;
  }
  if (waiting > 0) {
    box.replaceChildren(element("p", {}, `Other readers have the remaining ${waiting} in hand. This page asks again.`));
    clearTimeout(asking);
    asking = setTimeout(takeNext, AGAIN_MS);
    return;
  }
  const done = read === 1 ? "1 scan" : `${read} scans`;
  const text = read ? `All done. You have answered ${done}, and all are saved.` : "There are no scans for you yet.";
  box.replaceChildren(
    element("p", { class: "done" }, text),
    element("p", {}, element("a", { href: "/agreement", class: "button" }, "See the agreement")),
  );
  announce(text);
  clearTimeout(asking);
  asking = setTimeout(takeNext, 6 * AGAIN_MS); // a new batch may come
}

function tellProgress() {
  const total = read + waiting;
  at("far").textContent = total ? `${read} of ${total} scans` : "No scans";
  at("bar").max = Math.max(total, 1);
  at("bar").value = read;
}

let wasTold = "";

function tellSaved(error = outbox.trouble) {
  const box = at("saved");
  const count = outbox.waiting === 1 ? "1 answer" : `${outbox.waiting} answers`;
  let [state, text] = ["idle", "Nothing to save yet"];
  if (error instanceof Refused && error.status === 401) {
    [state, text] = ["bad", outbox.waiting ? `Signed out: ${count} kept in this browser. ` : "You are signed out. "];
  } else if (error) [state, text] = ["bad", outbox.waiting ? `No connection: ${count} kept in this browser` : "No connection"];
  else if (outbox.waiting) [state, text] = ["busy", outbox.waiting === 1 ? "Saving…" : `Saving ${outbox.waiting}…`];
  else if (trail.length) [state, text] = ["good", "All saved"];
  box.dataset.state = state;
  box.replaceChildren(text);
  if (text.startsWith("Signed out") || text.startsWith("You are signed out")) {
    box.append(element("a", { href: "/sign-in", target: "_blank" }, "Sign in"));
  }
  if (state === "bad" && wasTold !== text) at("alarm").textContent = text;
  wasTold = text;
}

function tellAnswers() {
  const one = current();
  const looksBack = place !== null;
  for (const button of document.querySelectorAll(".class")) {
    button.disabled = !one;
    button.setAttribute("aria-pressed", String(chosen.has(button.dataset.class)));
  }
  at("unsure").disabled = !one;
  at("unsure").setAttribute("aria-pressed", String(looksBack && one.act !== "skip" && one.labels === null));
  at("skip").disabled = !one || looksBack;
  if (at("send")) {
    const names = campaign.classes.map((c) => c.name).filter((name) => chosen.has(name));
    at("send-words").textContent = `Save: ${names.join(", ") || "none of these"}`;
    at("send").disabled = !one;
  }
  at("back").disabled = place === 0 && !trail.length;
  at("forth").disabled = !looksBack;
  const box = at("looking-back");
  box.hidden = !looksBack;
  if (looksBack) box.textContent = `Looking back: you said ${words(one)}`;
}

function tellViewer() {
  const { scan } = viewer;
  for (const [number, name] of ["top", "right", "bottom", "left"].entries()) {
    document.querySelector(`.side.${name}`).textContent = scan ? (viewer.lying.sides?.[number] ?? "") : "";
  }
  if (!scan) {
    at("about").textContent = "";
    at("values").textContent = "";
    at("canvas").setAttribute("aria-label", "No scan");
    return;
  }
  const plane = viewer.lying;
  const about = [scan.modality, scan.view, scan.laterality].filter(Boolean).join(" ");
  at("about").textContent = about;
  const level = (viewer.window.low + viewer.window.high) / 2;
  const width = viewer.window.high - viewer.window.low;
  const slice = plane.slices > 1 ? `${plane.name} ${viewer.slice + 1} / ${plane.slices}` : "";
  const window = scan.coding.colour ? "" : `L ${short(level)} W ${short(width)}`;
  const zoom = viewer.zoom > 1.001 ? `${viewer.zoom.toFixed(1)}×` : "";
  at("values").textContent = [slice, window, zoom].filter(Boolean).join("\n");
  at("canvas").setAttribute("aria-label", ["Scan", about, slice, window, zoom].filter(Boolean).join(", "));
  at("slices").hidden = plane.slices < 2;
  at("slice").max = plane.slices;
  at("slice").value = viewer.slice + 1;
  at("slice-words").textContent = `${viewer.slice + 1} / ${plane.slices}`;
  options("plane", "planes", scan.planes.map((one) => one.name), viewer.plane);
  const channels = Array.from({ length: scan.channels }, (_, n) => `channel ${n + 1}`);
  options("channel", "channels", channels, viewer.channel);
  const names = scan.windows.map((one) => one.name);
  const number = names.indexOf(viewer.window.name);
  options("window", null, number < 0 ? [...names, "own"] : names, number < 0 ? names.length : number);
  at("invert").setAttribute("aria-pressed", String(viewer.inverted));
  if (heatOn && !viewer.overlay && campaign && !at("heat").hidden) layHeat();
}

/** Fill a list, if what it offers has changed, and choose one of it. */
function options(id, box, names, number) {
  const list = at(id);
  const offered = [...list.options].map((one) => one.textContent);
  if (String(offered) !== String(names)) list.replaceChildren(...names.map((name) => element("option", {}, name)));
  list.selectedIndex = number;
  if (box) at(box).hidden = names.length < 2;
}

function short(value) {
  return String(Math.abs(value) >= 100 ? Math.round(value) : Number(value.toPrecision(3)));
}

// --- keys and buttons -------------------------------------------------------------------

const nextOf = (number, count) => (number + 1) % Math.max(count, 1);

/** Key, words for the list of keys (null: not listed), and what it does. */
const COMMANDS = [
  ["u", "unsure", (pressed) => say("unsure", [], pressed)],
  ["s", "leave the scan to other readers", (pressed) => say("skip", [], pressed)],
  ["z", "undo your last answer", undo],
  ["ArrowLeft", "the scan before", back],
  ["ArrowRight", "the scan after", forth],
  ["ArrowUp", "slice before", () => viewer.scan && viewer.step(-1)],
  ["ArrowDown", "slice after", () => viewer.scan && viewer.step(1)],
  ["w", "next window", nextWindow],
  [".", "brighter", () => viewer.changeWindow({ level: -0.05 })],
  [",", "darker", () => viewer.changeWindow({ level: 0.05 })],
  ["]", "more contrast", () => viewer.changeWindow({ width: -0.1 })],
  ["[", "less contrast", () => viewer.changeWindow({ width: 0.1 })],
  ["i", "invert", () => viewer.invert()],
  ["+", "zoom in", () => viewer.zoomBy(1.25)],
  ["=", null, () => viewer.zoomBy(1.25)],
  ["-", "zoom out", () => viewer.zoomBy(0.8)],
  ["r", "reset window and zoom", () => viewer.reset()],
  ["p", "next plane of a volume", () => viewer.scan && viewer.choosePlane(nextOf(viewer.plane, viewer.scan.planes.length))],
  ["c", "next channel", () => viewer.scan && viewer.chooseChannel(nextOf(viewer.channel, viewer.scan.channels))],
  ["h", "heat map, after your answer", toggleHeat],
  ["?", "this list", () => at("keys").showModal()],
];
const SHIFTED = {
  ArrowLeft: [MOVE, 0], ArrowRight: [-MOVE, 0], ArrowUp: [0, MOVE], ArrowDown: [0, -MOVE],
};

function nextWindow() {
  if (!viewer.scan) return;
  const { windows } = viewer.scan;
  const number = windows.findIndex((one) => one.name === viewer.window.name);
  const next = windows[nextOf(number, windows.length)];
  viewer.chooseWindow(next);
  announce(`Window: ${next.name}`);
}

const NAMES = { ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓" };

/** What each key does here: the classes first, so that a class may have any key. */
function bindings() {
  const found = new Map();
  if (campaign.kind === "independent") found.set("Enter", send);
  for (const [key, , act] of COMMANDS) found.set(key, act);
  const rows = [];
  for (const one of campaign.classes) {
    if (!one.key) continue;
    found.set(one.key, (pressed) => choose(one.name, pressed));
    rows.push([one.key, one.name]);
  }
  if (campaign.kind === "independent") rows.push(["Enter", "save what is chosen"]);
  const taken = new Set(campaign.classes.map((one) => one.key));
  rows.push(...COMMANDS.filter(([key, text]) => text && !taken.has(key)));
  rows.push(["Shift ←↑→↓", "move the picture"]);
  at("keys-table").replaceChildren(
    ...rows.map(([key, text]) =>
      element("tr", {}, element("th", { scope: "row" }, element("kbd", {}, NAMES[key] ?? key)), element("td", {}, text)),
    ),
  );
  return found;
}

function listen() {
  const keys = bindings();
  const single = at("keys-on");
  single.checked = localStorage.getItem("medgraft-keys") !== "off";
  single.addEventListener("change", () => localStorage.setItem("medgraft-keys", single.checked ? "on" : "off"));
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || at("keys").open) return;
    const { target, key } = event;
    const writes = target.matches("select, input:not([type=range], [type=checkbox])");
    const slides = target.matches("input[type=range]") && key.startsWith("Arrow");
    const presses = key === "Enter" && target.matches("button, a, summary") && !target.matches(".class");
    if (writes || slides || presses || (!single.checked && key.length === 1)) return;
    if (event.shiftKey && SHIFTED[key]) {
      event.preventDefault();
      viewer.panBy(...SHIFTED[key]);
      return;
    }
    const act = keys.get(key) ?? keys.get(key.toLowerCase());
    if (!act) return;
    event.preventDefault();
    // a key that is held down moves through slices, but answers one scan only
    if (event.repeat && !["ArrowUp", "ArrowDown", "+", "-", ".", ",", "[", "]"].includes(key)) return;
    act(event.timeStamp);
  });
  for (const button of document.querySelectorAll(".class")) {
    button.addEventListener("click", (event) => choose(button.dataset.class, event.timeStamp));
  }
  const clicks = {
    unsure: (event) => say("unsure", [], event.timeStamp),
    skip: (event) => say("skip", [], event.timeStamp),
    send: (event) => send(event.timeStamp),
    undo, back, forth,
    "look-again": back,
    invert: () => viewer.invert(),
    in: () => viewer.zoomBy(1.25),
    out: () => viewer.zoomBy(0.8),
    reset: () => viewer.reset(),
    heat: toggleHeat,
    "keys-open": () => at("keys").showModal(),
  };
  for (const [id, act] of Object.entries(clicks)) at(id)?.addEventListener("click", act);
  at("slice").addEventListener("input", () => viewer.chooseSlice(Number(at("slice").value) - 1));
  at("plane").addEventListener("change", () => viewer.choosePlane(at("plane").selectedIndex));
  at("channel").addEventListener("change", () => viewer.chooseChannel(at("channel").selectedIndex));
  at("window").addEventListener("change", () => {
    const chosenWindow = viewer.scan?.windows[at("window").selectedIndex];
    if (chosenWindow) viewer.chooseWindow(chosenWindow);
  });
  window.addEventListener("beforeunload", (event) => outbox.waiting && event.preventDefault());
}

// --- beginning --------------------------------------------------------------------------

async function begin() {
  campaign = await get("/api/campaign");
  ({ read, waiting } = campaign);
  const prefix = `medgraft:${campaign.identity}:${campaign.reader}:`;
  outbox = new Outbox(prefix, sendAnswer, { saved, refused, changed: () => tellSaved() });
  listen();
  tellAnswers();
  for (const { image_id, act, labels, first } of outbox.entries) {
    trail.push({ image_id, act, labels: act === "answer" ? labels : null, event: null, view: null });
    if (first) waiting -= 1;
    if (first && act !== "skip") read += 1;
  }
  uncounted = outbox.waiting > 0;
  tellProgress();
  await older().catch(() => {}); // the past can be fetched again when it is asked for
  outbox.run(); // what a reload interrupted
  await takeNext();
  tellView();
  setInterval(() => document.hidden || outbox.waiting || takeNext(), HOLD_MS);
}

function sendAnswer({ request, image_id, act, labels, seconds }) {
  return post("/api/answers", { request, image_id, act, labels, seconds });
}

begin().catch((error) => alarm(`The page cannot begin: ${error.message}`));
