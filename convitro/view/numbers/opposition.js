/** Channels that pull a pixel in opposite directions: what one brings, another takes away. */

import { pixelAt } from "./window.js";

/**
 * @typedef {{up: number, plus: number, down: number, minus: number}} Pair `up` brings `plus` > 0, `down` `minus` < 0
 */

/**
 * The strongest opposing pairs: the largest value with the lowest, the second largest with the second lowest …
 * @param {ArrayLike<number>} values one of each channel
 * @param {number} count how many pairs at most
 * @returns {Pair[]} channels by their place; none where all agree
 */
export function opposingPairs(values, count) {
  const order = Array.from(values, (_, index) => index)
    .filter((index) => values[index] !== 0 && !Number.isNaN(values[index]))
    .sort((a, b) => values[b] - values[a] || a - b);
  const pairs = [];
  for (let rank = 0; rank < Math.min(count, Math.floor(order.length / 2)); rank += 1) {
    const [up, down] = [order[rank], order[order.length - 1 - rank]];
    if (!(values[up] > 0 && values[down] < 0)) break;
    pairs.push({ up, plus: values[up], down, minus: values[down] });
  }
  return pairs;
}

/**
 * The pairs at one pixel of a document that holds the outermost values of every pixel.
 * @param {Object<string, {values: Float32Array, shape: number[]}>} arrays up, plus, down, minus (K, H, W)
 * @param {{y: number, x: number}} pixel
 * @returns {Pair[]} channels by their number
 */
export function pairsAt(arrays, { y, x }) {
  const [count, height, width] = arrays.plus.shape;
  const pairs = [];
  for (let rank = 0; rank < count; rank += 1) {
    const at = (rank * height + y) * width + x;
    const [up, plus, down, minus] = [arrays.up, arrays.plus, arrays.down, arrays.minus].map(({ values }) => values[at]);
    if (plus > 0 && minus < 0) pairs.push({ up, plus, down, minus });
  }
  return pairs;
}

/**
 * The pixel where most is lost in the sum of several maps: what they bring in size, less the size of their sum.
 * @param {ArrayLike<number>[]} maps
 * @param {[number, number]} size rows and columns
 * @param {(pixel: {y: number, x: number}) => boolean} [counts] which pixels to look at; all where it fits none
 * @returns {{y: number, x: number}}
 */
export function opposedPixel(maps, size, counts = () => true) {
  const pixels = Array.from({ length: maps[0].length }, (_, at) => pixelAt(at, size));
  const places = [...pixels.keys()].filter((at) => counts(pixels[at]));
  let [best, most] = [0, -1];
  for (const at of places.length ? places : pixels.keys()) {
    let [sum, brought] = [0, 0];
    for (const map of maps) {
      sum += map[at];
      brought += Math.abs(map[at]);
    }
    const lost = brought - Math.abs(sum);
    if (lost > most) [best, most] = [at, lost];
  }
  return pixels[best];
}
