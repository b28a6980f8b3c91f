/** What happens to one pixel after its sum, written out: BatchNorm, activation, pooling, each with this pixel's numbers. */

import { format } from "./format.js";
import { poolBox } from "./window.js";

const MOST_OF_WINDOW = 9;

/** A number where it stands after a sign or before a power: in brackets when it is negative. */
const safe = (value) => (value < 0 ? `(${format(value)})` : format(value));
const sigmoid = (x) => 1 / (1 + Math.exp(-x));

/** The share of a normal distribution below x (Abramowitz and Stegun 7.1.26, error below 2e-7). */
function below(x) {
  const z = Math.abs(x) / Math.SQRT2;
  const t = 1 / (1 + 0.3275911 * z);
  const series = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  const tail = (series * Math.exp(-z * z)) / 2;
  return x < 0 ? tail : 1 - tail;
}

/** Activation -> what it computes and how that reads, for x and the numbers in its brackets. */
const ACTIVATIONS = {
  relu: [(x) => Math.max(0, x), (x) => `max(0, ${format(x)})`],
  relu6: [(x) => Math.min(Math.max(0, x), 6), (x) => `min(max(0, ${format(x)}), 6)`],
  hardtanh: [(x, low = -1, high = 1) => Math.min(Math.max(low, x), high), (x, low = -1, high = 1) => `min(max(${format(low)}, ${format(x)}), ${format(high)})`],
  leaky_relu: [leaky, (x, slope = 0.01) => (x < 0 ? `${format(slope)} × ${safe(x)}` : `${format(x)}, for it is not negative`)],
  prelu: [leaky, (x, slope) => (x < 0 ? `${format(slope)} × ${safe(x)}` : `${format(x)}, for it is not negative`)],
  elu: [(x, a = 1) => (x < 0 ? a * Math.expm1(x) : x), (x, a = 1) => (x < 0 ? `${format(a)} × (e^${safe(x)} − 1)` : `${format(x)}, for it is not negative`)],
  silu: [(x) => x * sigmoid(x), (x) => `${format(x)} × sigmoid(${format(x)}) = ${format(x)} × ${format(sigmoid(x))}`],
  gelu: [(x) => x * below(x), (x) => `${format(x)} × Φ(${format(x)}) = ${format(x)} × ${format(below(x))}`],
  sigmoid: [sigmoid, (x) => `1 / (1 + e^${safe(-x)})`],
  tanh: [Math.tanh, (x) => `(e^${safe(x)} − e^${safe(-x)}) / (e^${safe(x)} + e^${safe(-x)})`],
  softplus: [(x) => Math.log1p(Math.exp(-Math.abs(x))) + Math.max(x, 0), (x) => `ln(1 + e^${safe(x)})`],
  hardswish: [(x) => (x * Math.min(Math.max(x + 3, 0), 6)) / 6, (x) => `${format(x)} × min(max(0, ${format(x)} + 3), 6) / 6`],
  hardsigmoid: [(x) => Math.min(Math.max(x + 3, 0), 6) / 6, (x) => `min(max(0, ${format(x)} + 3), 6) / 6`],
};

function leaky(x, slope = 0.01) {
  return x < 0 ? slope * x : x;
}

/**
 * One stage of a pixel.
 * @param {{kind: string, words: string}} stage
 * @param {number} x what it gets
 * @param {{normalization: object | null, slope: number | null} | undefined} constants of the filter
 * @returns {{text: string, value: number} | null} null for one that cannot be written out here
 */
export function stageLine({ kind, words }, x, constants) {
  if (kind === "normalization") return normalized(x, constants?.normalization);
  const [, name, inside] = /^(\w+)(?:\((.*)\))?$/.exec(words) ?? [];
  const known = ACTIVATIONS[name];
  const given = name === "prelu" ? [constants?.slope] : (inside ?? "").split(", ").filter(Boolean).map(Number);
  if (!known || given.some((value) => typeof value !== "number" || Number.isNaN(value))) return null;
  if (name === "softplus" && given.length) return null; // scaled, which is rare
  const [compute, write] = known;
  return { text: `${words}(${format(x)}) = ${write(x, ...given)}`.replace(/^(\w+)\(([^()]*)\)\(/, "$1("), value: compute(x, ...given) };
}

/** A normalised pixel, with the four numbers of its filter. */
function normalized(x, numbers) {
  if (!numbers) return null;
  const { mean, variance, weight, bias, eps } = numbers;
  const value = ((x - mean) / Math.sqrt(variance + eps)) * weight + bias;
  const shift = bias < 0 ? `− ${format(-bias)}` : `+ ${format(bias)}`;
  return { text: `BatchNorm: (${format(x)} − ${safe(mean)}) / √(${format(variance)} + ${format(eps)}) × ${safe(weight)} ${shift}`, value };
}

/**
 * All stages of a pixel before or after the pooling, one after the other.
 * @param {{kind: string, words: string}[]} stages
 * @param {number} x
 * @param {object | undefined} constants
 * @returns {{kind: string, text: string, value: number}[] | null} null where one cannot be written out
 */
export function stageLines(stages, x, constants) {
  const lines = [];
  for (const stage of stages) {
    const line = stageLine(stage, lines.at(-1)?.value ?? x, constants);
    if (!line) return null;
    lines.push({ kind: stage.kind, ...line });
  }
  return lines;
}

/**
 * The numbers of a pooling window that lie on the map, as they are compared or averaged.
 * @param {object} pool manifest of the pooling
 * @param {[number, number]} size of the map
 * @param {{y: number, x: number}} cell of the pooled map
 * @param {(at: number) => number} read the value at a place of the map, in reading order
 * @returns {{values: number[], complete: boolean}} complete: no part of the window lies beside the map
 */
export function poolValues(pool, [height, width], cell, read) {
  const { top, left } = poolBox(pool, cell);
  const values = [];
  for (let u = 0; u < pool.kernel_size[0]; u += 1) {
    for (let v = 0; v < pool.kernel_size[1]; v += 1) {
      const [y, x] = [top + u * pool.dilation[0], left + v * pool.dilation[1]];
      if (y >= 0 && x >= 0 && y < height && x < width) values.push(read(y * width + x));
    }
  }
  return { values, complete: values.length === pool.kernel_size[0] * pool.kernel_size[1] };
}

/** "max(0.1, 0.7, 0.2, 0)": the numbers of a window, the largest among those shown. */
export function maxText(values) {
  const best = Math.max(...values);
  const shown = values.length > MOST_OF_WINDOW ? [...values.slice(0, MOST_OF_WINDOW - 1).filter((value) => value !== best), best] : values;
  const more = values.length - shown.length;
  return `max(${shown.map(format).join(", ")}${more ? `, … ${more} more` : ""})`;
}

/** "(0.1 + 0.7 + 0.2 + 0) / 4". */
export function averageText(values) {
  const shown = values.slice(0, MOST_OF_WINDOW);
  const more = values.length - shown.length;
  return `(${shown.map(safe).join(" + ")}${more ? ` + … ${more} more` : ""}) / ${values.length}`;
}
