// From the codes that the server sends to what the screen shows.

const OPAQUE = 0xff000000;

/** Codes of one slice: 8 or 16 bits, of colours three bytes per pixel. */
export function codes(buffer, coding) {
  return coding.bits === 16 ? new Uint16Array(buffer) : new Uint8Array(buffer);
}

/** A table from codes to brightness, 0 to 255, for values between the ends of a window. */
export function table(coding, window, inverted) {
  const count = 2 ** coding.bits;
  const found = new Uint8ClampedArray(count);
  const low = (window.low - coding.intercept) / coding.slope;
  const high = (window.high - coding.intercept) / coding.slope;
  const scale = 255 / Math.max(high - low, 1e-9);
  for (let code = 0; code < count; code += 1) {
    const grey = (code - low) * scale;
    found[code] = inverted ? 255 - grey : grey;
  }
  return found;
}

/** Paint codes into the pixels of an image of the same size. */
export function paint(image, values, coding, brightness) {
  const out = new Uint32Array(image.data.buffer);
  if (coding.colour) {
    for (let pixel = 0, at = 0; pixel < out.length; pixel += 1, at += 3) {
      const blue = brightness[values[at + 2]];
      const green = brightness[values[at + 1]];
      out[pixel] = OPAQUE | (blue << 16) | (green << 8) | brightness[values[at]];
    }
    return;
  }
  const grey = new Uint32Array(brightness.length);
  for (let code = 0; code < grey.length; code += 1) {
    grey[code] = OPAQUE | (brightness[code] * 0x010101);
  }
  for (let pixel = 0; pixel < out.length; pixel += 1) out[pixel] = grey[values[pixel]];
}
