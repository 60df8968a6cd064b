// Questions to the server, and the two ways in which they fail.

/** The server is not there, or not well: the same request may be sent again. */
export class Unreachable extends Error {}

/** The server said no, and will say so again. */
export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

export const SIGNED_OUT = 401;
const PATIENCE_MS = 30000;

async function ask(method, path, body) {
  let response;
  try {
    response = await fetch(path, {
      method,
      headers: body === undefined ? {} : { "Content-Type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
      credentials: "same-origin",
      redirect: "error",
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
  } catch (error) {
    throw new Unreachable(error.message);
  }
  if (response.ok) return response;
  const words = await response.json().then((said) => said.error, () => response.statusText);
  if (response.status >= 500 || response.status === 429) throw new Unreachable(words);
  throw new Refused(response.status, words);
}

/** What came of it; a connection that breaks halfway counts as none. */
async function whole(response, take) {
  try {
    return await take(response);
  } catch (error) {
    throw new Unreachable(error.message);
  }
}

export async function get(path) {
  return whole(await ask("GET", path), (response) => response.json());
}

export async function post(path, body = {}) {
  return whole(await ask("POST", path, body), (response) => response.json());
}

export async function bytes(path) {
  return whole(await ask("GET", path), (response) => response.arrayBuffer());
}

export async function picture(path) {
  const blob = await whole(await ask("GET", path), (response) => response.blob());
  return createImageBitmap(blob);
}

/** A name for an act, so that the server knows it again when it is sent twice. */
export const newRequest = () => crypto.randomUUID();
