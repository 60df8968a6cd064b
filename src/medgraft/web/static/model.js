// The model's view beside the reader's answer, and its heat over the scan: never before the answer,
// unless the campaign asks for that. The server keeps to it; this page only asks for what it may see.

import { get } from "./api.js";
import { at, current, state } from "./state.js";
import { announce, tellProblem } from "./telling.js";
import { describe, element, likeliest, words } from "./view.js";

/** The answer that the panel speaks of: that of the scan on the screen, or the last one. */
function spoken() {
  if (state.place !== null) return state.trail[state.place];
  const { view, image_id: imageId } = state.hand[0] ?? {};
  if (state.campaign.model_first && view) return { image_id: imageId, view, act: null, labels: null };
  return state.trail.at(-1) ?? null;
}

/** What the reader said, and what the model says of it. */
export function tellView() {
  const one = spoken();
  at("last").hidden = !one;
  tellHeat();
  if (!one) return;
  const back = state.place !== null;
  at("look-again").hidden = back || one.image_id !== state.pictured;
  at("last-heading").textContent =
    one.act === null ? "The model's view" : back ? "Your answer" : "Your last answer";
  at("said").replaceChildren(...(one.act === null ? [] : [element("b", {}, words(one))]));
  at("view").replaceChildren(...(one.view ? [describe(one.view, one, state.campaign.kind)] : []));
  if (!one.view && one.act !== "skip" && one.event !== null) fetchView(one);
  if (state.heatOn && back) layHeat();
}

/** An answer of an earlier visit comes without the view. */
async function fetchView(one) {
  try {
    one.view = await get(`/api/scans/${one.image_id}/view`);
  } catch {
    return; // it is a courtesy; the answer itself is saved
  }
  if (spoken()?.image_id === one.image_id) tellView();
}

function tellHeat() {
  const may = Boolean(current()?.view?.heat); // a view comes once it may be seen
  at("heat").hidden = !may;
  at("heat").setAttribute("aria-pressed", String(may && state.heatOn));
}

export function toggleHeat() {
  if (at("heat").hidden) {
    announce(
      state.place === null
        ? "A heat map is shown after your answer: go back with the left arrow."
        : "There is no heat map of this scan.",
    );
    return;
  }
  state.heatOn = !state.heatOn;
  tellHeat();
  if (state.heatOn) layHeat();
  else state.viewer.unlay();
}

/** Lay the heat of the model's answer over the slice on the screen. */
export async function layHeat() {
  const one = current();
  const { scans, viewer } = state;
  if (!one || at("heat").hidden || viewer.scan?.image_id !== one.image_id) return;
  const { scan, slice } = viewer;
  const [label] = likeliest(one.view, state.campaign.kind) ?? [];
  try {
    const bitmap = await scans.heat(scan, viewer.lying.name, slice, label);
    if (one === current() && state.heatOn) viewer.lay(bitmap, slice, label);
  } catch (error) {
    tellProblem(`No heat map: ${error.message}`);
    state.heatOn = false;
    tellHeat();
  }
}
