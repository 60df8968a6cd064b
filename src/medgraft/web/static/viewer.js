// One scan on a canvas: window and level, zoom, slices, planes, heat.

import { paint, table } from "./greys.js";
import { reduction } from "./scans.js";

const LARGEST_ZOOM = 16;
const AROUND = 4; // slices that are fetched ahead on the side to which the reader moves
const NOTCH = 40; // of a wheel or a track pad, for one slice
const TAP_MS = 350;
const TAP_PIXELS = 24;

export class Viewer {
  /**
   * @param {HTMLCanvasElement} canvas
   * @param {import("./scans.js").Scans} scans
   * @param {{changed: Function, failed: Function}} tell
   */
  constructor(canvas, scans, tell) {
    this.canvas = canvas;
    this.pen = canvas.getContext("2d", { alpha: false });
    this.scans = scans;
    this.tell = tell;
    this.source = document.createElement("canvas"); // the slice, one pixel of it per pixel
    this.scan = null;
    this.painted = null; // the plane that `source` holds
    this.turn = 0; // counts what was asked for, so that late answers are dropped
    this.overlay = null;
    this.#listen();
    new ResizeObserver(() => this.#resize()).observe(canvas);
    this.#resize();
  }

  // --- what is shown --------------------------------------------------------------------

  /** Show a scan as it is usually shown. */
  async show(scan) {
    this.scan = scan;
    this.plane = 0;
    this.channel = 0;
    this.slice = middle(this.lying);
    this.direction = 1;
    this.overlay = null;
    this.#home();
    this.painted = null;
    if (!this.scans.held(scan, this.cut)) this.#erase(); // no scan may stand for another one
    await this.#draw();
    this.#ahead();
  }

  /** Fetch what `show` will need first. */
  async prepare(scan) {
    await this.scans.fetch(scan, this.#first(scan));
  }

  /** Whether a scan that was described would be shown at once. */
  holds(scan) {
    return Boolean(scan && this.scans.held(scan, this.#first(scan)));
  }

  /** The cut that `show` begins with. */
  #first(scan) {
    const plane = scan.planes[0];
    const reduce = reduction(plane, this.#fit(plane));
    return { plane: plane.name, slice: middle(plane), channel: 0, reduce };
  }

  clear() {
    this.turn += 1;
    this.scan = null;
    this.overlay = null;
    this.#erase();
    this.tell.changed();
  }

  get lying() {
    return this.scan.planes[this.plane];
  }

  #home() {
    this.window = { ...this.scan.windows[0] };
    this.inverted = false;
    this.zoom = 1;
    this.pan = { x: 0, y: 0 };
  }

  reset() {
    if (!this.scan) return;
    this.#home();
    this.#draw();
  }

  /** Another plane; beyond the last one the first. */
  choosePlane(number) {
    const plane = number % (this.scan?.planes.length ?? 1);
    if (!this.scan || plane === this.plane) return;
    this.plane = plane;
    this.slice = middle(this.lying);
    this.zoom = 1;
    this.pan = { x: 0, y: 0 };
    this.overlay = null;
    this.#draw().then(() => this.#ahead());
  }

  /** Another channel; beyond the last one the first. */
  chooseChannel(number) {
    if (!this.scan) return;
    this.channel = number % this.scan.channels;
    this.#draw();
  }

  chooseSlice(number) {
    if (!this.scan) return;
    const slice = Math.min(Math.max(number, 0), this.lying.slices - 1);
    if (slice === this.slice) return;
    this.direction = Math.sign(slice - this.slice);
    this.slice = slice;
    this.overlay = null;
    this.#draw().then(() => this.#ahead());
  }

  step(slices) {
    if (this.scan) this.chooseSlice(this.slice + slices);
  }

  chooseWindow(window) {
    if (!this.scan) return;
    this.window = { ...window };
    this.#draw();
  }

  /** Move the ends of the window, by shares of its width. */
  changeWindow({ level = 0, width = 0 }) {
    if (!this.scan) return;
    const { low, high } = this.window;
    const least = Math.max((this.widest.high - this.widest.low) / 4096, this.scan.coding.slope);
    const middle = (low + high) / 2 + level * (high - low);
    const half = Math.max((high - low) * 2 ** width, least) / 2;
    this.window = { name: "own", low: middle - half, high: middle + half };
    this.#draw();
  }

  get widest() {
    return this.scan.windows.find((one) => one.name === "all values") ?? this.scan.windows[0];
  }

  invert() {
    if (!this.scan) return;
    this.inverted = !this.inverted;
    this.#draw();
  }

  zoomBy(factor, at = null) {
    if (!this.scan) return;
    const zoom = Math.min(Math.max(this.zoom * factor, 1), LARGEST_ZOOM);
    const from = at ?? { x: this.width / 2, y: this.height / 2 };
    const grown = zoom / this.zoom;
    const centre = { x: this.width / 2 + this.pan.x, y: this.height / 2 + this.pan.y };
    this.pan.x += (from.x - centre.x) * (1 - grown);
    this.pan.y += (from.y - centre.y) * (1 - grown);
    this.zoom = zoom;
    this.#keepInside();
    this.#draw();
  }

  panBy(x, y) {
    if (!this.scan) return;
    this.pan.x += x;
    this.pan.y += y;
    this.#keepInside();
    this.#draw();
  }

  /** Lay the heat of a class over the slice; it goes when another slice is shown. */
  lay(picture, slice, label) {
    if (slice !== this.slice) return;
    this.overlay = { picture, label };
    this.#compose();
    this.tell.changed();
  }

  unlay() {
    this.overlay = null;
    this.#compose();
    this.tell.changed();
  }

  // --- drawing --------------------------------------------------------------------------

  get cut() {
    const reduce = reduction(this.lying, this.#fit(this.lying) * this.zoom);
    return { plane: this.lying.name, slice: this.slice, channel: this.channel, reduce };
  }

  /** Pixels of the screen per pixel of a plane that fills the canvas. */
  #fit(plane) {
    const { across, down } = aspect(plane);
    const wide = plane.columns * across;
    const high = plane.rows * down;
    return Math.min(this.canvas.width / wide, this.canvas.height / high) || 1;
  }

  async #draw() {
    const turn = (this.turn += 1);
    const { scan, cut } = this;
    let values = this.scans.held(scan, cut);
    if (!values) {
      try {
        values = await this.scans.fetch(scan, cut);
      } catch (error) {
        if (turn === this.turn) this.tell.failed(error);
        return;
      }
      if (turn !== this.turn) return;
    }
    this.#paint(values, cut);
    this.#compose();
    this.tell.changed();
  }

  #paint(values, cut) {
    const columns = Math.ceil(this.lying.columns / cut.reduce);
    const rows = Math.ceil(this.lying.rows / cut.reduce);
    if (this.source.width !== columns || this.source.height !== rows || !this.image) {
      this.source.width = columns;
      this.source.height = rows;
      this.image = new ImageData(columns, rows);
    }
    const { coding } = this.scan;
    paint(this.image, values, coding, table(coding, this.window, this.inverted));
    this.source.getContext("2d").putImageData(this.image, 0, 0);
    this.painted = this.lying;
  }

  #erase() {
    this.pen.setTransform(1, 0, 0, 1, 0, 0);
    this.pen.fillStyle = "#000";
    this.pen.fillRect(0, 0, this.canvas.width, this.canvas.height);
  }

  #compose() {
    this.#erase();
    if (!this.scan || this.painted !== this.lying) return;
    const { across, down } = aspect(this.lying);
    const scale = this.#fit(this.lying) * this.zoom;
    const wide = this.lying.columns * across * scale;
    const high = this.lying.rows * down * scale;
    const x = (this.canvas.width - wide) / 2 + this.pan.x * this.dense;
    const y = (this.canvas.height - high) / 2 + this.pan.y * this.dense;
    this.pen.imageSmoothingEnabled = true;
    // Of at most two pixels for one of the screen the quickest way leaves none out; "medium" takes
    // 75 ms more for a film of a million pixels where there is no graphics card.
    this.pen.imageSmoothingQuality = "low";
    this.pen.drawImage(this.source, x, y, wide, high);
    if (this.overlay) this.pen.drawImage(this.overlay.picture, x, y, wide, high);
  }

  /** A small picture of what is on the screen. */
  copyTo(canvas) {
    const pen = canvas.getContext("2d");
    pen.fillStyle = "#000";
    pen.fillRect(0, 0, canvas.width, canvas.height);
    if (!this.scan || this.painted !== this.lying) return;
    const { across, down } = aspect(this.lying);
    const [wide, high] = [this.source.width * across, this.source.height * down];
    const scale = Math.min(canvas.width / wide, canvas.height / high);
    pen.imageSmoothingQuality = "high";
    const [w, h] = [wide * scale, high * scale];
    pen.drawImage(this.source, (canvas.width - w) / 2, (canvas.height - h) / 2, w, h);
  }

  #ahead() {
    if (!this.scan) return;
    const { scan, cut } = this;
    for (let n = 1; n <= AROUND; n += 1) {
      const slice = cut.slice + n * this.direction;
      if (slice >= 0 && slice < this.lying.slices) {
        this.scans.fetch(scan, { ...cut, slice }).catch(() => {}); // asked again when it is shown
      }
    }
  }

  #resize() {
    this.dense = window.devicePixelRatio || 1;
    this.width = this.canvas.clientWidth;
    this.height = this.canvas.clientHeight;
    this.canvas.width = Math.max(1, Math.round(this.width * this.dense));
    this.canvas.height = Math.max(1, Math.round(this.height * this.dense));
    if (this.scan) {
      this.#compose(); // at once, and again should more pixels be needed
      this.#draw();
    } else this.#erase();
  }

  #keepInside() {
    const x = (this.width * this.zoom) / 2;
    const y = (this.height * this.zoom) / 2;
    this.pan.x = this.zoom === 1 ? 0 : Math.min(Math.max(this.pan.x, -x), x);
    this.pan.y = this.zoom === 1 ? 0 : Math.min(Math.max(this.pan.y, -y), y);
  }

  // --- mouse and fingers ----------------------------------------------------------------

  #listen() {
    const { canvas } = this;
    this.touching = new Map();
    this.turned = 0;
    this.tap = null;
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    canvas.addEventListener("dblclick", () => this.reset());
    canvas.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    canvas.addEventListener("pointerdown", (event) => this.#down(event));
    canvas.addEventListener("pointermove", (event) => this.#move(event));
    for (const name of ["pointerup", "pointercancel"]) {
      canvas.addEventListener(name, (event) => this.#up(event));
    }
  }

  #wheel(event) {
    if (!this.scan) return;
    event.preventDefault();
    if (this.lying.slices > 1 && !event.ctrlKey && !event.metaKey) {
      this.turned += event.deltaMode === 1 ? event.deltaY * NOTCH : event.deltaY;
      const slices = Math.trunc(this.turned / NOTCH);
      this.turned -= slices * NOTCH;
      // a notch of a wheel is a hundred or more at once, and still one slice
      if (slices) this.step(Math.abs(event.deltaY) >= 100 ? Math.sign(slices) : slices);
      return;
    }
    this.zoomBy(2 ** (-event.deltaY / 400), { x: event.offsetX, y: event.offsetY });
  }

  #down(event) {
    this.canvas.setPointerCapture(event.pointerId);
    this.touching.set(event.pointerId, { x: event.offsetX, y: event.offsetY });
    if (event.button > 0) event.preventDefault();
    this.moving = event.button > 0 || event.shiftKey;
    this.pinched ||= this.touching.size > 1;
    this.from = { x: event.offsetX, y: event.offsetY };
  }

  #move(event) {
    const before = this.touching.get(event.pointerId);
    if (!before || !this.scan) return;
    const here = { x: event.offsetX, y: event.offsetY };
    const others = [...this.touching].filter(([id]) => id !== event.pointerId);
    this.touching.set(event.pointerId, here);
    const [x, y] = [here.x - before.x, here.y - before.y];
    if (others.length) {
      const other = others[0][1];
      const grown = distance(here, other) / Math.max(distance(before, other), 1);
      this.zoomBy(grown, { x: (here.x + other.x) / 2, y: (here.y + other.y) / 2 });
      this.panBy(x / 2, y / 2);
    } else if (this.moving) this.panBy(x, y);
    else if (!this.pinched) this.changeWindow({ level: y / 400, width: x / 150 });
  }

  #up(event) {
    this.touching.delete(event.pointerId);
    if (this.touching.size) return;
    const still = this.from && distance(this.from, { x: event.offsetX, y: event.offsetY }) < 4;
    if (event.pointerType === "touch" && still && !this.pinched) this.#tapped(event);
    this.pinched = false;
  }

  #tapped(event) {
    const here = { x: event.offsetX, y: event.offsetY, at: event.timeStamp };
    if (this.tap && here.at - this.tap.at < TAP_MS && distance(here, this.tap) < TAP_PIXELS) {
      this.reset();
      this.tap = null;
    } else this.tap = here;
  }
}

function distance(a, b) {
  return Math.hypot(a.x - b.x, a.y - b.y);
}

/** The slice that is shown first. */
function middle(plane) {
  return Math.floor((plane.slices - 1) / 2);
}

/** How wide and high a pixel is, the shorter side being 1. */
function aspect(plane) {
  const [down, across] = plane.spacing_mm ?? [1, 1];
  const least = Math.min(down, across);
  return { down: down / least, across: across / least };
}
