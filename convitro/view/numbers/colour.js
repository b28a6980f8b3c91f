/**
 * Colours of values: one diverging scale, blue below zero, orange above, the paper's own colour at zero, and a grey one
 * for the channels of a picture. Blue and orange stay apart for every common colour blindness.
 */

const STEPS = 256;
const EQUAL_CONTRAST = 0.179; // the luminance against which black and white text read equally well (4.58 : 1)

/** Colours from the negative end over zero to the positive end, and where they stand: small values show, too. */
const DIVERGING = {
  light: ["#123a73", "#2f6fb5", "#8fb8df", "#fbfaf7", "#f0b27a", "#cf6a16", "#7f3300"],
  dark: ["#b7dcff", "#5da5ee", "#27558a", "#16181d", "#8a4a12", "#ee8f3a", "#ffdcb0"],
};
const PLACES = [0, 0.22, 0.38, 0.5, 0.62, 0.78, 1];
const GREY = ["#0b0b0c", "#f7f7f5"];

/**
 * @typedef {{kind: "diverging", limit: number} | {kind: "grey", low: number, high: number}} Scale
 * How values become colours: from -limit to limit around zero, or from low (black) to high (white).
 */

const tables = new Map();
const packed = new WeakMap();

/**
 * The colour table of a scale: 256 RGB triples.
 * @param {Scale["kind"]} kind
 * @param {"light" | "dark"} theme
 * @returns {Uint8ClampedArray}
 */
export function colourTable(kind, theme) {
  const stops = kind === "grey" ? GREY : DIVERGING[theme];
  const key = stops.join();
  if (!tables.has(key)) tables.set(key, ramp(stops, kind === "grey" ? [0, 1] : PLACES));
  return tables.get(key);
}

/**
 * The row of the colour table that a value takes.
 * @param {number} value
 * @param {Scale} scale
 * @returns {number} 0 … 255; NaN takes the middle
 */
export function step(value, scale) {
  const share =
    scale.kind === "grey"
      ? (value - scale.low) / (scale.high - scale.low || 1)
      : 0.5 + (0.5 * value) / (scale.limit || 1);
  const row = Math.round(share * (STEPS - 1));
  return row >= 0 ? Math.min(row, STEPS - 1) : row < 0 ? 0 : STEPS / 2;
}

/**
 * A value's colour, and black or white for text upon it, whichever reads better.
 * @param {number} value
 * @param {Scale} scale
 * @param {"light" | "dark"} theme
 * @returns {{background: string, text: string}}
 */
export function cellColours(value, scale, theme) {
  const table = colourTable(scale.kind, theme);
  const at = step(value, scale) * 3;
  const rgb = [table[at], table[at + 1], table[at + 2]];
  const luminance = 0.2126 * linear(rgb[0]) + 0.7152 * linear(rgb[1]) + 0.0722 * linear(rgb[2]);
  return { background: `rgb(${rgb.join(" ")})`, text: luminance > EQUAL_CONTRAST ? "#000000" : "#ffffff" };
}

/**
 * Paint values as pixels of a canvas, one pixel each.
 * @param {HTMLCanvasElement} canvas
 * @param {ArrayLike<number>} values row by row
 * @param {[number, number]} size rows and columns
 * @param {Scale} scale
 * @param {"light" | "dark"} theme
 */
export function paint(canvas, values, [height, width], scale, theme) {
  putImage(canvas, coloured([height, width], (i) => step(values[i], scale), scale.kind, theme));
}

/** Put an image on a canvas, which becomes as large as it. */
export function putImage(canvas, image) {
  if (canvas.width !== image.width) canvas.width = image.width;
  if (canvas.height !== image.height) canvas.height = image.height;
  canvas.getContext("2d").putImageData(image, 0, 0);
}

/**
 * An image of which each pixel takes a row of the colour table.
 * @param {[number, number]} size rows and columns
 * @param {(pixel: number) => number} rowOf
 * @param {Scale["kind"]} kind
 * @param {"light" | "dark"} theme
 * @returns {ImageData}
 */
export function coloured([height, width], rowOf, kind, theme) {
  const words = packedTable(colourTable(kind, theme));
  const image = new ImageData(width, height);
  const pixels = new Uint32Array(image.data.buffer); // one write per pixel instead of four
  for (let i = 0; i < pixels.length; i += 1) pixels[i] = words[rowOf(i)];
  return image;
}

/** A colour table as one 32-bit word per colour, in the byte order that image data has. */
function packedTable(table) {
  if (!packed.has(table)) {
    const bytes = new Uint8ClampedArray(STEPS * 4).fill(255);
    for (let row = 0; row < STEPS; row += 1) bytes.set(table.subarray(row * 3, row * 3 + 3), row * 4);
    packed.set(table, new Uint32Array(bytes.buffer));
  }
  return packed.get(table);
}

/** A table of STEPS colours through stops at places of 0 … 1, mixed in OKLab so that no false edges appear. */
function ramp(stops, places) {
  const labs = stops.map(toLab);
  const table = new Uint8ClampedArray(STEPS * 3);
  for (let i = 0; i < STEPS; i += 1) {
    const share = i / (STEPS - 1);
    const left = Math.max(
      places.findLastIndex((place) => place < share),
      0,
    );
    const way = (share - places[left]) / (places[left + 1] - places[left]);
    const mix = labs[left].map((value, axis) => value + (labs[left + 1][axis] - value) * way);
    table.set(fromLab(mix), i * 3);
  }
  return table;
}

function linear(byte) {
  const share = byte / 255;
  return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
}

function gamma(share) {
  return 255 * (share <= 0.0031308 ? share * 12.92 : 1.055 * share ** (1 / 2.4) - 0.055);
}

/** "#rrggbb" to OKLab (Ottosson 2020). */
function toLab(hex) {
  const [r, g, b] = [1, 3, 5].map((at) => linear(parseInt(hex.slice(at, at + 2), 16)));
  const l = Math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b);
  const m = Math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b);
  const s = Math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b);
  return [
    0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s,
    1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s,
    0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s,
  ];
}

/** OKLab to sRGB bytes. */
function fromLab([lightness, a, b]) {
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  return [
    gamma(4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s),
    gamma(-1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s),
    gamma(-0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s),
  ];
}
