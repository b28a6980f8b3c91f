/** Curves over epochs: their axes, their paths, and which point is meant. */

const STEPS = [1, 2, 2.5, 5, 10];

/**
 * Round numbers from `low` to `high` or beyond, evenly apart.
 * @param {number} low
 * @param {number} high
 * @param {number} most how many there may be
 * @returns {number[]}
 */
export function ticks(low, high, most) {
  const span = high - low || Math.abs(high) || 1;
  const rough = span / Math.max(most - 1, 1);
  const power = 10 ** Math.floor(Math.log10(rough));
  for (const size of [...STEPS, 20, 25, 50]) {
    const step = size * power;
    const first = Math.floor(low / step + 1e-9);
    const last = Math.ceil(Math.max(high, low + span) / step - 1e-9);
    if (last - first < most) return Array.from({ length: last - first + 1 }, (_, at) => tidy((first + at) * step));
  }
  return [low, high];
}

/**
 * Whole numbers from `low` to `high`, both among them, evenly apart save for the last.
 * @param {number} low
 * @param {number} high
 * @param {number} most how many there may be
 * @returns {number[]}
 */
export function wholeTicks(low, high, most) {
  if (high <= low) return [low];
  const step = [1, 2, 5].flatMap((size) => [1, 10, 100, 1000, 10000].map((power) => size * power))
    .sort((a, b) => a - b)
    .find((size) => (high - low) / size + 1 <= most) ?? high - low;
  const found = [low];
  for (let at = Math.floor(low / step + 1) * step; at < high; at += step) found.push(at);
  if (found.length > 1 && high - found.at(-1) < step / 2) found.pop(); // its label would touch the last one
  return [...found, high];
}

/** 0.30000000000000004 is not what anybody means. */
function tidy(value) {
  return Number(value.toPrecision(12));
}

/**
 * The largest finite value of several series; 0 where there is none.
 * @param {(number | null)[][]} series
 */
export function highest(series) {
  return series.flat().reduce((most, value) => (Number.isFinite(value) && value > most ? value : most), 0);
}

/**
 * From numbers to places: `low` at `start`, `high` at `end`.
 * @param {number} low
 * @param {number} high
 * @param {number} start
 * @param {number} end
 * @returns {(value: number) => number}
 */
export function linear(low, high, start, end) {
  const span = high - low || 1;
  return (value) => start + ((value - low) / span) * (end - start);
}

/**
 * A path through points; where a value is missing the line stops and begins anew.
 * @param {number[]} xs
 * @param {(number | null)[]} ys
 * @param {(value: number) => number} x
 * @param {(value: number) => number} y
 * @returns {string}
 */
export function pathOf(xs, ys, x, y) {
  let open = false;
  return ys.reduce((path, value, at) => {
    if (!Number.isFinite(value)) {
      open = false;
      return path;
    }
    const point = `${open ? "L" : "M"}${round(x(xs[at]))} ${round(y(value))}`;
    open = true;
    return path + point;
  }, "");
}

function round(place) {
  return Math.round(place * 100) / 100;
}

/**
 * The place of the number that is closest; -1 where there are none.
 * @param {number[]} numbers
 * @param {number} value
 */
export function nearest(numbers, value) {
  return numbers.reduce(
    (best, number, at) => (best < 0 || Math.abs(number - value) < Math.abs(numbers[best] - value) ? at : best),
    -1,
  );
}

/**
 * Columns and rows for so many tiles of one size, as square as they can be, with a gap of one between them.
 * @param {number} count
 * @param {[number, number]} size rows and columns of a tile
 * @returns {{columns: number, height: number, width: number, at: (index: number) => {y: number, x: number}}}
 */
export function mosaic(count, [rows, columns]) {
  const across = Math.ceil(Math.sqrt((count * (rows + 1)) / (columns + 1)));
  const down = Math.ceil(count / across);
  return {
    columns: across,
    height: down * (rows + 1) - 1,
    width: across * (columns + 1) - 1,
    at: (index) => ({ y: Math.floor(index / across) * (rows + 1), x: (index % across) * (columns + 1) }),
  };
}
