// Answers on their way to the server: kept in the browser until it has said that they are saved.

import { Refused, SIGNED_OUT, newRequest } from "./api.js";

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 10000;

/**
 * Sends entries one after the other, oldest first, and the same one again until it is acknowledged.
 * Each lies under a key of its own, so that two windows of one reader do not lose each other's.
 */
export class Outbox {
  /**
   * @param {string} prefix of the keys: the campaign and the reader
   * @param {(entry: object) => Promise<object>} send
   * @param {{saved: Function, refused: Function, changed: Function}} tell
   */
  constructor(prefix, send, tell) {
    this.prefix = prefix;
    this.send = send;
    this.tell = tell;
    this.entries = stored(prefix);
    this.sent = 0; // how many were acknowledged or refused
    this.trouble = null; // why the oldest entry is not saved yet; null if all is well
    this.running = null;
    this.wake = () => {};
    window.addEventListener("online", () => this.wake());
  }

  get waiting() {
    return this.entries.length;
  }

  /** When the latest entry was made: clocks are set back at times, and the order must hold. */
  get #last() {
    return Math.max(0, ...this.entries.map((entry) => entry.at));
  }

  holds(imageId) {
    return this.entries.some((entry) => entry.image_id === imageId);
  }

  /** Keep an entry and send it as soon as possible. */
  add(body) {
    const entry = { request: newRequest(), at: Math.max(Date.now(), this.#last + 1), ...body };
    entry.key = `${this.prefix}${String(entry.at).padStart(15, "0")}-${entry.request}`;
    this.entries.push(entry);
    keep(entry);
    this.tell.changed();
    this.run();
    return entry;
  }

  run() {
    this.running ||= this.#run().finally(() => {
      this.running = null;
      if (this.waiting) this.run(); // one came just now
    });
    return this.running;
  }

  async #run() {
    let pause = FIRST_PAUSE_MS;
    while (this.waiting) {
      const entry = this.entries[0];
      try {
        const answer = await this.send(entry);
        pause = FIRST_PAUSE_MS;
        this.#done(entry);
        this.tell.saved(entry, answer);
      } catch (error) {
        if (error instanceof Refused && error.status !== SIGNED_OUT) {
          this.#done(entry);
          this.tell.refused(entry, error);
          continue;
        }
        this.trouble = error;
        this.tell.changed();
        await this.#rest(pause);
        pause = Math.min(2 * pause, LONGEST_PAUSE_MS);
      }
    }
  }

  #done(entry) {
    this.sent += 1;
    this.trouble = null;
    this.entries = this.entries.filter((one) => one !== entry);
    forget(entry);
    this.tell.changed();
  }

  #rest(ms) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

function stored(prefix) {
  const keys = Object.keys(localStorage).filter((key) => key.startsWith(prefix)).sort();
  return keys.flatMap((key) => {
    try {
      return [{ ...JSON.parse(localStorage.getItem(key)), key }];
    } catch {
      return []; // not ours
    }
  });
}

function keep(entry) {
  try {
    localStorage.setItem(entry.key, JSON.stringify(entry));
  } catch {
    // storage is full or forbidden: the entry is still in memory, and the page warns when it closes
  }
}

function forget(entry) {
  try {
    localStorage.removeItem(entry.key);
  } catch {
    // as above
  }
}
