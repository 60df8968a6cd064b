// What the page knows: the campaign, the scans in hand, what was said, and where the reader looks.

export const state = {
  campaign: null,
  settles: document.body.dataset.mode === "disputes", // what readers said, instead of reading
  scans: null, // in the browser's memory
  viewer: null,
  outbox: null,
  hand: [], // scans still to be answered, the current one first
  trail: [], // what was said, oldest first: {image_id, act, labels, event, view}
  place: null, // where in the trail the reader looks; null at the scan to be answered
  chosen: new Set(), // of independent classes
  read: 0,
  waiting: 0,
  heatOn: false,
  onScreen: null, // image id of the scan that can be seen, or was tried in vain
  failed: false, // whether it was tried in vain
  pictured: null, // image id of the scan in the small picture
};

/** The scan that the page is about: to be answered, or looked back at. */
export function current() {
  return state.place === null ? state.hand[0] : state.trail[state.place];
}

export const at = (id) => document.getElementById(id);
