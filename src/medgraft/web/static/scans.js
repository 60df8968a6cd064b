// Scans in the browser's memory: fetched ahead, so that the next one is there when it is asked for.

import { bytes, get, picture } from "./api.js";
import { codes } from "./greys.js";

const BUDGET = 384 * 2 ** 20; // bytes of pixels
const MOST_PIXELS = 2 ** 24; // of one answer of the server
const SCANS = 64; // whose descriptions are kept

export class Scans {
  constructor() {
    this.told = new Map(); // image id -> promise of its description
    this.cuts = new Map(); // path -> {promise, values, size}
    this.size = 0;
  }

  /** How a scan can be shown. */
  describe(imageId) {
    if (!this.told.has(imageId)) {
      const promise = get(`/api/scans/${imageId}`).then((scan) => (promise.scan = scan));
      promise.catch(() => this.told.delete(imageId)); // it may be tried again
      this.told.set(imageId, promise);
      if (this.told.size > SCANS) this.told.delete(this.told.keys().next().value);
    }
    return this.told.get(imageId);
  }

  /** The description, if it has come already. */
  described(imageId) {
    return this.told.get(imageId)?.scan;
  }

  #path(scan, cut) {
    const { plane, slice, channel, reduce } = cut;
    return `/api/scans/${scan.image_id}/pixels?plane=${plane}&slice=${slice}&channel=${channel}&reduce=${reduce}`;
  }

  /** The codes of a slice, if they have come already. */
  held(scan, cut) {
    const path = this.#path(scan, cut);
    const found = this.cuts.get(path);
    if (!found?.values) return null;
    this.cuts.delete(path); // used last, dropped last
    this.cuts.set(path, found);
    return found.values;
  }

  /** The codes of a slice. */
  fetch(scan, cut) {
    const path = this.#path(scan, cut);
    const before = this.cuts.get(path);
    if (before) return before.promise;
    const entry = { values: null, size: 0 };
    entry.promise = bytes(path).then((buffer) => {
      entry.values = codes(buffer, scan.coding);
      entry.size = buffer.byteLength;
      this.size += entry.size;
      this.#tidy();
      return entry.values;
    });
    entry.promise.catch(() => this.cuts.delete(path));
    this.cuts.set(path, entry);
    return entry.promise;
  }

  #tidy() {
    for (const [path, entry] of this.cuts) {
      if (this.size <= BUDGET) return;
      if (!entry.values) continue;
      this.cuts.delete(path);
      this.size -= entry.size;
    }
  }

  /** Where the model looked, over one slice. */
  heat(scan, plane, slice, label) {
    const what = new URLSearchParams({ plane, slice, ...(label ? { label } : {}) });
    return picture(`/api/scans/${scan.image_id}/heat?${what}`);
  }
}

/** The coarsest power of two that still gives every pixel of the screen one of its own. */
export function reduction(plane, pixelsPerPixel) {
  let factor = 1;
  while (factor < 1024 && 2 * factor * pixelsPerPixel <= 1) factor *= 2;
  while (Math.ceil(plane.rows / factor) * Math.ceil(plane.columns / factor) > MOST_PIXELS) factor *= 2;
  return factor;
}
