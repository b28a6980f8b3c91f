/** The arithmetic behind one pixel: patch, products and sums, from the arrays that the page already holds. */

import { windowBox } from "./window.js";

/** How one input value and one weight become one product; the names are the library's. */
const COMBINES = {
  multiply: (x, w) => x * w,
  add: (x, w) => x + w,
  subtract: (x, w) => x - w,
  squared_difference: (x, w) => (x - w) ** 2,
  absolute_difference: (x, w) => Math.abs(x - w),
  minimum: (x, w) => Math.min(x, w),
};

/** The sign that stands between patch and kernel. */
export const COMBINE_SIGNS = {
  multiply: "×",
  add: "+",
  subtract: "−",
  squared_difference: "(−)²",
  absolute_difference: "|−|",
  minimum: "min",
};

/**
 * The input values under one output pixel, in one channel.
 * @param {object} layer manifest of the layer
 * @param {Float32Array} map the channel, row by row
 * @param {{y: number, x: number}} pixel of the output
 * @returns {{values: Float64Array, outside: Uint8Array}} KH * KW values; `outside` marks those that padding supplied
 */
export function patchAt(layer, map, pixel) {
  const [kh, kw] = layer.kernel_size;
  const [height, width] = layer.input_size;
  const box = windowBox(layer, pixel);
  const values = new Float64Array(kh * kw);
  const outside = new Uint8Array(kh * kw);
  for (let u = 0, at = 0; u < kh; u += 1) {
    for (let v = 0; v < kw; v += 1, at += 1) {
      const y = box.top + u * layer.dilation[0];
      const x = box.left + v * layer.dilation[1];
      outside[at] = y < 0 || x < 0 || y >= height || x >= width ? 1 : 0;
      const row = source(y, height, layer.padding_mode);
      const column = source(x, width, layer.padding_mode);
      values[at] = row === null || column === null ? 0 : map[row * width + column];
    }
  }
  return { values, outside };
}

/**
 * Patch and kernel combined, item by item.
 * @param {object} layer
 * @param {Float64Array} patch
 * @param {ArrayLike<number>} kernel
 * @param {Uint8Array} outside
 * @returns {Float64Array} NaN where the layer skips what padding supplied
 */
export function products(layer, patch, kernel, outside) {
  const combine = COMBINES[layer.combine];
  const skips = skipsPadding(layer);
  return patch.map((value, at) => (skips && outside[at] ? NaN : combine(value, kernel[at])));
}

/**
 * Whether padded items take no part: so in every layer but the ordinary product-and-sum.
 * @param {object} layer
 */
function skipsPadding(layer) {
  return layer.padding_mode === "zeros" && !(layer.combine === "multiply" && layer.window === "sum");
}

/** The row or column that stands at a place, by padding mode; null where zeros stand. */
function source(at, size, mode) {
  if (at >= 0 && at < size) return at;
  if (mode === "replicate") return at < 0 ? 0 : size - 1;
  if (mode === "circular") return ((at % size) + size) % size;
  if (mode === "reflect") return at < 0 ? -at : 2 * (size - 1) - at;
  return null;
}

/**
 * The output pixel with the largest value, the first of equals; among those that read no padding, where there are any.
 * @param {object} layer
 * @param {Float32Array} values its feature map
 * @returns {{y: number, x: number}}
 */
export function strongest(layer, values) {
  const [height, width] = layer.output_size;
  let [best, bestInside] = [-1, -1];
  for (let y = 0, at = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1, at += 1) {
      if (best < 0 || values[at] > values[best]) best = at;
      if ((bestInside < 0 || values[at] > values[bestInside]) && readsNoPadding(layer, { y, x })) bestInside = at;
    }
  }
  const at = bestInside < 0 ? best : bestInside;
  return { y: Math.floor(at / width), x: at % width };
}

/** Whether all that an output pixel reads lies inside the image. */
export function readsNoPadding(layer, pixel) {
  const { top, left, height, width } = windowBox(layer, pixel);
  return top >= 0 && left >= 0 && top + height <= layer.input_size[0] && left + width <= layer.input_size[1];
}

/**
 * How two maps differ.
 * @param {Float32Array} map
 * @param {Float32Array} other
 * @returns {{difference: Float32Array, limit: number, mean: number, correlation: number}}
 */
export function compare(map, other) {
  const difference = new Float32Array(map.length);
  let [limit, total] = [0, 0];
  const [a, b] = [mean(map), mean(other)];
  let [ab, aa, bb] = [0, 0, 0];
  for (let i = 0; i < map.length; i += 1) {
    difference[i] = map[i] - other[i];
    const size = Math.abs(difference[i]);
    if (Number.isFinite(size)) limit = Math.max(limit, size);
    total += size;
    ab += (map[i] - a) * (other[i] - b);
    aa += (map[i] - a) ** 2;
    bb += (other[i] - b) ** 2;
  }
  return { difference, limit, mean: total / map.length, correlation: ab / Math.sqrt(aa * bb) };
}

/** @param {Float32Array} values */
function mean(values) {
  let sum = 0;
  for (const value of values) sum += value;
  return sum / values.length;
}

/** What an array of a document has become more than another one. */
export function difference(array, other) {
  return { ...array, values: array.values.map((value, at) => value - other.values[at]) };
}
