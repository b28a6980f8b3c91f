/**
 * Maps and pictures as bitmap files in a data address, for `<img>`. A canvas would take the same pixels, but a browser
 * lays every canvas on a sheet of its own and stacks all sheets anew for each frame: a hundred maps cost 10 ms a frame.
 * A map's file has 256 colours, which are its colour table, and one byte for each value.
 */

import { colourTable } from "./colour.js";

const HEAD = 54;
const COLOURS = 256;
const PIECE = 0x6000; // characters that one call takes; a multiple of 3

const heads = new Map(); // base64 of everything before the pixels, by colours and size

/**
 * A map of which each pixel takes a row of the colour table.
 * @param {[number, number]} size rows and columns
 * @param {(pixel: number) => number} rowOf
 * @param {"diverging" | "grey"} kind
 * @param {"light" | "dark"} theme
 * @returns {string} a data address
 */
export function mapBitmap([height, width], rowOf, kind, theme) {
  const stride = alignedTo4(width);
  const pixels = new Uint8Array(stride * height);
  for (let y = 0, from = 0; y < height; y += 1) {
    for (let x = 0, to = y * stride; x < width; x += 1, from += 1, to += 1) pixels[to] = rowOf(from);
  }
  const key = [kind, theme, height, width].join();
  if (!heads.has(key)) heads.set(key, base64(head([height, width], 8, colourTable(kind, theme))));
  return `data:image/bmp;base64,${heads.get(key)}${base64(pixels)}`;
}

/**
 * An (H, W, 3) or (H, W, 1) picture of bytes.
 * @param {{values: Uint8Array, shape: number[]}} picture
 * @returns {string} a data address
 */
export function pictureBitmap({ values, shape: [height, width, channels] }) {
  const stride = alignedTo4(3 * width);
  const pixels = new Uint8Array(stride * height);
  for (let y = 0, from = 0; y < height; y += 1) {
    for (let x = 0, to = y * stride; x < width; x += 1, from += channels, to += 3) {
      pixels[to] = values[from + (channels === 3 ? 2 : 0)]; // blue comes first
      pixels[to + 1] = values[from + (channels === 3 ? 1 : 0)];
      pixels[to + 2] = values[from];
    }
  }
  return `data:image/bmp;base64,${base64(head([height, width], 24))}${base64(pixels)}`;
}

/** Everything before the pixels; its length is a multiple of 3, so that pieces of base64 can be put together. */
function head([height, width], bits, table) {
  const palette = table ? COLOURS * 4 : 0;
  const start = Math.ceil((HEAD + palette) / 3) * 3;
  const bytes = new Uint8Array(start);
  const view = new DataView(bytes.buffer);
  bytes.set([0x42, 0x4d]); // "BM"
  view.setUint32(2, start + alignedTo4((width * bits) / 8) * height, true);
  view.setUint32(10, start, true);
  view.setUint32(14, 40, true); // the size of what follows, up to the palette
  view.setInt32(18, width, true);
  view.setInt32(22, -height, true); // negative: the first row is the top one
  view.setUint16(26, 1, true);
  view.setUint16(28, bits, true);
  if (table) view.setUint32(46, COLOURS, true);
  for (let row = 0; table && row < COLOURS; row += 1) {
    bytes.set([table[row * 3 + 2], table[row * 3 + 1], table[row * 3]], HEAD + row * 4);
  }
  return bytes;
}

function alignedTo4(count) {
  return Math.ceil(count / 4) * 4;
}

function base64(bytes) {
  let text = "";
  for (let at = 0; at < bytes.length; at += PIECE) {
    text += btoa(String.fromCharCode.apply(null, bytes.subarray(at, at + PIECE)));
  }
  return text;
}
