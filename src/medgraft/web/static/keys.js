// Keys, buttons and lists: what a reader can do, and what the page does then.

import { toggleHeat } from "./model.js";
import { at, state } from "./state.js";
import { announce } from "./telling.js";
import { element } from "./view.js";

const MOVE = 40; // pixels of the screen
const SHIFTED = {
  ArrowLeft: [MOVE, 0], ArrowRight: [-MOVE, 0], ArrowUp: [0, MOVE], ArrowDown: [0, -MOVE],
};
const HELD = ["ArrowUp", "ArrowDown", "+", "=", "-", ".", ",", "[", "]"]; // may be held down
const NAMES = { ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓" };
const SINGLE = "medgraft-keys"; // where the browser keeps whether single keys give commands

/**
 * Have keys and buttons do what they say.
 * @param {{say: Function, choose: Function, send: Function, undo: Function, back: Function,
 *   forth: Function}} acts what the page does; those that show another scan take the time of the key
 */
export function listen(acts) {
  const keys = bindings(commands(acts), acts);
  const single = at("keys-on");
  single.checked = localStorage.getItem(SINGLE) !== "off";
  single.addEventListener("change", () => localStorage.setItem(SINGLE, single.checked ? "on" : "off"));
  document.addEventListener("keydown", (event) => pressed(event, keys, single.checked));
  for (const button of document.querySelectorAll(".class")) {
    const { class: name } = button.dataset;
    button.addEventListener("click", (event) => acts.choose(name, event.timeStamp));
  }
  click(acts);
  change();
}

/** Key, words for the list of keys (null: not listed), and what it does. */
function commands({ say, undo, back, forth }) {
  const { viewer } = state;
  const reads = [
    ["u", "unsure", (when) => say("unsure", [], when)],
    ["s", "leave the scan to other readers", (when) => say("skip", [], when)],
  ];
  return [
    ...(state.settles ? [] : reads),
    ["z", "undo your last answer", undo],
    ["ArrowLeft", "the scan before", back],
    ["ArrowRight", "the scan after", forth],
    ["ArrowUp", "slice before", () => viewer.step(-1)],
    ["ArrowDown", "slice after", () => viewer.step(1)],
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
    ["p", "next plane of a volume", () => viewer.choosePlane(viewer.plane + 1)],
    ["c", "next channel", () => viewer.chooseChannel(viewer.channel + 1)],
    ["h", "heat map, after your answer", toggleHeat],
    ["?", "this list", () => at("keys").showModal()],
  ];
}

/** What each key does here: the classes last, so that a class may have any key. */
function bindings(known, { choose, send }) {
  const { classes, kind } = state.campaign;
  const found = new Map(known.map(([key, , act]) => [key, act]));
  const rows = [];
  if (kind === "independent") found.set("Enter", send);
  for (const one of classes.filter((each) => each.key)) {
    found.set(one.key, (when) => choose(one.name, when));
    rows.push([one.key, one.name]);
  }
  if (kind === "independent") rows.push(["Enter", "save what is chosen"]);
  const taken = new Set(classes.map((one) => one.key));
  rows.push(...known.filter(([key, text]) => text && !taken.has(key)));
  rows.push(["Shift ←↑→↓", "move the picture"]);
  at("keys-table").replaceChildren(...rows.map(([key, text]) => row(NAMES[key] ?? key, text)));
  return found;
}

function row(key, text) {
  const head = element("th", { scope: "row" }, element("kbd", {}, key));
  return element("tr", {}, head, element("td", {}, text));
}

function pressed(event, keys, single) {
  if (event.ctrlKey || event.metaKey || event.altKey || at("keys").open) return;
  if (belongsTo(event.target, event.key) || (!single && event.key.length === 1)) return;
  const move = event.shiftKey && SHIFTED[event.key];
  const act = move ? () => state.viewer.panBy(...move) : (keys.get(event.key) ?? keys.get(event.key.toLowerCase()));
  if (!act) return;
  event.preventDefault();
  // a key that is held down goes through slices, but answers one scan only
  if (event.repeat && !move && !HELD.includes(event.key)) return;
  act(event.timeStamp);
}

/** Whether a key means something to what it was pressed on: letters in a list, arrows on a slider. */
function belongsTo(target, key) {
  if (target.matches("select, input:not([type=range], [type=checkbox])")) return true;
  if (target.matches("input[type=range]")) return key.startsWith("Arrow");
  return key === "Enter" && target.matches("button:not(.class), a, summary");
}

function click({ say, send, undo, back, forth }) {
  const { viewer } = state;
  const acts = {
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
    "problem-close": () => (at("problem").hidden = true),
  };
  for (const [id, act] of Object.entries(acts)) at(id)?.addEventListener("click", act);
}

function change() {
  const { viewer } = state;
  at("slice").addEventListener("input", () => viewer.chooseSlice(Number(at("slice").value) - 1));
  at("plane").addEventListener("change", () => viewer.choosePlane(at("plane").selectedIndex));
  at("channel").addEventListener("change", () => viewer.chooseChannel(at("channel").selectedIndex));
  at("window").addEventListener("change", () => {
    const chosen = viewer.scan?.windows[at("window").selectedIndex];
    if (chosen) viewer.chooseWindow(chosen);
  });
}

function nextWindow() {
  const { viewer } = state;
  if (!viewer.scan) return;
  const { windows } = viewer.scan;
  const number = windows.findIndex((one) => one.name === viewer.window.name);
  const next = windows[(number + 1) % windows.length];
  viewer.chooseWindow(next);
  announce(`Window: ${next.name}`);
}
