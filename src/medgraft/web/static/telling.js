// What the page says in words: progress, what is saved, what is shown, and what went wrong.

import { Refused, SIGNED_OUT } from "./api.js";
import { at, current, state } from "./state.js";
import { element, words } from "./view.js";

/** For those who listen, as soon as they have heard what was said before. */
export function announce(text) {
  if (at("live").textContent !== text) at("live").textContent = text;
}

/** For those who listen, at once. */
export function alarm(text) {
  at("alarm").textContent = "";
  at("alarm").textContent = text;
}

/** What went wrong; it stays until it is closed. */
export function tellProblem(text) {
  alarm(text);
  at("problem").hidden = false;
  at("problem-words").textContent = text;
}

/** Words in place of the scan; null takes them away. */
export function notice(text) {
  at("notice").hidden = text === null;
  at("notice").replaceChildren(...(text === null ? [] : [element("p", {}, text)]));
}

export function tellProgress() {
  const total = state.read + state.waiting;
  const what = state.settles ? "disputes" : "scans";
  at("far").textContent = total ? `${state.read} of ${total} ${what}` : `No ${what}`;
  at("bar").max = Math.max(total, 1);
  at("bar").value = state.read;
}

export const left = () => (state.waiting === 1 ? "1 scan left" : `${state.waiting} scans left`);

let wasTold = "";

/** Whether all is saved; anything but "All saved" says where the answers are. */
export function tellSaved(error = state.outbox.trouble) {
  const box = at("saved");
  const { entries, waiting } = state.outbox;
  const answers = entries.filter((one) => one.act !== "undo").length;
  const what = answers ? `${answers === 1 ? "1 answer" : `${answers} answers`}` : "an undo";
  const kept = `${what} kept in this browser`;
  const signedOut = error instanceof Refused && error.status === SIGNED_OUT;
  let [mood, text] = ["idle", "Nothing to save yet"];
  if (signedOut) [mood, text] = ["bad", waiting ? `Signed out: ${kept}. ` : "You are signed out. "];
  else if (error) [mood, text] = ["bad", waiting ? `No connection: ${kept}` : "No connection"];
  else if (waiting) [mood, text] = ["busy", answers > 1 ? `Saving ${answers}…` : answers ? "Saving…" : "Undoing…"];
  else if (state.trail.length) [mood, text] = ["good", "All saved"];
  box.dataset.state = mood;
  box.replaceChildren(text);
  if (signedOut) box.append(element("a", { href: "/sign-in", target: "_blank" }, "Sign in"));
  if (mood === "bad" && wasTold !== text) alarm(text);
  wasTold = text;
}

/** What there is to say where there is no scan; whether others may still give one back. */
export function tellEnd() {
  const box = at("notice");
  box.hidden = false;
  const { outbox, read, settles, waiting } = state;
  if (outbox.waiting || waiting > 0) {
    const who = settles ? "adjudicator" : "reader";
    const rest = waiting === 1 ? `Another ${who} has the last scan` : `Other ${who}s have the last ${waiting} scans`;
    const others = `${rest} in hand. This page asks again.`;
    box.replaceChildren(element("p", {}, outbox.waiting ? "Saving…" : others));
    return;
  }
  const done = read === 1 ? "1 scan" : `${read} scans`;
  const acts = settles ? "settled" : "answered";
  const nothing = settles ? "Nothing is disputed." : "There are no scans for you yet.";
  const text = read ? `All done. You have ${acts} ${done}, and all are saved.` : nothing;
  const link = element("a", { href: "/agreement", class: "button" }, "See the agreement");
  box.replaceChildren(element("p", { class: "done" }, text), element("p", {}, link));
  announce(text);
}

/** Which answers can be given, and which one was. */
export function tellAnswers() {
  const one = current();
  const back = state.place !== null;
  for (const button of document.querySelectorAll(".class")) {
    button.disabled = !one;
    button.setAttribute("aria-pressed", String(state.chosen.has(button.dataset.class)));
  }
  if (state.settles) tellDispute(one);
  else {
    const unsure = back && one.act !== "skip" && one.labels === null;
    at("unsure").disabled = !one;
    at("unsure").setAttribute("aria-pressed", String(unsure));
    at("skip").disabled = !one || back;
  }
  if (at("send")) {
    const names = state.campaign.classes.map((c) => c.name).filter((n) => state.chosen.has(n));
    at("send-words").textContent = `Save: ${names.join(", ") || "none of these"}`;
    at("send").disabled = !one;
  }
  at("forth").disabled = !back;
  at("looking-back").hidden = !back;
  if (back) at("looking-back").textContent = `Looking back: you said ${words(one)}`;
}

/** What readers said of a scan that is to be settled. */
function tellDispute(one) {
  at("dispute").hidden = !one?.said;
  if (one?.said) at("dispute").textContent = `Readers said: ${one.said.map(words).join(" · ")}`;
}

/** What the viewer shows, around it and below it. */
export function tellViewer() {
  const { viewer } = state;
  const { scan } = viewer;
  for (const [number, name] of ["top", "right", "bottom", "left"].entries()) {
    const letter = scan ? (viewer.lying.sides?.[number] ?? "") : "";
    document.querySelector(`.side.${name}`).textContent = letter;
  }
  const about = scan ? [scan.modality, scan.view, scan.laterality].filter(Boolean).join(" ") : "";
  const values = scan ? told(viewer) : [];
  at("about").textContent = about;
  at("values").textContent = values.join("\n");
  const label = scan ? ["Scan", about, ...values].filter(Boolean).join(", ") : "No scan";
  at("canvas").setAttribute("aria-label", label);
  document.querySelector(".tools").inert = !scan; // nothing to show, nothing to change
  if (scan) tellTools(viewer);
}

/** Slice, window and zoom, as far as there is something to say. */
function told(viewer) {
  const { lying, overlay, scan, slice, zoom } = viewer;
  const { low, high } = viewer.window;
  return [
    overlay ? `heat: ${overlay.label}` : "",
    lying.slices > 1 ? `${lying.name} ${slice + 1} / ${lying.slices}` : "",
    scan.coding.colour ? "" : `L ${short((low + high) / 2)} W ${short(high - low)}`,
    zoom > 1.001 ? `${zoom.toFixed(1)}×` : "",
  ].filter(Boolean);
}

function tellTools(viewer) {
  const { lying, scan, slice } = viewer;
  at("slices").hidden = lying.slices < 2;
  at("slice").max = lying.slices;
  at("slice").value = slice + 1;
  at("slice-words").textContent = `${slice + 1} / ${lying.slices}`;
  offer("plane", scan.planes.map((one) => one.name), viewer.plane);
  offer("channel", Array.from({ length: scan.channels }, (_, n) => `channel ${n + 1}`), viewer.channel);
  const names = scan.windows.map((one) => one.name);
  const number = names.indexOf(viewer.window.name);
  offer("window", number < 0 ? [...names, "own"] : names, number < 0 ? names.length : number);
  at("plane").parentElement.hidden = scan.planes.length < 2;
  at("channel").parentElement.hidden = scan.channels < 2;
  at("invert").setAttribute("aria-pressed", String(viewer.inverted));
}

/** Fill a list, if what it offers has changed, and choose one of it. */
function offer(id, names, number) {
  const list = at(id);
  const offered = [...list.options].map((one) => one.textContent);
  if (String(offered) !== String(names)) {
    list.replaceChildren(...names.map((name) => element("option", {}, name)));
  }
  list.selectedIndex = number;
}

function short(value) {
  return String(Math.abs(value) >= 100 ? Math.round(value) : Number(value.toPrecision(3)));
}
