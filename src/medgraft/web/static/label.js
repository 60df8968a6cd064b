// The labelling page: which scan is shown, what its reader says, and what comes next.
//
// A key shows the next scan at once; the answer travels to the server behind it. It lies in the
// outbox of this browser until the server has it on its disk, and only then the page says "saved".

import { Refused, SIGNED_OUT, Unreachable, get, post } from "./api.js";
import { listen } from "./keys.js";
import { layHeat, tellView } from "./model.js";
import { Outbox } from "./outbox.js";
import { Scans } from "./scans.js";
import { at, current, state } from "./state.js";
import {
  alarm, announce, left, notice, tellAnswers, tellEnd, tellProblem, tellProgress, tellSaved,
  tellViewer,
} from "./telling.js";
import { words } from "./view.js";
import { Viewer } from "./viewer.js";

const AHEAD = 3; // scans that are fetched before they are asked for
const HOLD_MS = 100000; // scans in hand are asked for again, before others may get them
const AGAIN_MS = 5000; // until the page asks again where others have the rest
const LATER_MS = 30000; // until it asks where there is nothing left: a new batch may come
const LONGEST_SECONDS = 86400; // that the server takes for the time of an answer

let asking = null; // timer, until the page asks for scans again
let retrying = null; // timer, until a scan that did not come is tried again
let uncounted = false; // answers of an earlier page, which the server may have got or not
let pressed = null; // when the key was pressed that asked for the scan to come
let began = 0; // when the scan on the screen came, less the time the page was hidden
let hiddenAt = null;

// --- what is on the screen --------------------------------------------------------------

async function show(when = null) {
  const one = current();
  pressed = when;
  seen(null);
  state.chosen = new Set(state.place === null ? [] : (one.labels ?? []));
  tellAnswers();
  clearTimeout(retrying);
  if (!one) {
    end();
    return;
  }
  try {
    const scan = state.scans.described(one.image_id) ?? (await describe(one.image_id));
    if (one === current()) state.viewer.show(scan);
  } catch (error) {
    if (one === current()) cannotShow(error);
  }
}

/** Something else is on the screen: another scan, slice, window, or nothing. */
function changed() {
  const { scan, overlay } = state.viewer;
  tellViewer();
  if (!scan) return;
  if (state.onScreen !== scan.image_id && current()?.image_id === scan.image_id) arrived(scan);
  else if (state.heatOn && !overlay) layHeat();
}

/** The scan that was asked for is on the screen; from now on it can be answered. */
function arrived(scan) {
  notice(null);
  tellSaved();
  seen(scan.image_id);
  began = performance.now();
  hiddenAt = document.hidden ? began : null;
  tellView();
  if (pressed !== null) measure(pressed);
  pressed = null;
  setTimeout(fetchAhead);
}

function describe(imageId) {
  notice("Loading…");
  return state.scans.describe(imageId);
}

/** Note which scan can be seen: no other one can be answered. */
function seen(imageId, { failed = false } = {}) {
  state.onScreen = imageId;
  state.failed = failed;
  if (imageId === null) delete at("canvas").dataset.scan;
  else at("canvas").dataset.scan = imageId;
}

function cannotShow(error) {
  const lasting = error instanceof Refused && error.status !== SIGNED_OUT;
  state.viewer.clear();
  seen(lasting ? (current()?.image_id ?? null) : null, { failed: lasting });
  const more = state.settles ? "Settle it elsewhere." : "Say that you are unsure, or leave it to others.";
  const text = `This scan cannot be shown: ${error.message} ${lasting ? more : "This page tries again."}`;
  notice(text);
  alarm(text);
  if (!lasting) {
    tellSaved(error);
    retrying = setTimeout(show, AGAIN_MS);
  }
}

window.addEventListener("online", () => {
  if (current() && state.onScreen === null) show();
});

function end() {
  state.viewer.clear();
  tellEnd();
  clearTimeout(asking);
  if (!state.outbox.waiting) asking = setTimeout(takeNext, state.waiting ? AGAIN_MS : LATER_MS);
}

/** How long a reader waited: from the key to the picture that follows it. */
function measure(start) {
  requestAnimationFrame(() => {
    const channel = new MessageChannel(); // runs when the frame has been painted
    channel.port1.onmessage = () => {
      performance.measure("key to next scan", { start, end: performance.now() });
    };
    channel.port2.postMessage(null);
  });
}

function fetchAhead() {
  for (const one of state.hand.slice(0, AHEAD + 1)) {
    const described = state.scans.describe(one.image_id);
    described.then((scan) => state.viewer.prepare(scan)).then(tellAhead, () => {}); // told when it is shown
  }
  tellAhead();
}

/** Declare how many scans after the current one would be shown at once, even without a connection. */
function tellAhead() {
  const here = (one) => state.viewer.holds(state.scans.described(one.image_id));
  at("canvas").dataset.ahead = state.hand.slice(1, AHEAD + 1).filter(here).length;
}

function seconds() {
  const until = hiddenAt ?? performance.now();
  return Math.min(Math.max(0, (until - began) / 1000), LONGEST_SECONDS);
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) hiddenAt = performance.now();
  else if (hiddenAt !== null) {
    const away = performance.now() - hiddenAt;
    began += away;
    hiddenAt = null;
    if (away > HOLD_MS && !state.outbox.waiting) takeNext(); // others may have got the scan
  }
});

// --- answers ----------------------------------------------------------------------------

/** Why this cannot be said now; null if it can. */
function objection(one, act) {
  if (state.outbox.entries.some((entry) => entry.act === "undo")) return "Undoing first.";
  if (state.onScreen !== one.image_id) return "The scan is not here yet.";
  if (state.failed && act === "answer") {
    return "A scan that cannot be seen cannot be answered. Be unsure, or leave it to others.";
  }
  if (state.settles && act !== "answer") return "A scan that is disputed can be settled only.";
  if (state.place !== null && act === "skip") {
    return "You have answered this scan. Undo that first to leave it to others.";
  }
  return null;
}

function say(act, labels, when) {
  const one = current();
  if (!one) return;
  const against = objection(one, act);
  if (against) {
    announce(against);
    return;
  }
  const first = state.place === null;
  if (!first && one.act === act && String(one.labels ?? []) === String(labels)) return;
  const taken = seconds();
  const said = { image_id: one.image_id, act, labels: act === "answer" ? labels : null };
  if (first) goOn(said, when);
  else change(one, said);
  state.outbox.add({ ...said, labels, seconds: taken, before: first ? null : one.act });
}

function goOn(said, when) {
  state.viewer.copyTo(at("thumb"));
  state.pictured = said.image_id;
  state.trail.push({ ...state.hand.shift(), ...said, event: null, view: null });
  count(null, said.act);
  show(when);
  tellView();
}

function change(before, said) {
  state.trail[state.place] = { ...before, ...said };
  count(before.act, said.act);
  state.chosen = new Set(said.labels ?? []);
  tellAnswers();
  tellView();
}

/** Count what is said now of a scan of which something else was said before; null is nothing. */
function count(before, now) {
  const read = (act) => act !== null && act !== "skip";
  state.read = Math.max(0, state.read + read(now) - read(before));
  state.waiting = Math.max(0, state.waiting - (now !== null) + (before !== null));
  tellProgress();
}

/** Choose a class, or of independent ones tick it. */
function choose(name, when) {
  if (!current()) return;
  if (state.campaign.kind === "exclusive") {
    say("answer", [name], when);
    return;
  }
  if (!state.chosen.delete(name)) state.chosen.add(name);
  tellAnswers();
  announce(`${name} ${state.chosen.has(name) ? "chosen" : "not chosen"}`);
}

function send(when) {
  const names = state.campaign.classes.map((one) => one.name);
  say("answer", names.filter((name) => state.chosen.has(name)), when);
}

function saved(entry, answer) {
  if (entry.act === "undo") undone(answer);
  else kept(entry, answer);
  if (uncounted && !state.outbox.waiting) takeNext();
}

function kept(entry, answer) {
  const one = state.trail.findLast((said) => said.image_id === entry.image_id);
  if (one) {
    one.event = answer.saved.number;
    one.view = answer.view;
  }
  merge(answer.scans);
  tellView();
  announce(`${words(entry)} saved. ${left()}.`);
}

async function refused(entry, error) {
  if (entry.act === "undo") {
    tellProblem(`Nothing was undone: ${error.message}`);
    return;
  }
  const back = state.place !== null;
  state.place = null;
  state.trail = state.trail.filter((one) => one.image_id !== entry.image_id);
  count(entry.act, entry.before);
  tellProblem(`Your answer "${words(entry)}" was not accepted: ${error.message}`);
  await remember(); // of a correction, what holds instead
  tellView();
  if (back) show();
  takeNext();
}

// --- scans in hand ----------------------------------------------------------------------

/** Scans in hand, as the server sees them; those whose answers are on their way are not. */
function merge(given) {
  const before = state.hand[0];
  const fresh = given.filter((one) => !state.outbox.holds(one.image_id));
  if (state.outbox.waiting) {
    const known = new Set(state.hand.map((one) => one.image_id));
    state.hand.push(...fresh.filter((one) => !known.has(one.image_id)));
  } else {
    const kept = before && fresh.find((one) => one.image_id === before.image_id);
    state.hand = kept ? [before, ...fresh.filter((one) => one !== kept)] : fresh;
    if (before && !kept) announce("This scan went to another reader. Here is the next.");
  }
  if (state.place !== null) return;
  if (state.hand[0]?.image_id !== before?.image_id) show();
  else if (!state.hand.length) end();
  else fetchAhead();
}

async function takeNext() {
  clearTimeout(asking);
  const { outbox } = state;
  try {
    const { sent, waiting: unsent } = outbox;
    const { scans, ...far } = await post(state.settles ? "/api/disputes/next" : "/api/next");
    if (sent !== outbox.sent) { // this is older than what an answer has brought meanwhile
      takeNext();
      return;
    }
    if (!unsent && !outbox.waiting) { // no answer is on its way
      Object.assign(state, far);
      uncounted = false;
    }
    merge(scans);
    tellProgress();
    tellSaved();
  } catch (error) {
    if (error instanceof Refused && error.status !== SIGNED_OUT) {
      tellProblem(error.message);
      return;
    }
    tellSaved(error);
    asking = setTimeout(takeNext, AGAIN_MS);
  }
}

// --- undoing ----------------------------------------------------------------------------

/** An undo travels behind the answers that it may take back, and before those that follow it. */
function undo() {
  state.outbox.add({ act: "undo" });
}

function undone({ undone: done, reading, scans }) {
  if (!done) {
    announce("There is nothing to undo.");
    return;
  }
  const where = state.trail.findLastIndex((one) => one.image_id === done.image_id);
  if (reading) holdsAgain(reading, where);
  else takeBack(done.image_id, where, scans);
  show();
}

/** An earlier answer of the reader about the same scan. */
function holdsAgain(reading, where) {
  const one = { ...reading, view: state.trail[where]?.view ?? null };
  count(state.trail[where]?.act ?? "answer", reading.act);
  if (where < 0) state.trail.push(one);
  else state.trail[where] = one;
  state.place = where < 0 ? state.trail.length - 1 : where;
  announce(`Undone. Your answer is ${words(one)} again.`);
}

/** The scan is to be answered again, by this reader if nobody else was given it. */
function takeBack(imageId, where, scans) {
  const act = state.trail[where]?.act ?? "answer";
  state.trail = state.trail.filter((one) => one.image_id !== imageId);
  state.place = null;
  count(act, null);
  const scan = scans.find((one) => one.image_id === imageId);
  if (scan) state.hand = [scan, ...state.hand.filter((one) => one.image_id !== imageId)];
  announce(scan ? "Undone. Here is the scan again." : "Undone. Another reader has that scan now.");
}

// --- looking back -----------------------------------------------------------------------

async function back() {
  const nothing = (state.place ?? state.trail.length) === 0;
  const first = state.trail.find((one) => one.event !== null);
  if (nothing && !(await remember(first))) {
    announce(first ? "This is the first scan that you answered." : "You have answered no scan yet.");
    return;
  }
  state.place = (state.place ?? state.trail.length) - 1;
  show();
}

function forth() {
  if (state.place === null) {
    announce(state.hand.length ? "Answer this scan to go on." : "This is the last scan.");
    return;
  }
  state.place = state.place + 1 < state.trail.length ? state.place + 1 : null;
  show();
}

/** Fetch what was said last, or before something; how much there was that the page did not know. */
async function remember(before = null) {
  if (state.settles) return 0; // rulings are looked back at for as long as the page is open
  try {
    const { readings } = await get(`/api/history${before ? `?before=${before.event}` : ""}`);
    const known = new Set(state.trail.map((one) => one.image_id));
    const added = readings.filter((one) => !known.has(one.image_id));
    state.trail.push(...added.map((one) => ({ ...one, view: null })));
    state.trail.sort((a, b) => (a.event ?? Infinity) - (b.event ?? Infinity) || 0); // inf - inf
    if (state.place !== null) state.place += added.length;
    return added.length;
  } catch {
    return 0; // it can be asked for again
  }
}

// --- beginning --------------------------------------------------------------------------

/** What is at a path, as soon as the server answers. */
async function patiently(path) {
  for (;;) {
    try {
      return await get(path);
    } catch (error) {
      if (!(error instanceof Unreachable)) throw error;
      notice(`The server does not answer: ${error.message}. This page tries again.`);
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    }
  }
}

async function begin() {
  const campaign = await patiently("/api/campaign");
  const scans = new Scans();
  const prefix = `medgraft:${campaign.identity}:${state.settles ? "rulings" : "answers"}:`;
  const outbox = new Outbox(`${prefix}${campaign.reader}:`, deliver, {
    saved, refused, changed: () => tellSaved(),
  });
  const viewer = new Viewer(at("canvas"), scans, { changed, failed: cannotShow });
  Object.assign(state, { campaign, outbox, scans, viewer });
  if (!state.settles) Object.assign(state, { read: campaign.read, waiting: campaign.waiting });
  recall(outbox.entries.filter((one) => one.act !== "undo"));
  uncounted = outbox.waiting > 0;
  listen({ say, choose, send, undo, back, forth });
  tellAnswers();
  tellProgress();
  await remember();
  outbox.run();
  await takeNext();
  tellView();
  setInterval(() => document.hidden || outbox.waiting || takeNext(), HOLD_MS);
  window.addEventListener("beforeunload", (event) => outbox.waiting && event.preventDefault());
}

/** What a reload interrupted; the last that was said of a scan holds. */
function recall(entries) {
  for (const { image_id, act, labels, before } of entries) {
    const one = { image_id, act, labels: act === "answer" ? labels : null, event: null, view: null };
    state.trail = [...state.trail.filter((said) => said.image_id !== image_id), one];
    count(before, act);
  }
}

function deliver({ request, image_id, act, labels, seconds: taken }) {
  if (act === "undo") return post(state.settles ? "/api/disputes/undo" : "/api/undo", { request });
  const said = { request, image_id, labels, seconds: taken };
  return state.settles ? post("/api/rulings", said) : post("/api/answers", { ...said, act });
}

notice("Loading…");
begin().catch((error) => tellProblem(`The page cannot begin: ${error.message}`));
